"""The alarm on Production: its score on the weeks that are labelled by now, held to what its holdout promised.

A cohort is a week of labelled rows that has closed. At each look, one more has: the pooled scores of the last 4, of the
last 13, and of all are compared with the promise. Fifty looks at three windows are not as many tests as that: windows
overlap, and all are held to one holdout, which may have been lucky. So all looks are simulated together for a model
that keeps its promise, with a standard normal for each cohort, and one for the holdout. Of these paths a share of alpha
may raise an alarm in a year, as many in each week.

A cohort's normals follow from the id of the scan and the cohort's number alone: each look can be computed again from
those that are stored, and a further one changes none of those before.
"""

import hashlib
from collections import deque
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from math import floor, hypot, inf, isfinite, nan, sqrt

import numpy as np

from retrain.gate.labels import Floats

DRAWS = 20_000
_MOVING = (4, 13)
"""Cohorts in the windows that move on: a month, and a quarter."""


@dataclass(frozen=True)
class Promise:
    score: float
    error: float
    """Standard error of the holdout's score, by cluster."""


@dataclass(frozen=True)
class Window:
    """The last so many cohorts, pooled."""

    cohorts: int
    score: float
    error: float
    """Standard error of the score, by cluster."""


@dataclass(frozen=True)
class Look:
    rows: int
    """Of the cohort that has closed since the look before."""
    years: float
    """From the beginning of the scan to this look."""
    windows: tuple[Window, ...]


@dataclass(frozen=True)
class Scanned:
    """What a look has shown."""

    z: float
    """The greatest loss of a window, in standard errors; NaN where no window counts."""
    window: int
    """The place of that window in the look; -1 where none counts."""
    bound: float
    """What `z` had to exceed; infinite where nothing would have done."""
    alarm: bool


def windows_of(cohorts: int) -> tuple[int, ...]:
    """Return the lengths of the windows at the look at which so many cohorts have closed, at least 1."""
    return (*(each for each in _MOVING if each < cohorts), cohorts)


def scan(
    id: str, promise: Promise, looks: Sequence[Look], *, sign: int, margin: float, alpha: float, draws: int = DRAWS
) -> list[Scanned]:
    """Return what each look has shown; looks go on after an alarm.

    id: of the scan. sign: 1 where a greater score is better, else -1. margin: a loss that is no alarm, at least 0.
    alpha: the chance of a false alarm in a year, of those scans that have raised none before.

    A window whose score is not finite, or whose error is not or is 0, does not count. A look without any other decides
    nothing, and leaves its part of alpha to the next one. Raises ValueError for a cohort without rows, and for a window
    of more cohorts than have closed.
    """
    longest = max((each for closed, look in enumerate(looks, 1) for each in _moving(look, closed)), default=0)
    paths, found = _Paths(id, longest, draws), []
    for look in looks:
        paths.close(look.rows)
        losses = {
            place: _loss(promise, window, sign, margin)
            for place, window in enumerate(look.windows)
            if _counts(promise, window)
        }
        if not losses:
            found.append(Scanned(nan, -1, inf, False))
            continue
        worst = max(losses, key=losses.__getitem__)
        bound = paths.bound(
            [look.windows[place] for place in losses],
            promise.error,
            floor((1 - (1 - alpha) ** look.years) * (draws + 1)),
        )
        found.append(Scanned(losses[worst], worst, bound, losses[worst] > bound))
    return found


def _moving(look: Look, closed: int) -> Iterator[int]:
    """Yield the lengths of the windows that do not hold all cohorts which have closed."""
    for window in look.windows:
        if not 1 <= window.cohorts <= closed:
            raise ValueError(f"a window of {window.cohorts} cohorts, at a look at which {closed} have closed")
        if window.cohorts < closed:
            yield window.cohorts


def _counts(promise: Promise, window: Window) -> bool:
    return all(map(isfinite, (promise.score, promise.error, window.score, window.error))) and window.error > 0


def _loss(promise: Promise, window: Window, sign: int, margin: float) -> float:
    """Return how much less than was promised a window has, beyond the margin, in standard errors."""
    return (sign * (promise.score - window.score) - margin) / hypot(window.error, promise.error)


class _Paths:
    """Scans of a model that keeps its promise, and which of them have raised an alarm by now."""

    def __init__(self, id: str, longest: int, draws: int) -> None:
        """longest: cohorts in the longest window that moves on."""
        self._id, self._draws, self._closed = id, draws, 0
        self._holdout = self._normals("holdout")
        self._quiet = np.ones(draws, np.bool_)
        # Rows and noise until the end of each of the last cohorts: a window is a difference of two. All cohorts of ten
        # years would be 80 MB.
        self._sums = deque([(0, np.zeros(draws))], maxlen=longest + 1)
        self._total = self._sums[0]

    def _normals(self, name: str) -> Floats:
        seed = hashlib.sha256(f"{self._id} {name}".encode()).digest()
        return np.random.default_rng(int.from_bytes(seed, "big")).standard_normal(self._draws)

    def close(self, rows: int) -> None:
        """Add a cohort. The mean of its rows has a variance of 1 / rows, their sum one of rows."""
        if rows < 1:
            raise ValueError(f"cohort {self._closed} has {rows} rows; a cohort without any is no look")
        before, noise = self._total
        self._total = (before + rows, noise + sqrt(rows) * self._normals(str(self._closed)))
        self._sums.append(self._total)
        self._closed += 1

    def bound(self, windows: Sequence[Window], error: float, allowed: int) -> float:
        """Return what z must exceed at this look: the least, at least 0, that lets no more than so many paths pass.

        allowed: how many of the draws and the real scan may have raised an alarm until now. The real one is above the
        m-th greatest of the draws that are left in m of draws + 1 cases.
        """
        more = allowed - int(np.count_nonzero(~self._quiet))
        if more < 1:
            return inf
        z = np.max([self._z(each, error) for each in windows], axis=0)
        z[~self._quiet] = -inf
        bound = max(0.0, float(-np.partition(-z, more - 1)[more - 1])) if more <= len(z) else 0.0
        self._quiet &= z < bound
        return bound

    def _z(self, window: Window, error: float) -> Floats:
        """Return each path's loss in a window, in standard errors. error: of the holdout, whose noise all share."""
        rows, noise = self._total
        if window.cohorts < self._closed:
            rows_before, noise_before = self._sums[-1 - window.cohorts]
            rows, noise = rows - rows_before, noise - noise_before
        z: Floats = (window.error / sqrt(rows) * noise + error * self._holdout) / hypot(window.error, error)
        return z
