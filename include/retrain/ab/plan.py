"""How long a split test takes to find what it should, before it begins: by the bounds that will decide it."""

from collections.abc import Sequence
from datetime import timedelta
from itertools import accumulate
from math import ceil, sqrt

from retrain.ab.effect import OUTCOMES
from retrain.ab.power import POWER, bounds, chances, smallest
from retrain.ab.sequence import Moment
from retrain.arms import Baseline, PlannedPhase, SplitNeed, SplitPlan
from retrain.errors import SplitTestError
from retrain.spec.ab import Kind, Measured, SplitTest

_WEEKS = 104
"""Nobody plans for longer."""
_DAILY = 112
"""Days of a plan up to which each has its look; a longer one is as good with a look a week."""
_DAY = timedelta(days=1)
_WEEK = 7


def plan(wanted: SplitTest, baselines: Sequence[Baseline], arrivals: Sequence[float]) -> SplitPlan:
    """Return what a test needs, and finds.

    baselines: one a metric, in the spec's order. arrivals: how many different units come within the first day, the
    first two days, and so on, of all that the model serves; those of a holdout are taken off here. After the last day
    of it they come as in its last week. Raises SplitTestError where none come, or fewer than have an outcome.
    """
    if not arrivals or not arrivals[-1] > 0:
        raise SplitTestError("no unit comes, so nothing would ever be seen; say how many new units a day has")
    baselines = [
        _of_exposed(metric, baseline, arrivals) for metric, baseline in zip(wanted.metrics, baselines, strict=True)
    ]
    arrivals = [each * (1 - (wanted.holdout.share if wanted.holdout else 0)) for each in arrivals]
    longest = wanted.longest.days
    begins = _begins(wanted)
    ends = [*begins[1:], longest]
    phases = tuple(
        PlannedPhase(
            share=each.share,
            begins=begin,
            units=round(_exposed(wanted, arrivals, end) - _exposed(wanted, arrivals, begin)),
        )
        for each, begin, end in zip(wanted.ramp, begins, ends, strict=True)
    )
    needs = tuple(
        _need(wanted, metric, baseline, arrivals) for metric, baseline in zip(wanted.metrics, baselines, strict=True)
    )
    return SplitPlan(
        phases=phases,
        needs=needs,
        longest=longest,
        units=round(_exposed(wanted, arrivals, longest)),
        enough=all(each.days is not None and each.days <= longest for each in needs),
    )


def _of_exposed(metric: Measured, fixed: Baseline, arrivals: Sequence[float]) -> Baseline:
    """Return a baseline of all who are exposed, also of those who have no outcome.

    Where it is known of those with an outcome alone, all others who come within a window count as 0.
    """
    if fixed.exposed:
        return fixed
    units = _come(arrivals, ceil(metric.window / _DAY))
    if fixed.units > units:
        raise SplitTestError(
            f"{metric.name}: {fixed.units:,} units had an outcome within its window, and no more than {units:,.0f} "
            "come in that time; say how many new units a day has"
        )
    share = fixed.units / units
    if metric.kind is Kind.RATIO:  # its mean does not change, but the denominators are spread over more units
        changes = {"deviation": fixed.deviation / sqrt(share)} if share else {}
    else:
        mean, square = fixed.mean * share, (fixed.mean**2 + fixed.deviation**2) * share
        changes = {"mean": mean, "deviation": sqrt(max(0.0, square - mean**2))}
    return fixed.model_copy(update={**changes, "units": round(units), "exposed": True})


def _need(wanted: SplitTest, metric: Measured, baseline: Baseline, arrivals: Sequence[float]) -> SplitNeed:
    days = _days(wanted, metric, baseline, arrivals)
    moments, bounds_ = _looks(wanted, metric, baseline, arrivals, wanted.longest.days)
    return SplitNeed(
        metric=metric.name,
        mean=baseline.mean,
        deviation=baseline.deviation,
        effect=wanted.interest(metric),
        days=days,
        units=None if days is None else round(_exposed(wanted, arrivals, days)),
        smallest=smallest(moments, bounds_),
    )


def _days(wanted: SplitTest, metric: Measured, baseline: Baseline, arrivals: Sequence[float]) -> int | None:
    """Return the fewest whole weeks in which the effect is found with a chance of 4 in 5, as days."""
    least, most = wanted.shortest.days // 7, _WEEKS

    def found(weeks: int) -> bool:
        moments, bounds_ = _looks(wanted, metric, baseline, arrivals, 7 * weeks)
        return bool(moments) and chances(moments, bounds_, wanted.interest(metric))[-1] >= POWER

    if not found(most):
        return None
    while least < most:
        middle = (least + most) // 2
        least, most = (least, middle) if found(middle) else (middle + 1, most)
    return 7 * most


def _looks(
    wanted: SplitTest, metric: Measured, baseline: Baseline, arrivals: Sequence[float], days: int
) -> tuple[list[Moment], list[float]]:
    """Return the looks of a test of so many days that have an interval, and their bounds."""
    moments, early = [], 0
    for day in range(1 if days <= _DAILY else 7, days + 1, 1 if days <= _DAILY else 7):
        matured = _exposed(wanted, arrivals, day - ceil(metric.window / _DAY))
        if matured * _outcomes(baseline) >= OUTCOMES:
            moments.append(Moment(matured / (4 * baseline.deviation**2), day / days))
            early += day < wanted.shortest.days
    return moments, bounds(wanted, metric, moments, early)


def _outcomes(baseline: Baseline) -> float:
    """Return how many outcomes a unit has, as `retrain.ab.effect.outcomes` counts them."""
    squares = baseline.mean**2 + baseline.deviation**2
    return baseline.mean**2 / squares if baseline.deviation > 0 else 0.0


def _begins(wanted: SplitTest) -> list[int]:
    """Return the first day of each phase, from 0."""
    return [0, *accumulate(ceil(each.at_least / _DAY) for each in wanted.ramp[:-1])]


def _exposed(wanted: SplitTest, arrivals: Sequence[float], days: int) -> float:
    """Return how many units are exposed in the first so many days, in both arms.

    A greater share lets more units in: those whom a phase adds are exposed from its first day on.
    """
    total = before = 0.0
    for phase, begin in zip(wanted.ramp, _begins(wanted), strict=True):
        total += 2 * (phase.share - before) * _come(arrivals, days - begin)
        before = phase.share
    return total


def _come(arrivals: Sequence[float], days: int) -> float:
    """Return how many different units come within so many days."""
    known = len(arrivals)
    if days <= 0:
        return 0.0
    if days <= known:
        return arrivals[days - 1]
    last = arrivals[-1] - arrivals[-1 - _WEEK] if known > _WEEK else arrivals[-1]
    return arrivals[-1] + (days - known) * last / min(known, _WEEK)
