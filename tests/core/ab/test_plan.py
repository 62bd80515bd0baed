"""A plan promises what the bounds that decide will find."""

from itertools import pairwise
from math import inf, sqrt

import numpy as np
import pytest

from retrain.ab.plan import plan
from retrain.ab.power import bounds, chances, found_by_the_end, smallest
from retrain.ab.sequence import Moment
from retrain.arms import Baseline, Pair, PlannedPhase
from retrain.errors import SplitTestError
from tests.core.ab.makers import BEGAN, DAY, LATENCY, PRIMARY, arms, binary, daily, looked, seen, split, wanted

RAMP = [{"share": 0.01}, {"share": 0.1, "at_least": "2d"}, {"share": 0.5}]
ARMS = ("production", "staging")
METHODS = ["always_valid", "group_sequential"]


def baseline(mean=0.05, deviation=None, name="bought"):
    return Baseline(
        metric=name,
        units=10_000,
        mean=mean,
        deviation=sqrt(mean * (1 - mean)) if deviation is None else deviation,
        cap=None,
        weight=0.0,
        exposed=True,
    )


def test_the_ramp_says_when_each_phase_begins_and_what_it_exposes():
    found = plan(wanted(ramp=RAMP), [baseline()], [1_000])
    assert found.phases == tuple(
        PlannedPhase(share=share, begins=begins, units=units)
        for share, begins, units in ((0.01, 0, 7 * 20), (0.1, 7, 2 * 200), (0.5, 9, 47 * 1_000))
    )
    assert found.units == 7 * 20 + 2 * 200 + 47 * 1_000


def test_whom_a_greater_share_lets_in_is_exposed_when_coming_back():
    returning = [1_000.0, *[1_000.0] * 60]  # the same units each day
    found = plan(wanted(ramp=RAMP), [baseline()], returning)
    assert [each.units for each in found.phases] == [20, 180, 800]


def test_after_what_is_known_units_come_as_in_its_last_week():
    known = [*range(1_000, 1_200, 20)]  # ten days, 20 more each
    found = plan(wanted(longest="14d"), [baseline()], known)
    assert found.units == 1_180 + 4 * 20


@pytest.mark.parametrize("method", METHODS)
def test_what_is_planned_is_found_as_often_as_the_plan_says(method):
    test = wanted(method=method)
    need = plan(test, [baseline()], [400]).needs[0]
    information = (np.arange(8, 57) - 7) * 400 / (4 * 0.05 * 0.95)
    moments = [Moment(each, (day + 8) / 56) for day, each in enumerate(information)]
    steps = np.random.default_rng(3).normal(size=(40_000, 49)) * np.sqrt(np.diff(information, prepend=0))
    z = (np.cumsum(steps, axis=1) + need.smallest * information) / np.sqrt(information)
    shown = (z > bounds(test, test.primary, moments, 6)).any(axis=1).mean()
    assert shown == pytest.approx(0.8, abs=0.012)


@pytest.mark.parametrize("method", METHODS)
def test_what_is_planned_is_promoted_in_four_of_five_tests_of_drawn_units(method):
    test = wanted(method=method, effect=0.02, longest="28d")
    found = plan(test, [baseline(0.1)], [500]).needs[0].smallest
    dice, promoted = np.random.default_rng(9), 0
    for _ in range(80):
        looks = []
        yes = [dice.binomial(250, 0.1 + plus, 21).cumsum() for plus in (0, found)]
        for day in range(14, 29):  # a unit matures in a week, and nothing is promoted before
            units = 250 * (day - 7)
            pair = Pair(**{arm: binary(units, each[day - 8] / units) for arm, each in zip(ARMS, yes, strict=True)})
            looks.append(looked(test, seen(pair), day=day, looks=looks, ends=28))
            if looks[-1].answer != "wait":
                break
        promoted += looks[-1].answer == "promote"
    assert promoted / 80 == pytest.approx(0.8, abs=3 * sqrt(0.8 * 0.2 / 80))


def test_units_of_a_holdout_are_in_no_test():
    held = plan(wanted(ramp=RAMP, holdout={"share": 0.25}), [baseline()], [1_000])
    assert held == plan(wanted(ramp=RAMP), [baseline()], [750])


@pytest.mark.parametrize("method", METHODS)
def test_a_test_as_long_as_is_needed_finds_the_effect_and_no_shorter_one_does(method):
    needed = plan(wanted(method=method), [baseline()], [1_000]).needs[0].days
    assert needed % 7 == 0
    found = {
        days: plan(wanted(method=method, longest=f"{days}d"), [baseline()], [1_000]).needs[0].smallest
        for days in (needed - 7, needed)
    }
    assert found[needed] <= 0.005 < found[needed - 7]


