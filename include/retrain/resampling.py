"""How far a difference between two models on the same rows may be chance: paired permutation, and paired bootstrap.

Whole clusters of rows (equal contents, or a group) swap and are drawn together. Three kinds of metric:

- of *sums* over rows: a resample is a product of weights and sums.
- of *ranks* (ROC AUC, average precision): a resample is a cumulated sum of weights in the order of the scores.
- of *anything* (a scorer of scikit-learn): each resample is one call of the scorer, a thousand times as slow.
"""

from collections.abc import Iterator
from dataclasses import dataclass
from math import ceil
from typing import ClassVar, Protocol

import numpy as np
from numpy.typing import NDArray

from retrain.codes import Codes
from retrain.scores import Answers, Scorer, Values
from retrain.sums import Floats, counts, losses, value

_TIE = 1e-9
"""Differences of a smaller share of the values are equal: the same average summed in another order differs in its last
bits, which are large ones where the metric is, say, an error in cents."""
_CHUNK = 400_000
"""Numbers in one chunk of draws: 3 MB an array, so that it stays in the cache, however many draws there are."""
_QUICK_DRAWS, _SLOW_DRAWS = 10_000, 2_000


class Resampled(Protocol):
    """Two models on the same rows, as a metric of one kind wants them. Values are raw, in the metric's direction."""

    @property
    def slow(self) -> bool:
        """Whether a draw takes milliseconds."""

    def observed(self) -> tuple[float, float]:
        """The metric of each: challenger, Production. NaN where it is undefined."""

    def alike(self) -> bool:
        """Whether no answer differs that counts for the metric."""

    def permuted(self, rng: np.random.Generator, draws: int) -> Floats:
        """Challenger minus Production where each cluster's answers change sides or not, shape (draws,)."""

    def bootstrapped(self, rng: np.random.Generator, draws: int) -> tuple[Floats, Floats]:
        """The metric of each on clusters drawn with replacement, two of shape (draws,)."""


def permutation_p(pair: Resampled, sign: int, alpha: float, rng: np.random.Generator) -> tuple[float, float]:
    """One-sided p that the challenger is no better, and the spread of the difference by chance.

    p is the share of permutations that reach the observed difference, itself counted in (Phipson & Smyth 2010,
    "Permutation P-values should never be zero"). sign: 1 where greater is better, else -1.
    """
    own, theirs = pair.observed()
    gain = sign * (own - theirs)
    chance = sign * pair.permuted(rng, draws_for(pair, alpha))
    reached = len(chance) - int(
        (chance < gain - tie(own, theirs)).sum()
    )  # so that a NaN would count against the challenger
    return (1 + reached) / (1 + len(chance)), float(np.nanstd(chance))


def tie(own: float, theirs: float) -> float:
    """Values of this size are equal where they differ by no more."""
    return _TIE * max(abs(own), abs(theirs))


def bootstrap_p(gains: Floats, threshold: float, slack: float = 0) -> float:
    """One-sided p that the gain is not above the threshold: the share of resamples that are not, itself counted in.

    Below alpha exactly where the lower bound of the percentile interval at alpha is above the threshold (Efron &
    Tibshirani 1993, ch. 13). slack: how much it must be above, to be no tie.
    """
    return (1 + len(gains) - int((gains > threshold + slack).sum())) / (1 + len(gains))


def interval(values: Floats, share: float = 0.95) -> tuple[float, float] | None:
    """Percentile interval; None where a resample is always undefined. One may miss a rare class altogether."""
    finite = values[np.isfinite(values)]
    if not len(finite):
        return None
    low, high = np.quantile(finite, ((1 - share) / 2, (1 + share) / 2))
    return float(low), float(high)


def draws_for(pair: Resampled, alpha: float, least: int = _QUICK_DRAWS) -> int:
    """Enough that the error of p near alpha is a seventh of it; ten draws beyond alpha for a slow one."""
    return max(_SLOW_DRAWS, ceil(10 / alpha)) if pair.slow else max(least, ceil(50 / alpha))


# ── sums


