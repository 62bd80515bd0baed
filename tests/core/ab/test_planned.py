"""A plan by the rows that are there, as a person reads it."""

import pytest

from retrain.ab.planned import planned, sentences
from retrain.errors import SplitTestError
from tests.core.ab.split_tables import OWN, day, did, shown, units, wanted
from tests.core.spec.specs import spec

BUYERS = [(f"u{each}", day(each // 100, hours=1), 1.0, 0.0) for each in range(0, 3_000, 10)]
SHOWN = [(f"u{each}", "production", day(each // 100)) for each in range(3_000)]
"""100 units a day for a month; each tenth buys."""


def plan(schema, units_a_day=None, **how):
    wants = wanted(**how)
    return planned(wants, units(schema, wants), day(30), units_a_day)


def test_units_and_outcomes_are_those_of_before(schema):
    shown(schema, SHOWN)
    did(schema, BUYERS)
    found = plan(schema)
    assert found.needs[0].mean == pytest.approx(0.1)
    assert found.units == pytest.approx(7 * 2 + 7 * 20 + 42 * 100, abs=200)


def test_a_person_may_say_how_many_units_come(schema):
    shown(schema, [])
    did(schema, BUYERS)
    found = plan(schema, 100, exposures=OWN)
    assert found.needs[0].mean == pytest.approx(0.1)
    assert found.units == 7 * 2 + 7 * 20 + 42 * 100


def test_without_a_table_of_exposures_a_person_must_say_it(schema):
    did(schema, BUYERS)
    with pytest.raises(SplitTestError, match=r"^Letters: the spec names no table of exposures, so it is not known how"):
        plan(schema, exposures=OWN)


def test_a_table_with_few_units_does_not_tell_it(schema):
    shown(schema, SHOWN[:50])
    did(schema, BUYERS)
    with pytest.raises(SplitTestError, match="shown has fewer than 1,000 in the last 56 days"):
        plan(schema)


def test_a_spec_without_a_split_test_has_no_plan(schema):
    with pytest.raises(SplitTestError, match="the spec has no section `ab`; write one"):
        planned(spec(), units(schema, spec()), day(30), 100)


def test_a_plan_in_words(schema):
    did(schema, BUYERS)
    few, many = (sentences(plan(schema, each, exposures=OWN)) for each in (100, 100_000))
    assert few[0] == (
        "Staging's share: 1% from day 0 (14 units), 10% from day 7 (140 units), 50% from day 14 (4,200 units); "
        "4,354 units in 8 weeks, both arms together."
    )
    assert few[1].startswith("metric: 0.1 a unit now, deviation 0.3. A change of 0.1 is found in 4 of 5 tests within ")
    assert many[-1] == "8 weeks: enough for each metric by itself."


def test_too_short_a_time_is_said_with_what_helps(schema):
    did(schema, BUYERS)
    slow = {"name": "slow", "margin": 0.0001, "outcome": {"table": "did"}}
    said = sentences(plan(schema, 100, exposures=OWN, guardrails=[slow]))
    assert said[2].startswith("slow: 0.1 a unit now, deviation 0.3. A loss of 0.0001 is ruled out not within two years")
    assert said[-1].startswith("8 weeks: not enough for slow. Take a greater effect or margin,")