def test_longest_is_said_to_be_too_short_where_it_is():
    few, many = (plan(wanted(), [baseline()], [units]) for units in (200, 5_000))
    assert (few.enough, many.enough) == (False, True)
    assert few.needs[0].days > 56 >= many.needs[0].days
    assert few.needs[0].smallest > 0.005 > many.needs[0].smallest


def test_a_guardrail_needs_as_long_as_its_margin_takes_to_be_ruled_out():
    test = wanted(guardrails=[LATENCY])
    found = plan(test, [baseline(), baseline(100.0, 400.0, "latency")], [5_000])
    assert [each.metric for each in found.needs] == ["bought", "latency"]
    assert found.needs[1].effect == 5.0
    assert found.needs[1].days > found.needs[0].days


def test_what_two_years_do_not_find_has_no_date():
    need = plan(wanted(), [baseline()], [1]).needs[0]
    assert (need.days, need.units, need.smallest) == (None, None, None)


@pytest.mark.parametrize("arrivals", [[], [0]])
def test_where_no_unit_comes_there_is_no_plan(arrivals):
    with pytest.raises(SplitTestError, match="no unit comes"):
        plan(wanted(), [baseline()], arrivals)


def of_outcomes(mean, deviation, units):
    return baseline(mean, deviation).model_copy(update={"units": units, "exposed": False})


def test_who_has_no_outcome_counts_as_one_without_it():
    """700 of the 7,000 who come in a window have bought."""
    alone, all_ = (plan(wanted(), [each], [1_000]) for each in (of_outcomes(1.0, 0.0, 700), baseline(0.1)))
    assert alone.needs[0].mean == pytest.approx(0.1)
    assert alone.needs[0].deviation == pytest.approx(0.3)
    assert alone.needs[0].smallest == pytest.approx(all_.needs[0].smallest)


def test_a_ratio_keeps_its_mean_where_most_have_no_denominator():
    ratio = {**PRIMARY, "kind": "ratio", "outcome": {"table": "orders", "value": "clicks", "per": "views"}}
    found = plan(wanted(primary=ratio), [of_outcomes(0.2, 1.0, 1_750)], [1_000]).needs[0]
    assert (found.mean, found.deviation) == pytest.approx((0.2, 2.0))


def test_more_outcomes_than_units_are_refused():
    with pytest.raises(SplitTestError, match="bought: 700 units had an outcome within its window, and no more than 70"):
        plan(wanted(), [of_outcomes(1.0, 0.0, 700)], [10])


def test_chances_grow_with_the_effect_and_the_looks():
    moments = [Moment(float(day), day / 10) for day in range(1, 11)]
    limits = [inf] * 4 + [2.5] * 6
    less, more = chances(moments, limits, 0.5), chances(moments, limits, 1.0)
    assert less[:4] == more[:4] == [0] * 4
    assert all(one <= other for one, other in pairwise(less))
    assert less[-1] < more[-1] < 1
    assert chances(moments, limits, smallest(moments, limits))[-1] == pytest.approx(0.8, abs=1e-3)


# ── while it runs


def grown(day):
    # Of 400 units a day, those have matured that came a week ago.
    matured = max(1, 200 * (day - 7))
    found = seen(arms(0.05, 0.05, units=matured), production=0, staging=0)
    days = tuple(
        found.days[0].model_copy(update={"day": BEGAN + each * DAY, "production": 200, "staging": 200})
        for each in range(day)
    )
    counts = found.counts.model_copy(update={"exposed": 400 * day, "matured": 2 * matured})
    return type(found)(days, counts, found.pairs)


@pytest.mark.parametrize("method", METHODS)
def test_a_test_that_goes_as_planned_finds_what_was_planned(method):
    test = wanted(method=method)
    planned = plan(test, [baseline()], [400]).needs[0].smallest
    looks = daily(test, grown, range(1, 29))
    assert found_by_the_end(test, split(test), looks) == pytest.approx(planned, rel=0.03)


def test_more_time_finds_less():
    test = wanted()
    looks = daily(test, grown, range(1, 29))
    longer = [*looks[:-1], looks[-1].model_copy(update={"ends": looks[-1].ends + 28 * DAY})]
    assert found_by_the_end(test, split(test), longer) < found_by_the_end(test, split(test), looks)


def test_without_an_interval_nothing_is_promised():
    test = wanted()
    assert found_by_the_end(test, split(test), []) is None
    assert found_by_the_end(test, split(test), [looked(test, grown(8), day=8)]) is None