@dataclass(frozen=True, eq=False)
class Summed:
    """Kinds of clusters: how many there are of each, and what one adds to the sums of each model."""

    metric: str
    weights: Codes
    """Shape (u,)."""
    own: Floats
    theirs: Floats
    """Shape (u, s): of one cluster of this kind."""
    slow: ClassVar[bool] = False

    def observed(self) -> tuple[float, float]:
        own, theirs = (value(self.metric, (self.weights @ sums)) for sums in (self.own, self.theirs))
        return float(own), float(theirs)

    def alike(self) -> bool:
        return not (self.own - self.theirs).any()

    def permuted(self, rng: np.random.Generator, draws: int) -> Floats:
        swing, own, theirs = self.own - self.theirs, self.weights @ self.own, self.weights @ self.theirs
        gains = []
        for step in _chunks(draws, max(swing.shape[1], 1)):
            moved = _moved(rng, step, self.weights, swing)
            gains.append(value(self.metric, own - moved) - value(self.metric, theirs + moved))
        return np.concatenate(gains)

    def bootstrapped(self, rng: np.random.Generator, draws: int) -> tuple[Floats, Floats]:
        both = np.concatenate([self.own, self.theirs], axis=1)
        own, theirs = [], []
        for step in _chunks(draws, max(len(self.weights), both.shape[1])):
            totals = _drawn(rng, step, self.weights).astype(np.float64) @ both
            own.append(value(self.metric, totals[:, : self.own.shape[1]]))
            theirs.append(value(self.metric, totals[:, self.own.shape[1] :]))
        return np.concatenate(own), np.concatenate(theirs)


def of_labels(
    metric: str, codes: tuple[Codes, Codes, Codes], cluster: NDArray[np.intp], *, classes: int, positive: int | None
) -> Summed:
    """codes: of the labels and of both models' answers, shape (n,) each. cluster: shape (n,), 0..u-1.

    Clusters of as many rows, all with one label and one pair of answers, are alike; a mixed one is its own kind.
    """
    labels, own, theirs = codes
    _, cell = np.unique(np.column_stack(codes), axis=0, return_inverse=True)
    _, first, size = np.unique(cluster, return_index=True, return_counts=True)
    mixed = np.bincount(cluster, weights=cell != cell[first][cluster]) > 0
    keys = np.where(mixed, -1 - np.arange(len(size)), cell[first] * (len(cell) + 1) + size)
    kinds, kind, weights = np.unique(keys, return_inverse=True, return_counts=True)

    def of_one(predictions: Codes) -> Floats:
        sums = counts(
            metric, labels, predictions, classes=classes, positive=positive, group=kind[cluster], groups=len(kinds)
        )
        return np.asarray(sums / weights[:, None])

    return Summed(metric, weights, of_one(own), of_one(theirs))


def of_losses(metric: str, labels: Values, answers: tuple[Floats, Floats], cluster: NDArray[np.intp]) -> Summed:
    """answers: of both models, probabilities of shape (n, k) or numbers of shape (n,)."""
    own, theirs = (_per_cluster(losses(metric, labels, each), cluster) for each in answers)
    return Summed(metric, np.ones(len(own), np.int64), own, theirs)


def _per_cluster(sums: Floats, cluster: NDArray[np.intp]) -> Floats:
    return np.column_stack([np.bincount(cluster, weights=column) for column in sums.T])


def _moved(rng: np.random.Generator, draws: int, weights: Codes, swing: Floats) -> Floats:
    """What goes from one side to the other where each cluster's answers do so with probability 1/2: (draws, s)."""
    counted = swing.any(axis=1)
    weights, swing = weights[counted], swing[counted]
    single = weights == 1
    moved = _coins(rng, draws, swing[single])
    if not single.all():
        many, of_many = weights[~single], swing[~single]
        for start, step in _places(draws, max(len(many), 1)):
            # Of w clusters with the same swing, Binomial(w, 1/2) change sides: w coins in one throw.
            thrown = rng.binomial(many, 0.5, size=(step, len(many))).astype(np.float64)
            moved[start : start + step] += thrown @ of_many
    return moved


