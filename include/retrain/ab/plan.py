"""How long a split test takes to find what it should, before it begins: by the bounds that will decide it."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import timedelta
from itertools import accumulate
from math import ceil

from retrain.ab.decide import interest
from retrain.ab.effect import OUTCOMES
from retrain.ab.power import POWER, bounds, chances, smallest
from retrain.ab.sequence import Moment
from retrain.arms import Baseline
from retrain.spec.ab import Measured, SplitTest

_WEEKS = 104
"""Nobody plans for longer."""
_DAILY = 112
"""Days of a plan up to which each has its look; a longer one is as good with a look a week."""


@dataclass(frozen=True)
class Step:
    """A phase of the ramp."""

    share: float
    """Of the units, in Staging."""
    begins: int
    """Its first day, from 0."""
    units: int
    """Exposed a day, in both arms."""


@dataclass(frozen=True)
class Need:
    """What one metric needs."""

    metric: str
    effect: float
    """That is to be found, in the metric's units: of the primary metric the effect of interest, of a guardrail its
    margin, which is to be ruled out where nothing has changed."""
    days: int | None
    """Until it is in 4 of 5 tests, whole weeks; None where two years are not enough."""
    units: int | None
    """Exposed by then, in both arms."""
    smallest: float | None
    """What is found within `longest` in 4 of 5 tests; None where nothing is."""


@dataclass(frozen=True)
class Plan:
    steps: tuple[Step, ...]
    needs: tuple[Need, ...]
    """One a metric, the primary one's first."""
    units: int
    """Exposed within `longest`, in both arms."""
    enough: bool
    """Whether `longest` is, for each metric by itself."""


def plan(wanted: SplitTest, baselines: Sequence[Baseline], units_a_day: float) -> Plan:
    """Return what a test needs, and finds.

    baselines: one a metric, in the spec's order. units_a_day: that come for the first time, of all that the model
    serves; those of a holdout are taken off here. Who has come before is no new unit: a plan by daily visitors of whom
    most come back promises too much.
    Raises ValueError where a day has no units.
    """
    if not units_a_day > 0:
        raise ValueError(f"units_a_day = {units_a_day}: nothing would ever be seen; write how many new units a day has")
    units_a_day *= 1 - (wanted.holdout.share if wanted.holdout else 0)
    begins = [0, *accumulate(ceil(each.at_least / timedelta(days=1)) for each in wanted.ramp[:-1])]
    steps = tuple(
        Step(each.share, day, round(2 * each.share * units_a_day))
        for each, day in zip(wanted.ramp, begins, strict=True)
    )
    needs = tuple(
        _need(wanted, metric, baseline, units_a_day) for metric, baseline in zip(wanted.metrics, baselines, strict=True)
    )
    longest = wanted.longest.days
    enough = all(each.days is not None and each.days <= longest for each in needs)
    return Plan(steps, needs, round(_exposed(wanted, units_a_day, longest)), enough)


def _need(wanted: SplitTest, metric: Measured, baseline: Baseline, units: float) -> Need:
    effect = interest(wanted, metric)
    days = _days(wanted, metric, baseline, units)
    moments, bounds_ = _looks(wanted, metric, baseline, units, wanted.longest.days)
    return Need(
        metric=metric.name,
        effect=effect,
        days=days,
        units=None if days is None else round(_exposed(wanted, units, days)),
        smallest=smallest(moments, bounds_),
    )


def _days(wanted: SplitTest, metric: Measured, baseline: Baseline, units: float) -> int | None:
    """Return the fewest whole weeks in which the effect is found with a chance of 4 in 5, as days."""
    least, most = wanted.shortest.days // 7, _WEEKS

    def found(weeks: int) -> bool:
        moments, bounds_ = _looks(wanted, metric, baseline, units, 7 * weeks)
        return bool(moments) and chances(moments, bounds_, interest(wanted, metric))[-1] >= POWER

    if not found(most):
        return None
    while least < most:
        middle = (least + most) // 2
        least, most = (least, middle) if found(middle) else (middle + 1, most)
    return 7 * most


def _looks(
    wanted: SplitTest, metric: Measured, baseline: Baseline, units: float, days: int
) -> tuple[list[Moment], list[float]]:
    """Return the looks of a test of so many days that have an interval, and their bounds."""
    moments, early = [], 0
    for day in range(1 if days <= _DAILY else 7, days + 1, 1 if days <= _DAILY else 7):
        matured = _exposed(wanted, units, day - ceil(metric.window / timedelta(days=1)))
        if matured * _outcomes(baseline) >= OUTCOMES:
            moments.append(Moment(matured / (4 * baseline.deviation**2), day / days))
            early += day < wanted.shortest.days
    return moments, bounds(wanted, metric, moments, early)


def _outcomes(baseline: Baseline) -> float:
    """Return how many outcomes a unit has, as `retrain.ab.effect.outcomes` counts them."""
    squares = baseline.mean**2 + baseline.deviation**2
    return baseline.mean**2 / squares if baseline.deviation > 0 else 0.0


def _exposed(wanted: SplitTest, units: float, days: int) -> float:
    """Return how many units are exposed in the first so many days, in both arms."""
    total, begins = 0.0, 0
    for place, each in enumerate(wanted.ramp):
        ends = days if place == len(wanted.ramp) - 1 else begins + ceil(each.at_least / timedelta(days=1))
        total += 2 * each.share * units * max(0, min(ends, days) - begins)
        begins = ends
    return total
