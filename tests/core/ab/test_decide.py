"""What a look concludes, and what it says."""

from datetime import timedelta

import pytest

from retrain.ab.decide import next_phase
from retrain.arms import SplitLook, SplitStep
from tests.core.ab.makers import BEGAN, DAY, LATENCY, arms, daily, looked, seen, slower, wanted

GUARDED = {"guardrails": [LATENCY]}


def answered(found, day=20, **changes):
    test = wanted(**changes)
    return looked(test, found, day=day)


@pytest.mark.parametrize(
    ("shares", "day", "answer"),
    [
        ((0.10, 0.13), 20, "promote"),
        ((0.10, 0.13), 14, "promote"),
        ((0.10, 0.13), 13.9, "wait"),
        ((0.13, 0.10), 20, "drop"),
        ((0.13, 0.10), 13.9, "harm"),
        ((0.10, 0.10), 20, "wait"),
        ((0.10, 0.10), 56, "undecided"),
        ((0.10, 0.13), 56, "promote"),
    ],
)
def test_the_primary_metric_decides(shares, day, answer):
    assert answered(seen(arms(*shares)), day).answer == answer


def test_a_metric_that_should_be_low_is_promoted_where_it_is():
    less = {"primary": {"name": "churned", "outcome": {"table": "gone"}, "better": "lower"}}
    assert answered(seen(arms(0.13, 0.10)), **less).answer == "promote"
    assert answered(seen(arms(0.10, 0.13)), **less).answer == "drop"


def test_no_difference_is_said_only_where_a_change_that_matters_is_ruled_out():
    found = [answered(seen(arms(0.10, 0.10, units=units)), effect=0.01).answer for units in (10_000, 100_000)]
    assert found == ["wait", "same"]


def test_a_guardrail_must_be_shown_within_its_margin_before_anything_is_promoted():
    better = arms(0.10, 0.13)
    assert answered(seen(better, slower(0.0)), **GUARDED).answer == "promote"
    unsure = answered(seen(better, slower(3.5)), **GUARDED)
    assert unsure.answer == "harm"
    few = answered(seen(better, slower(1.0, units=2_000)), **GUARDED)
    assert few.answer == "wait"
    assert "all of the interval of latency below +5" in few.why
    assert "all of the interval of bought" not in few.why


def test_a_guardrail_that_suffers_ends_the_test_early_and_before_a_gain_counts():
    found = answered(seen(arms(0.10, 0.13), slower(4.0)), day=3, **GUARDED)
    assert found.answer == "harm"
    assert found.why.startswith("Guardrail latency: Staging is +4 [+")
    assert answered(seen(arms(0.10, 0.13), slower(-4.0)), day=3, **GUARDED).answer == "wait"


def test_alpha_for_harm_is_shared_and_that_for_promotion_is_not():
    plain = answered(seen(arms(0.10, 0.105))).effects[0]
    guarded = answered(seen(arms(0.10, 0.105), slower(0)), **GUARDED).effects[0]
    assert (plain.low, plain.difference, plain.error) == (guarded.low, guarded.difference, guarded.error)
    assert plain.high < guarded.high


def test_wrong_shares_make_it_invalid_whatever_else_is_seen():
    found = answered(seen(arms(0.10, 0.13), production=20_000, staging=21_500), day=3)
    assert found.answer == "invalid"
    assert found.why.startswith("21,500 units were exposed to Staging and 20,000 to Production")


