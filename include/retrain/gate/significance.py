"""How far a difference between two models on the same rows may be chance: paired permutation, and paired bootstrap.

Whole clusters of rows (equal contents, or a group) swap and are drawn together. Three kinds of metric are resampled:

- `additive`: from sums over rows; a resample is a product of weights and sums.
- `ranked`: from ranks (ROC AUC, average precision); a resample is a cumulated sum of weights in the order of the
  scores.
- `scorers`: any scorer of scikit-learn; each resample is one call of the scorer, a thousand times as slow.
"""

from collections.abc import Iterable, Iterator
from math import ceil
from typing import TYPE_CHECKING, Protocol

import numpy as np
from numpy.typing import NDArray

from retrain.gate.labels import Floats, Integers

if TYPE_CHECKING:
    from retrain.gate.swaps import Swaps

_TIE = 1e-9
"""Differences below this share of the values count as equal: the same average, summed in another order, differs in its
last bits, and these are large where the metric is, say, an error in cents."""

_CHUNK = 400_000
"""Numbers in one chunk of draws: 3 MB an array, so that it stays in the cache, however many draws there are."""

_QUICK_DRAWS, _SLOW_DRAWS = 10_000, 2_000


class Resampled(Protocol):
    """Two models on the same rows, in the form that one kind of metric needs. Values are raw, never sign-flipped."""

    @property
    def slow(self) -> bool:
        """Whether a draw takes milliseconds."""

    def observed(self) -> tuple[float, float]:
        """Return the metric of the challenger and of Production. NaN where it is undefined."""

    def alike(self) -> bool:
        """Return whether the two agree in every prediction that counts for the metric."""

    def permuted(self, rng: np.random.Generator, draws: int) -> Floats:
        """Return challenger minus Production with the predictions of random clusters swapped, shape (draws,)."""

    def swapped(self, swaps: "Swaps") -> Floats:
        """Return challenger minus Production with the predictions of the clusters swapped that do, shape (draws,)."""

    def bootstrapped(self, rng: np.random.Generator, draws: int) -> tuple[Floats, Floats]:
        """Return the metric of each on clusters drawn with replacement, two of shape (draws,)."""


def permutation_p(pair: Resampled, sign: int, alpha: float, rng: np.random.Generator) -> tuple[float, float]:
    """Return the one-sided p that the challenger is not better, and the spread of the difference by chance.

    p is the share of permutations that reach the observed difference, which counts as one of them (Phipson & Smyth
    2010, "Permutation P-values should never be zero"). sign: 1 where greater is better, else -1.
    """
    own, theirs = pair.observed()
    gain = sign * (own - theirs)
    chance = sign * pair.permuted(rng, draws_for(pair, alpha))
    # Not the sum of `>=`: a NaN must count against the challenger.
    reached = len(chance) - int((chance < gain - tie(own, theirs)).sum())
    return (1 + reached) / (1 + len(chance)), float(np.nanstd(chance))


def tie(own: float, theirs: float) -> float:
    """Return the greatest difference at which two values of this size count as equal."""
    return _TIE * max(abs(own), abs(theirs))


def bootstrap_p(gains: Floats, threshold: float, slack: float = 0) -> float:
    """Return the one-sided p that the gain is not above the threshold: the share of resamples that are not above it.

    One is added to both counts, so that p is never 0. p is below alpha exactly where the lower bound of the percentile
    interval at alpha is above the threshold (Efron & Tibshirani 1993, ch. 13). slack: how far above, to not be a tie.
    """
    return (1 + len(gains) - int((gains > threshold + slack).sum())) / (1 + len(gains))


def interval(values: Floats, share: float = 0.95) -> tuple[float, float] | None:
    """Return the percentile interval of the defined resamples (one may miss a rare class); None without any."""
    finite = values[np.isfinite(values)]
    if not len(finite):
        return None
    low, high = np.quantile(finite, ((1 - share) / 2, (1 + share) / 2))
    return float(low), float(high)


