"""What a split test finds with a chance of 4 in 5, before it begins and while it runs."""

from collections.abc import Sequence
from datetime import datetime, timedelta
from math import ceil, inf, sqrt

from scipy.optimize import brentq

from retrain.ab.decide import Known, Levels, known, moments
from retrain.ab.sequence import Moment, Side, reaches
from retrain.ab.walk import Paths, after, crossing
from retrain.arms import Split, SplitLook
from retrain.spec.ab import Measured, SplitTest

POWER = 0.8
_DAY = timedelta(days=1)
_RATE = 7
"""Days by which is judged how many units are still to come: a week, as weekdays differ."""


def bounds(wanted: SplitTest, metric: Measured, looks: Sequence[Moment], early: int) -> list[float]:
    """Return what each look must exceed for a promotion, in standard errors. early: looks before `shortest`."""
    level, effect = Levels.of(wanted).promotion, wanted.interest(metric)
    found = reaches(wanted.method, looks, Side.GOOD, level=level, effect=effect)
    return [inf if place < early else each for place, each in enumerate(found)]


def chances(looks: Sequence[Moment], bounds_: Sequence[float], effect: float) -> list[float]:
    """Return how likely a gain of this size, in the metric's units, is shown by each look."""
    paths: Paths | None = None
    total, found = 0.0, []
    for moment, bound in zip(looks, bounds_, strict=True):
        z = bound - effect * sqrt(moment.information)
        total += crossing(paths, moment.information, z) if z < inf else 0.0
        paths = after(paths, moment.information, z)
        found.append(total)
    return found


def smallest(looks: Sequence[Moment], bounds_: Sequence[float]) -> float | None:
    """Return the least gain that is shown by the last look in 4 of 5 tests; None where no look can show one."""
    if not any(each < inf for each in bounds_):
        return None
    unit = 1 / sqrt(looks[-1].information)
    greatest = unit
    while chances(looks, bounds_, greatest)[-1] < POWER:
        greatest *= 2
    return float(brentq(lambda effect: chances(looks, bounds_, effect)[-1] - POWER, 0.0, greatest, xtol=unit / 1e4))


def found_by_the_end(wanted: SplitTest, split: Split, looks: Sequence[SplitLook]) -> float | None:
    """Return the gain of the primary metric that the test as it goes shows by its end in 4 of 5 tests.

    In the metric's units. As many units are taken to come each day as in the last week, with outcomes that vary as
    those until now. What the test shows has no say in it. None where there is no interval yet.
    """
    seen = known(looks, wanted.primary.name)
    last = looks[-1] if looks else None
    if last is None or not seen or seen[-1].at != last.at or not last.counts.matured:
        return None
    now = seen[-1].information
    for day in range(1, ceil((last.ends - last.at) / _DAY) + 1):
        at = min(last.at + day * _DAY, last.ends)
        grown = max(1.0, _matured(last, wanted.primary.window, at) / last.counts.matured)
        seen.append(Known(grown * now, at, last.ends))
    early = sum(each.at - split.began < wanted.shortest for each in seen)
    moments_ = moments(split, seen)
    return smallest(moments_, bounds(wanted, wanted.primary, moments_, early))


def _matured(last: SplitLook, window: timedelta, at: datetime) -> float:
    """Return how many units will have matured by a time."""
    until = at - window
    seen = last.counts.matured + sum(
        day.production + day.staging for day in last.days if last.at - window <= day.day < until
    )
    week = sum(day.production + day.staging for day in last.days if day.day >= last.at - _RATE * _DAY)
    return seen + week / _RATE * max(0.0, (until - last.at) / _DAY)
