"""How many standard errors a difference must be away, such that all looks together err as often as one may.

always_valid        a mixture of one-sided normal tests (Robbins; Howard, Ramdas, McAuliffe and Sekhon 2021) over
                    information, which makes an asymptotic confidence sequence (Waudby-Smith, Arbour, Sinha, Kennedy
                    and Ramdas 2024): as many looks as one wants, whenever one wants, without an end.
group_sequential    alpha is spent over the time until the end (Lan and DeMets 1983): closer at the end, and over then.

Each side of an interval has a level of its own: what would promote must be shown at the end of the time, as by the
bounds of O'Brien and Fleming. Harm must be seen while few units are served: its alpha is spent evenly.
"""

from collections.abc import Sequence
from enum import StrEnum
from functools import lru_cache
from math import exp, inf, log, pi, sqrt
from typing import NamedTuple

from scipy.special import log_ndtr, ndtr, ndtri

from retrain.ab.walk import Paths, after, bound
from retrain.spec.ab import Method

_TUNED = 2.8
"""Effects of interest in standard errors where `always_valid` is closest: those that one test at 5% finds in 4 of 5."""


class Side(StrEnum):
    GOOD = "good"
    """What must be shown before Staging is promoted."""
    BAD = "bad"
    """What would be harm."""


class Moment(NamedTuple):
    """A look, as far as its bounds depend on it."""

    information: float
    """One over the squared standard error of the difference."""
    time: float
    """Which share of the test's time has passed, 0 to 1, by its end as it was at the look."""
    since: float | None = None
    """The share that had passed at the look before, by the same end; None where the end has not moved since."""


def reach(method: Method, moments: Sequence[Moment], side: Side, *, level: float, effect: float) -> float:
    """Return how many standard errors the interval reaches to this side at the last look; infinite where nothing does.

    moments: of all looks until now, the oldest first, at least one. level: of this side, over all looks. effect: where
    it should be closest, in the metric's units; it is fixed before the test.
    """
    return reaches(method, moments, side, level=level, effect=effect)[-1]


def reaches(method: Method, moments: Sequence[Moment], side: Side, *, level: float, effect: float) -> Sequence[float]:
    """Return the same of each look."""
    if method is Method.ALWAYS_VALID:
        rho = tuned(effect, level)
        return [mixed(each.information, rho, level) for each in moments]
    return spent(moments, side, level)


def tuned(effect: float, level: float) -> float:
    """Return the variance of the mixture that is closest where an effect can just be seen, as information."""
    most = 2 * log(1 / (2 * level))
    return (_TUNED / effect) ** 2 / (most + log(1 + most))


def mixed(information: float, rho: float, level: float) -> float:
    """Return the bound of the one-sided normal mixture, in standard errors."""
    wanted = log(1 / level) + log((information + rho) / (4 * rho)) / 2
    x = sqrt(2 * (wanted + log(2)))
    for _ in range(20):  # Newton, from above: x²/2 + log Φ(x) is convex
        slope = x + exp(-(x**2) / 2 - float(log_ndtr(x))) / sqrt(2 * pi)
        x, last = x - (x**2 / 2 + float(log_ndtr(x)) - wanted) / slope, x
        if abs(x - last) < 1e-12:
            break
    return x * sqrt((information + rho) / information)


def share(time: float, side: Side, level: float) -> float:
    """Return how much of a level may be spent by a time, 0 to 1."""
    if time <= 0 or side is Side.BAD:
        return level * max(0.0, min(time, 1.0))
    return 2 * float(ndtr(ndtri(level / 2) / sqrt(min(time, 1.0))))


class _Spent(NamedTuple):
    reach: float
    time: float
    paths: Paths | None
    allowed: float
    """Of the level, by now."""
    used: float


_BEGIN = _Spent(0.0, 0.0, None, 0.0, 0.0)


def spent(moments: Sequence[Moment], side: Side, level: float) -> list[float]:
    """Return the bound at each look, in standard errors; infinite where there is nothing to be spent at it.

    What is spent stays spent where the test gets more time. Whoever extends it by what is seen chooses between two
    tests, and errs in 2.8% of the cases instead of 2.5% at the worst; `always_valid` has no end that could matter.
    """
    found = [_BEGIN]
    for moment in moments:
        found.append(_further(found[-1], moment, side, level))
    return [each.reach for each in found[1:]]


@lru_cache(maxsize=1024)  # the looks before are gone through again at each look
def _further(before: _Spent, moment: Moment, side: Side, level: float) -> _Spent:
    information, time, since = moment
    allowed = _allowed(before.allowed, before.time if since is None else since, time, side, level)
    z = bound(before.paths, information, allowed - before.used)
    if z == inf:
        return _Spent(z, time, before.paths, allowed, before.used)
    return _Spent(z, time, after(before.paths, information, z), allowed, allowed)


def _allowed(before: float, since: float, time: float, side: Side, level: float) -> float:
    """Return how much of a level may be spent by a look, of which so much might be by the one before.

    What was left goes evenly, as `share` has it, over the time that is left. Where the end has not moved, this is
    `share` itself. Where it has, what is spent stays spent, and the test is watched on: were it only measured by the
    new end, no harm could be seen until as great a part of the longer time has passed.
    """
    left = level - share(since, side, level)
    if left <= 0 or time >= 1:
        return level
    return before + (level - before) * max(0.0, share(time, side, level) - share(since, side, level)) / left