def draws_for(pair: Resampled, alpha: float, least: int = _QUICK_DRAWS) -> int:
    """Return how many draws leave p near alpha an error of alpha / 7; for a slow metric, ten draws beyond alpha."""
    return draws_at(alpha, least, slow=pair.slow)


def draws_at(alpha: float, least: int = _QUICK_DRAWS, *, slow: bool) -> int:
    """Return the same, where there is no pair yet. slow: whether a draw of the metric takes milliseconds."""
    return max(_SLOW_DRAWS, ceil(10 / alpha)) if slow else max(least, ceil(50 / alpha))


def chunks(draws: int, width: int) -> Iterator[int]:
    """Yield how many draws each chunk takes; width: numbers in one draw."""
    return (step for _, step in draws_in_chunks(draws, width))


def draws_in_chunks(draws: int, width: int) -> Iterator[tuple[int, int]]:
    """Yield where each chunk begins and how many draws it takes; width: numbers in one draw."""
    step = max(1, _CHUNK // width)
    for start in range(0, draws, step):
        yield start, min(step, draws - start)


def coin_sums(rng: np.random.Generator, draws: int, swing: Floats) -> Floats:
    """Return sums of those rows of `swing`, shape (u, s), for which a fair coin shows heads: shape (draws, s)."""
    blocks = (rng.bit_generator.random_raw(-(-draws // 8)).view(np.uint8)[:draws] for _ in range(0, len(swing), 8))
    return _sums_of_eight(blocks, draws, swing)


def bit_sums(bits: NDArray[np.uint8], swing: Floats) -> Floats:
    """Return sums of those rows of `swing`, shape (u, s), whose bit is set: shape (draws, s).

    bits: those of all draws for each row, packed: shape (u, draws / 8).
    """
    blocks = (_eight_in_a_byte(bits[start : start + 8]) for start in range(0, len(swing), 8))
    return _sums_of_eight(blocks, 8 * bits.shape[1], swing)


def _eight_in_a_byte(bits: NDArray[np.uint8]) -> NDArray[np.uint8]:
    """Return the bits of up to eight rows for each draw, the first row's highest. Shape (r, draws / 8) to (draws,)."""
    joined = np.zeros(8 * bits.shape[1], np.uint8)
    for place, each in enumerate(bits):
        joined |= np.unpackbits(each) << (7 - place)
    return joined


def _sums_of_eight(blocks: Iterable[NDArray[np.uint8]], draws: int, swing: Floats) -> Floats:
    """Return the sums for blocks of eight rows, each with a byte for each draw: a bit for each row, shape (draws,).

    The sums of a byte's 256 values are computed once, and then looked up ("Four Russians": Arlazarov, Dinic, Kronrod &
    Faradzev 1970).
    """
    every = np.unpackbits(np.arange(256, dtype=np.uint8)[:, None], axis=1).astype(np.float64)
    heads = np.zeros((swing.shape[1], draws))
    for start, thrown in zip(range(0, len(swing), 8), blocks, strict=True):
        block = swing[start : start + 8]
        for column in np.flatnonzero(block.any(axis=0)):
            heads[column] += (every[:, : len(block)] @ block[:, column]).take(thrown)
    return heads.T


def draw_counts(rng: np.random.Generator, draws: int, weights: Integers) -> Integers:
    """Return how often each kind is drawn when all clusters are drawn with replacement: shape (draws, u).

    weights: how many clusters there are of each kind, shape (u,).
    """
    total, kinds = int(weights.sum()), len(weights)
    if total > 4 * kinds:
        return rng.multinomial(total, weights / total, size=draws)
    drawn = rng.integers(0, total, size=(draws, total), dtype=np.int32)
    if kinds < total:
        drawn = np.repeat(np.arange(kinds, dtype=np.int32), weights)[drawn]
    return np.bincount((drawn + kinds * np.arange(draws)[:, None]).ravel(), minlength=draws * kinds).reshape(
        draws, kinds
    )
