"""The plan of a split test by the rows that are there: how many units come, and what they have done."""

from datetime import datetime

from retrain.ab.plan import plan
from retrain.ab.section import section_of
from retrain.ab.units import FEWEST, Units
from retrain.arms import SplitNeed, SplitPlan
from retrain.errors import SplitTestError
from retrain.spec.spec import Spec


def planned(spec: Spec, units: Units, now: datetime, units_a_day: float | None = None) -> SplitPlan:
    """Return what a test of the spec needs, and finds. It reads the tables and writes nothing.

    units_a_day: new units that the model serves each day; None to take it from the table of exposures. Raises
    SplitTestError where the spec has no split test, where it is not known how many units come, or where these are fewer
    than those with an outcome, and SourceError where a table cannot be read.
    """
    wanted = section_of(spec)
    arrivals = units.arrivals(now) if units_a_day is None else [units_a_day]
    if arrivals is None:
        found = (
            "the spec names no table of exposures"
            if wanted.exposures is None
            else f"{wanted.exposures.name} has fewer than {FEWEST:,} in the last {wanted.longest.days} days"
        )
        raise SplitTestError(
            f"{spec.model}: {found}, so it is not known how many units come; say how many a day are new "
            "(--units-a-day, or that field of the form)"
        )
    try:
        return plan(wanted, units.baselines(now), arrivals)
    except SplitTestError as error:
        raise SplitTestError(f"{spec.model}: {error}") from error


def sentences(found: SplitPlan) -> list[str]:
    """Return a plan in words, a line each."""
    ramp = ", ".join(f"{each.share:.0%} from day {each.begins} ({each.units:,} units)" for each in found.phases)
    lines = [f"Staging's share: {ramp}; {found.units:,} units in {_weeks(found.longest)}, both arms together."]
    lines += [_need(each, found, primary=place == 0) for place, each in enumerate(found.needs)]
    if found.enough:
        return [*lines, f"{_weeks(found.longest)}: enough for each metric by itself."]
    late = ", ".join(each.metric for each in found.needs if each.days is None or each.days > found.longest)
    return [
        *lines,
        f"{_weeks(found.longest)}: not enough for {late}. Take a greater effect or margin, a greater share earlier, "
        "more time, `before`, or `method: group_sequential`.",
    ]


def _need(each: SplitNeed, found: SplitPlan, *, primary: bool) -> str:
    what = f"A change of {each.effect:g} is found" if primary else f"A loss of {each.effect:g} is ruled out"
    when = (
        "not within two years"
        if each.days is None
        else f"in 4 of 5 tests within {_weeks(each.days)}, by {each.units:,} units"
    )
    within = "" if each.smallest is None else f"; within {_weeks(found.longest)}, {each.smallest:.3g} is"
    return f"{each.metric}: {each.mean:.4g} a unit now, deviation {each.deviation:.4g}. {what} {when}{within}."


def _weeks(days: int) -> str:
    return "1 week" if days == 7 else f"{days // 7} weeks"