@pytest.mark.parametrize(
    ("crossed", "exposed", "answer"),
    [(20, 400, "wait"), (21, 400, "invalid"), (101, 10_000, "invalid"), (100, 10_000, "wait")],
)
def test_units_in_both_arms_make_it_invalid_where_they_are_many(crossed, exposed, answer):
    found = answered(seen(arms(0.1, 0.1), production=exposed // 2, staging=exposed // 2, crossed=crossed))
    assert found.answer == answer
    assert ("were seen in both arms" in found.why) == (answer == "invalid")


def test_few_outcomes_have_no_interval_and_end_nothing():
    few = seen(arms(0.0004, 0.002))
    found = answered(few)
    assert (found.effects[0].low, found.effects[0].high, found.answer) == (None, None, "wait")
    assert "too few outcomes" in found.why
    assert answered(few, day=56).answer == "undecided"
    assert answered(seen(arms(0.002, 0.02))).answer == "promote"


def test_a_staging_that_loses_every_outcome_is_harm_from_the_first_days_on():
    found = answered(seen(arms(0.10, 0, units=2_000)), day=3)
    assert found.answer == "harm"
    assert found.effects[0].high < -0.05


def test_nothing_seen_yet_is_a_look():
    found = answered(seen(arms(0, 0, units=0), production=0, staging=0), day=0)
    assert (found.answer, found.mismatch, found.effects[0].difference) == ("wait", 1, None)
    assert SplitLook.from_json(found.to_json()) == found


def test_a_mismatch_that_was_sure_once_is_kept():
    test = wanted()
    first = looked(test, seen(arms(0.1, 0.1), production=20_000, staging=21_500), day=1)
    assert looked(test, seen(arms(0.1, 0.1)), day=2, looks=[first]).answer == "invalid"


def growing(day):
    return seen(arms(0.10, 0.112, units=500 * day))


def test_a_group_sequential_test_ends_with_less_than_an_always_valid_one():
    answers = {}
    for method in ("always_valid", "group_sequential"):
        test = wanted(method=method)
        answers[method] = [each.answer for each in daily(test, growing, range(1, 57))]
    assert answers["group_sequential"].index("promote") < answers["always_valid"].index("promote")


def test_any_look_can_be_computed_again_from_those_that_are_stored():
    test = wanted(method="group_sequential", **GUARDED)
    looks = daily(
        test, lambda day: seen(arms(0.10, 0.101, units=300 * day), slower(1.0, units=300 * day)), range(1, 30)
    )
    stored = [SplitLook.from_json(each.to_json()) for each in looks]
    last = stored[-1]
    assert looked(test, seen(*(each.phases[0] for each in last.effects)), day=29, looks=stored[:-1]) == last


def test_an_end_that_moves_away_leaves_the_looks_before_as_they_were_and_harm_is_still_seen():
    test = wanted(method="group_sequential")
    looks = daily(test, lambda day: seen(arms(0.10, 0.10, units=500 * day)), range(1, 41))
    before, moved = (looked(test, growing(41), day=41, looks=looks, ends=ends) for ends in (56, 84))
    assert moved.effects[0].low < before.effects[0].low
    assert moved.ends == BEGAN + 84 * DAY
    worse = looked(test, seen(arms(0.10, 0.08, units=20_500)), day=41, looks=looks, ends=84)
    assert worse.answer == "drop"


def test_the_words_say_what_lacks():
    found = answered(seen(arms(0.10, 0.101)))
    assert found.why == (
        "bought: Staging is +0.001 [-0.00849, +0.0105] from Production. "
        "For a promotion lacks: all of the interval of bought above 0."
    )
    assert answered(seen(arms(0.10, 0.101)), day=56).why.startswith("The time is over, and it is not decided: bought:")
    early = answered(seen(arms(0.10, 0.13)), day=2)
    assert early.why.endswith("Before 14 days are over, harm or wrong shares alone end the test.")


# ── the ramp

RAMP = wanted(ramp=[{"share": 0.01, "at_least": "2d"}, {"share": 0.5}])


def phase(number=0, ends=56):
    return SplitStep(phase=number, began=BEGAN, ends=BEGAN + ends * DAY)


def waiting(day, number=0):
    return looked(RAMP, seen(arms(0.1, 0.1)), day=day, phase=number)


def test_the_next_phase_begins_when_the_last_has_lasted_as_long_as_it_should():
    assert next_phase(RAMP, phase(), waiting(1.9), BEGAN + 1.9 * DAY) is None
    assert next_phase(RAMP, phase(), waiting(2), BEGAN + 2 * DAY) == SplitStep(
        phase=1, began=BEGAN + 2 * DAY, ends=BEGAN + 56 * DAY
    )


def test_an_end_that_was_moved_is_kept():
    assert next_phase(RAMP, phase(ends=70), waiting(2), BEGAN + 2 * DAY).ends == BEGAN + 70 * DAY


def test_the_last_phase_is_the_last():
    assert next_phase(RAMP, phase(1), waiting(20, 1), BEGAN + 20 * DAY) is None


def test_harm_and_wrong_shares_let_no_more_units_in():
    for found in (seen(arms(0.13, 0.10)), seen(arms(0.1, 0.1), staging=21_500)):
        last = looked(RAMP, found, day=2)
        assert last.answer in {"harm", "invalid"}
        assert next_phase(RAMP, phase(), last, BEGAN + 2 * DAY) is None


def test_a_look_of_the_phase_before_opens_no_further_one():
    step = SplitStep(phase=1, began=BEGAN, ends=BEGAN + 56 * DAY)
    ramp = wanted(ramp=[{"share": 0.01}, {"share": 0.1, "at_least": "1d"}, {"share": 0.5}])
    assert next_phase(ramp, step, waiting(2), BEGAN + 2 * DAY) is None
    assert next_phase(ramp, step, waiting(2, 1), BEGAN + 2 * DAY).phase == 2


def test_a_test_that_has_reached_its_end_goes_no_further():
    last = waiting(2)
    assert next_phase(RAMP, phase(ends=2), last, BEGAN + 2 * DAY + timedelta(seconds=1)) is None
