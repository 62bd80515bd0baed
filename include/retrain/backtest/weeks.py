"""Whole weeks, which are resampled together: rows of one week have more in common than rows of two.

Where a history has too few weeks to say anything by them, its days are taken instead.
"""

from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from enum import StrEnum
from math import inf, isfinite, sqrt

import numpy as np
from scipy.special import stdtrit

from retrain.backtest.replayed import Times
from retrain.gate.labels import Integers

Interval = tuple[float, float] | None

LEAST_TO_FOLLOW = 8
"""Weeks of the rows that followed a verdict; with fewer, days count."""
_LEAST = 24
"""Weeks of a history, a third of which is left for the last test."""
_LEAST_BLOCKS = 4
"""Fewer say nothing about how much they differ."""
_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
_TO_MONDAY = 3
"""Days from the Monday before 1970-01-01, a Thursday."""


class Unit(StrEnum):
    """What is resampled as a whole."""

    WEEK = "week"
    DAY = "day"

    @property
    def days(self) -> int:
        return 7 if self is Unit.WEEK else 1

    def numbers(self, times: Times) -> Integers:
        """Return the number of each time's week (from Monday) or day, in UTC. Shape (n,)."""
        days = times.astype("datetime64[D]").astype(np.int64)
        return (days + _TO_MONDAY) // 7 if self is Unit.WEEK else days

    def begin(self, number: int) -> datetime:
        """Return when the week or the day of this number begins."""
        return _EPOCH + timedelta(days=number * 7 - _TO_MONDAY if self is Unit.WEEK else number)


def unit_of(times: Times, least: int = _LEAST) -> Unit:
    """Return the unit to resample: weeks where at least so many have rows, else days."""
    return Unit.WEEK if len(np.unique(Unit.WEEK.numbers(times))) >= least else Unit.DAY


def to_follow(times: Times) -> Integers:
    """Return the clusters of the rows that followed a verdict, as `following` takes them: shape (n,)."""
    return unit_of(times, LEAST_TO_FOLLOW).numbers(times)


@dataclass(frozen=True)
class Span:
    """Some weeks (or days) in a row."""

    first: int
    after: int
    """Numbers of the first one, and of the one after the last."""


def spans(numbers: Integers, most: int) -> list[Span]:
    """Cut the time into at most `most` spans of equally many weeks (days), at least four; the last may differ.

    numbers: shape (n,), ascending.
    """
    first, after = int(numbers[0]), int(numbers[-1]) + 1
    length = max(_LEAST_BLOCKS, -(-(after - first) // most))
    starts = [*range(first, after, length)]
    if len(starts) > 1 and after - starts[-1] < length / 2:
        starts.pop()  # too short to stand alone: the one before takes it
    return [Span(*ends) for ends in zip(starts, [*starts[1:], after], strict=True)]


def effective(rows: Integers) -> float:
    """Return how many blocks of equal size say as much as these blocks of so many rows (Kish 1965)."""
    total = float(rows.sum())
    return total**2 / float((rows.astype(np.float64) ** 2).sum()) if total else 0.0


def widening(blocks: float) -> float:
    """Return how much wider a percentile interval must be where few blocks were resampled; infinite below four.

    Resamples of few blocks vary too little, and by a normal law where Student's holds (Hesterberg 2015, "What Teachers
    Should Know About the Bootstrap", 3.2).
    """
    if blocks < _LEAST_BLOCKS:
        return inf
    return float(stdtrit(blocks - 1, 0.975) / stdtrit(inf, 0.975) * sqrt(blocks / (blocks - 1)))


def widened(interval: Interval, around: float, blocks: float) -> Interval:
    """Return the interval with both ends further from the value that was observed; None where that is too far."""
    factor = widening(blocks)
    if interval is None or not isfinite(factor):
        return None
    low, high = (around + factor * (end - around) for end in interval)
    return min(low, around), max(high, around)