def _coins(rng: np.random.Generator, draws: int, swing: Floats) -> Floats:
    """Sums of swings over fair coins, shape (draws, s).

    A byte is eight coins: what its 256 values add is summed once, and then looked up ("Four Russians": Arlazarov,
    Dinic, Kronrod & Faradzev 1970).
    """
    bits = np.unpackbits(np.arange(256, dtype=np.uint8)[:, None], axis=1).astype(np.float64)
    moved = np.zeros((swing.shape[1], draws))
    for start in range(0, len(swing), 8):
        block = swing[start : start + 8]
        thrown = rng.bit_generator.random_raw(-(-draws // 8)).view(np.uint8)[:draws]
        for column in np.flatnonzero(block.any(axis=0)):
            moved[column] += (bits[:, : len(block)] @ block[:, column]).take(thrown)
    return moved.T


def _drawn(rng: np.random.Generator, draws: int, weights: Codes) -> Codes:
    """How often each kind is drawn when as many clusters as there are are drawn with replacement: (draws, u)."""
    total, kinds = int(weights.sum()), len(weights)
    if total > 4 * kinds:
        return rng.multinomial(total, weights / total, size=draws)
    drawn = rng.integers(0, total, size=(draws, total), dtype=np.int32)
    if kinds < total:
        drawn = np.repeat(np.arange(kinds, dtype=np.int32), weights)[drawn]
    return np.bincount((drawn + kinds * np.arange(draws)[:, None]).ravel(), minlength=draws * kinds).reshape(
        draws, kinds
    )


# ── ranks

Weights = NDArray[np.int32]
"""Whole numbers: their cumulated sums take an eighth of the time of fractions."""


@dataclass(frozen=True, eq=False)
class Ranked:
    """Scores of the positive class by two models; only their order within each model counts."""

    metric: str
    positive: NDArray[np.bool_]
    """Shape (n,): whether the row is of the class."""
    own: Floats
    theirs: Floats
    """Shape (n,): ranks, from 0 to 1, equal scores with their mean rank: two models may be on different scales."""
    cluster: NDArray[np.intp]
    """Shape (n,): 0..u-1."""

    @property
    def slow(self) -> bool:
        return self.metric != "roc_auc"

    @staticmethod
    def of(
        metric: str, positive: NDArray[np.bool_], own: Floats, theirs: Floats, cluster: NDArray[np.intp]
    ) -> "Ranked":
        """own, theirs: scores on any scale, shape (n,)."""
        return Ranked(metric, positive, _ranks(own), _ranks(theirs), cluster)

    def observed(self) -> tuple[float, float]:
        every = np.ones((1, len(self.positive)), np.int32)
        own, theirs = (float(self._value(ranks, self.positive, every)[0]) for ranks in (self.own, self.theirs))
        return own, theirs

    def alike(self) -> bool:
        return bool((self.own == self.theirs).all())

    def permuted(self, rng: np.random.Generator, draws: int) -> Floats:
        if self.metric == "roc_auc":
            return self._permuted_auc(rng, draws)
        ranks, positive = np.concatenate([self.own, self.theirs]), np.tile(self.positive, 2)
        gains = []
        for step in _chunks(draws, 2 * len(self.positive)):
            stays = rng.integers(0, 2, size=(step, self.cluster.max() + 1), dtype=np.uint8)[:, self.cluster]
            kept = np.concatenate([stays, 1 - stays], axis=1).astype(np.int32)
            gains.append(self._value(ranks, positive, kept) - self._value(ranks, positive, 1 - kept))
        return np.concatenate(gains)

    def _permuted_auc(self, rng: np.random.Generator, draws: int) -> Floats:
        """The difference of two AUCs that share out all answers is a sum over rows (Bandos, Rockette & Gur 2005).

        With K(p, n) whether a positive answer ranks above a negative one, and W the answers that are on our side,
        Σ K over W x W less Σ K over the others is Σ K over W x all and all x W less Σ K over all: no product is left.
        """
        ranks, positive = np.concatenate([self.own, self.theirs]), np.tile(self.positive, 2)
        above = np.where(positive, _share_below(ranks[~positive], ranks), _share_below(-ranks[positive], -ranks))
        swing = above[: len(self.positive)] - above[len(self.positive) :]
        pairs = self.positive.sum() * (~self.positive).sum()
        each = np.bincount(self.cluster, weights=swing).astype(np.float64)[:, None]
        gains: Floats = (each.sum() / 2 - _coins(rng, draws, each)[:, 0]) / pairs
        return gains

    def bootstrapped(self, rng: np.random.Generator, draws: int) -> tuple[Floats, Floats]:
        own, theirs = [], []
        clusters = np.ones(self.cluster.max() + 1, np.int64)
        for step in _chunks(draws, len(self.positive)):
            drawn = _drawn(rng, step, clusters).astype(np.int32).take(self.cluster, axis=1)
            own.append(self._value(self.own, self.positive, drawn))
            theirs.append(self._value(self.theirs, self.positive, drawn))
        return np.concatenate(own), np.concatenate(theirs)

    def _value(self, ranks: Floats, positive: NDArray[np.bool_], weights: Weights) -> Floats:
        """The metric with rows weighted, shape (draws, n) to shape (draws,)."""
        return (_area if self.metric == "roc_auc" else _precision)(ranks, positive, weights)


def _area(ranks: Floats, positive: NDArray[np.bool_], weights: Weights) -> Floats:
    """The share of pairs of a positive and a negative row that are in order; equal ones count half."""
    lost, won = np.flatnonzero(~positive), np.flatnonzero(positive)
    lost = lost[np.argsort(ranks[lost])]
    missed = np.zeros((len(weights), len(lost) + 1), np.int32)
    np.cumsum(weights.take(lost, axis=1), axis=1, out=missed[:, 1:])
    below, upto = (missed.take(np.searchsorted(ranks[lost], ranks[won], side), axis=1) for side in ("left", "right"))
    hits = weights.take(won, axis=1)
    area = np.einsum("dw,dw->d", hits, below + upto, dtype=np.float64) / 2
    return _defined(area, hits.sum(axis=1, dtype=np.float64) * missed[:, -1])


def _precision(ranks: Floats, positive: NDArray[np.bool_], weights: Weights) -> Floats:
    """Average precision."""
    order = np.argsort(-ranks, kind="stable")
    last = np.flatnonzero(np.append(np.diff(ranks[order]) != 0, True))  # of each run of equal scores
    weights = weights.take(order, axis=1)
    hit, seen = (
        np.cumsum(each, axis=1, dtype=np.int32).take(last, axis=1) for each in (weights * positive[order], weights)
    )
    precision = np.divide(hit, seen, out=np.zeros(hit.shape), where=seen > 0)
    return _defined((np.diff(hit, axis=1, prepend=0) * precision).sum(axis=1), hit[:, -1])


def _ranks(scores: Floats) -> Floats:
    _, place, count = np.unique(scores, return_inverse=True, return_counts=True)
    ranks: Floats = (np.cumsum(count) - (count - 1) / 2) / max(len(scores), 1)
    return np.asarray(ranks[place])


def _share_below(others: Floats, ranks: Floats) -> Floats:
    """How many of the others are below each rank; equal ones count half."""
    ordered = np.sort(others)
    below: Floats = (np.searchsorted(ordered, ranks, "left") + np.searchsorted(ordered, ranks, "right")) / 2
    return below


def _defined(above: Floats, below: Floats | Weights) -> Floats:
    ratio: Floats = np.divide(above, below, out=np.full(above.shape, np.nan), where=below > 0)
    return ratio


# ── anything


@dataclass(frozen=True, eq=False)
class Scored:
    """Any metric, by a call for each resample. At 1 ms a call, a verdict takes seconds."""

    scorer: Scorer
    labels: Values
    own: Answers
    theirs: Answers
    cluster: NDArray[np.intp]
    """Shape (n,): 0..u-1."""
    slow: ClassVar[bool] = True

    def observed(self) -> tuple[float, float]:
        return self.scorer(self.labels, self.own), self.scorer(self.labels, self.theirs)

    def alike(self) -> bool:
        both = zip(*((each.labels, each.probabilities, each.scores) for each in (self.own, self.theirs)), strict=True)
        return all(np.array_equal(own, theirs) for own, theirs in both if own is not None and theirs is not None)

    def permuted(self, rng: np.random.Generator, draws: int) -> Floats:
        gains = np.empty(draws)
        for draw in range(draws):
            swapped = rng.integers(0, 2, size=self.cluster.max() + 1).astype(np.bool_)[self.cluster]
            own, theirs = self.own.mixed(self.theirs, swapped), self.theirs.mixed(self.own, swapped)
            gains[draw] = self.scorer(self.labels, own) - self.scorer(self.labels, theirs)
        return gains

    def bootstrapped(self, rng: np.random.Generator, draws: int) -> tuple[Floats, Floats]:
        order = np.argsort(self.cluster, kind="stable")
        of_cluster = np.split(order, np.cumsum(np.bincount(self.cluster))[:-1])
        values = np.empty((2, draws))
        for draw in range(draws):
            chosen = rng.integers(0, len(of_cluster), size=len(of_cluster))
            rows = np.concatenate([of_cluster[each] for each in chosen])
            values[:, draw] = [self.scorer(self.labels[rows], each.part(rows)) for each in (self.own, self.theirs)]
        return values[0], values[1]


# ── below


def _chunks(draws: int, width: int) -> Iterator[int]:
    return (step for _, step in _places(draws, width))


def _places(draws: int, width: int) -> Iterator[tuple[int, int]]:
    step = max(1, _CHUNK // width)
    for start in range(0, draws, step):
        yield start, min(step, draws - start)
