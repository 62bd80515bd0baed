"""Plans of split tests are kept, and units are forgotten by who may."""

from datetime import UTC, datetime, timedelta

import pytest

from retrain.arms import Split, SplitEnd, SplitPlan
from retrain.errors import LedgerError
from retrain.ledger.ledger import Ledger
from retrain.messages import texts
from retrain.records import Incident
from retrain.topics import Topic
from tests.core.ledger.rows import MODEL


def begin(ledger, number):
    now = datetime.now(UTC)
    split = Split(
        id=f"{MODEL}/{number}",
        model=MODEL,
        version="2",
        identity=None,
        production="1",
        production_identity=None,
        began=now + timedelta(seconds=number),
        ends=now + timedelta(days=56),
        by="Kim",
        why="to see",
        baselines=(),
    )
    told = texts.of_incident(Incident(model=MODEL, topic=Topic.SPLIT_TEST, what="it began", remedy="", facts={}))
    ledger.begin_split(split, told)
    return split, told


def exposed(ledger):
    """Two tests, one of which has ended; three units in each."""
    for number in range(2):
        split, told = begin(ledger, number)
        for unit in ("ann", "ben", "kim"):
            ledger.save_exposure(split.id, unit, "staging")
        if number == 0:
            ledger.end_split(split, SplitEnd(outcome="stopped", why="enough", at=datetime.now(UTC)), told)
    return [split.id for split, _ in ledger.splits(MODEL)]


def test_the_newest_plan_of_a_model_takes_the_place_of_the_one_before(ledger):
    assert ledger.split_plan(MODEL) is None
    for units in (10, 20):
        ledger.save_split_plan(MODEL, SplitPlan(phases=(), needs=(), longest=56, units=units, enough=False))
    plan, at = ledger.split_plan(MODEL)
    assert plan.units == 20
    assert at <= datetime.now(UTC)


def test_a_unit_is_forgotten_in_all_tests_of_its_model_by_the_owner_of_the_tables(begun, database):
    tests, owner = exposed(begun), Ledger(database.connect)
    assert owner.forget_units(MODEL, ["ann", "kim", "nobody"]) == 4
    assert owner.forget_units(MODEL, ["ann"]) == 0
    assert owner.forget_units("other", ["ben"]) == 0
    assert [[each.unit for each in rows] for test in tests for rows in begun.exposures(test)] == [["ben"], ["ben"]]


def test_the_tasks_may_not_forget_and_are_told_who_may(begun):
    exposed(begun)
    with pytest.raises(
        LedgerError, match="this role of the ledger's database erases nothing; run the command with --dsn"
    ):
        begun.forget_units(MODEL, ["ann"])
