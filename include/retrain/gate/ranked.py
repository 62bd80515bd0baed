"""Metrics that follow from the order of the scores (ROC AUC, average precision), and how they are resampled."""

from collections.abc import Callable, Iterable
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from retrain.gate.labels import Floats
from retrain.gate.significance import bit_sums, chunks, coin_sums, draw_counts
from retrain.gate.swaps import Swaps

Weights = NDArray[np.int32]
"""Whole numbers: their cumulated sums take an eighth of the time of fractions."""


@dataclass(frozen=True, eq=False)
class Ranked:
    """Two models' scores for the positive class; only the order of the scores within each model counts."""

    metric: str
    positive: NDArray[np.bool_]
    """Whether the row belongs to the class, shape (n,)."""
    own: Floats
    theirs: Floats
    """Ranks from 0 to 1, shape (n,): two models may be on different scales. Equal scores have their mean rank."""
    cluster: NDArray[np.intp]
    """Shape (n,): 0..u-1."""

    @property
    def slow(self) -> bool:
        return is_slow(self.metric)

    @staticmethod
    def of(
        metric: str, positive: NDArray[np.bool_], own: Floats, theirs: Floats, cluster: NDArray[np.intp]
    ) -> "Ranked":
        """Rank the scores. own, theirs: on any scale, shape (n,)."""
        return Ranked(metric, positive, _ranks(own), _ranks(theirs), cluster)

    def observed(self) -> tuple[float, float]:
        every = np.ones((1, len(self.positive)), np.int32)
        own, theirs = (float(self._value(ranks, self.positive, every)[0]) for ranks in (self.own, self.theirs))
        return own, theirs

    def alike(self) -> bool:
        return bool((self.own == self.theirs).all())

    def permuted(self, rng: np.random.Generator, draws: int) -> Floats:
        if self.metric == "roc_auc":
            return self._auc_gains(lambda swing: coin_sums(rng, draws, swing))
        clusters = self.cluster.max() + 1
        steps = chunks(draws, 2 * len(self.positive))
        return self._gains(1 - rng.integers(0, 2, size=(step, clusters), dtype=np.uint8) for step in steps)

    def swapped(self, swaps: Swaps) -> Floats:
        if self.metric != "roc_auc":
            return self._gains(swaps.chunks(2 * len(self.positive)))
        return self._auc_gains(lambda swing: bit_sums(swaps.bits(np.arange(len(swing))), swing))

    def _gains(self, parts: Iterable[NDArray[np.uint8]]) -> Floats:
        """Return the differences where clusters swap: those with a 1, shape (step, u) each."""
        ranks, positive, gains = np.concatenate([self.own, self.theirs]), np.tile(self.positive, 2), []
        for part in parts:
            swaps = part[:, self.cluster]
            own = np.concatenate([1 - swaps, swaps], axis=1).astype(np.int32)
            gains.append(self._value(ranks, positive, own) - self._value(ranks, positive, 1 - own))
        return np.concatenate(gains)

    def _auc_gains(self, sums: Callable[[Floats], Floats]) -> Floats:
        """Return the differences of ROC AUC as a sum over rows (Bandos, Rockette & Gur 2005).

        sums: of those rows of an array, shape (u, 1), whose clusters swap: shape (draws, 1).

        K(p, n) says whether a positive score ranks above a negative one, and W are the scores that the challenger has
        after a swap. Then Σ K over W x W less Σ K over the others is Σ K over W x all and all x W less Σ K over all: no
        product of two swapped sets is left.
        """
        ranks, positive = np.concatenate([self.own, self.theirs]), np.tile(self.positive, 2)
        above = np.where(positive, _share_below(ranks[~positive], ranks), _share_below(-ranks[positive], -ranks))
        swing = above[: len(self.positive)] - above[len(self.positive) :]
        pairs = self.positive.sum() * (~self.positive).sum()
        each = np.bincount(self.cluster, weights=swing).astype(np.float64)[:, None]
        gains: Floats = (each.sum() / 2 - sums(each)[:, 0]) / pairs
        return gains

    def bootstrapped(self, rng: np.random.Generator, draws: int) -> tuple[Floats, Floats]:
        own, theirs = [], []
        clusters = np.ones(self.cluster.max() + 1, np.int64)
        for step in chunks(draws, len(self.positive)):
            drawn = draw_counts(rng, step, clusters).astype(np.int32).take(self.cluster, axis=1)
            own.append(self._value(self.own, self.positive, drawn))
            theirs.append(self._value(self.theirs, self.positive, drawn))
        return np.concatenate(own), np.concatenate(theirs)

    def _value(self, ranks: Floats, positive: NDArray[np.bool_], weights: Weights) -> Floats:
        """Return the metric with weighted rows: shape (draws, n) to shape (draws,)."""
        return (_area if self.metric == "roc_auc" else _precision)(ranks, positive, weights)


def is_slow(metric: str) -> bool:
    """Return whether a draw takes milliseconds. ROC AUC follows from sums, but for the bootstrap."""
    return metric != "roc_auc"


def _area(ranks: Floats, positive: NDArray[np.bool_], weights: Weights) -> Floats:
    """Return the share of pairs of a positive and a negative row that are in order; equal scores count half."""
    lost, won = np.flatnonzero(~positive), np.flatnonzero(positive)
    lost = lost[np.argsort(ranks[lost])]
    missed = np.zeros((len(weights), len(lost) + 1), np.int32)
    np.cumsum(weights.take(lost, axis=1), axis=1, out=missed[:, 1:])
    below, upto = (missed.take(np.searchsorted(ranks[lost], ranks[won], side), axis=1) for side in ("left", "right"))
    hits = weights.take(won, axis=1)
    area = np.einsum("dw,dw->d", hits, below + upto, dtype=np.float64) / 2
    return _defined(area, hits.sum(axis=1, dtype=np.float64) * missed[:, -1])


def _precision(ranks: Floats, positive: NDArray[np.bool_], weights: Weights) -> Floats:
    """Return the average precision."""
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
    """Return how many of the others are below each rank; equal ones count half."""
    ordered = np.sort(others)
    below: Floats = (np.searchsorted(ordered, ranks, "left") + np.searchsorted(ordered, ranks, "right")) / 2
    return below


def _defined(above: Floats, below: Floats | Weights) -> Floats:
    ratio: Floats = np.divide(above, below, out=np.full(above.shape, np.nan), where=below > 0)
    return ratio
