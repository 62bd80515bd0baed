"""How far a difference between two models on the same rows may be chance: paired permutation, and paired bootstrap.

Whole clusters of rows (equal contents, or a group) swap and are drawn together. Three kinds of metric are resampled:

- `additive`: from sums over rows; a resample is a product of weights and sums.
- `ranked`: from ranks (ROC AUC, average precision); a resample is a cumulated sum of weights in the order of the scores.
- `scorers`: from anything (a scorer of scikit-learn); each resample is one call of the scorer, a thousand times as slow.
"""

from collections.abc import Iterator
from math import ceil
from typing import Protocol

import numpy as np

from retrain.gate.labels import Floats

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


def chunks(draws: int, width: int) -> Iterator[int]:
    return (step for _, step in draws_in_chunks(draws, width))


def draws_in_chunks(draws: int, width: int) -> Iterator[tuple[int, int]]:
    step = max(1, _CHUNK // width)
    for start in range(0, draws, step):
        yield start, min(step, draws - start)
