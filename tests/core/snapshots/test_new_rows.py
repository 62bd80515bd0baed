"""Every labelled row starts a cycle once: which rows count as new, and when fewer than the threshold are enough.

The verbs of a cycle run against a real PostgreSQL and a real MLflow server.
"""

from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from uuid import uuid4

import pytest

from retrain.cycle.evaluate import evaluate
from retrain.cycle.threshold import Why
from retrain.errors import EstimatorError, StaleVerdictError
from retrain.messages import texts
from retrain.records import Outcome
from retrain.spec.source import Threshold
from tests.core.conftest import World
from tests.core.verdicts import unmeasured

Make = Callable[..., World]

DATED = {"table": "rows", "key": "id", "label": "label", "label_time": "labelled_at", "features": ["a", "b"]}
UNDATED = {name: column for name, column in DATED.items() if name != "label_time"}
EITHER = pytest.mark.parametrize("source", [DATED, UNDATED], ids=["dated", "undated"])
ONE = [{"name": "only", "estimator": "tests.core.toys:logistic", "params": {"columns": ["a", "b"]}}]
"""Which candidate wins is not the point here, and each takes seconds."""
PATIENT = {"rows": 500, "max_wait": "7d", "min_rows": 40}


def consume(model: World, *, dry_run: bool = False) -> None:
    """Save a cycle's verdict without its training, as if nothing could be measured."""
    snapshot = model.take()
    verdict = unmeasured(snapshot, uuid4().hex, model.spec.gate, dry_run=dry_run)
    model.ledger.save_verdict(verdict, texts.of_verdict(verdict), of=snapshot)


def days_ago(days: float) -> datetime:
    return datetime.now(UTC) - timedelta(days=days)


def let_pass(model: World, days: int) -> None:
    """Make the verdicts of this model this number of days older."""
    model.execute(f"UPDATE retrain.verdicts SET at = at - interval '{days} days' WHERE model = '{model.model}'")


# ── the wait


def test_a_week_after_the_last_verdict_fewer_rows_are_enough(world: Make) -> None:
    model = world(threshold=PATIENT)
    model.feed(800)
    consume(model)
    model.feed(40)
    assert (model.sense().why, model.sense().missing) == (None, 460)
    let_pass(model, 6)
    assert model.sense().why is None
    let_pass(model, 1)
    assert (model.sense().why, model.sense().new_rows) == (Why.MAX_WAIT, 40)


def test_the_exact_count_is_held_to_the_same_rule(world: Make) -> None:
    model = world(threshold=PATIENT)
    model.feed(800)
    consume(model)
    let_pass(model, 8)
    model.feed(39)
    # Labelled again with the same label: its time is now, but it is not new.
    model.execute("UPDATE rows SET labelled_at = now() WHERE id = 0")
    assert (model.sense().why, model.sense().new_rows) == (Why.MAX_WAIT, 40)
    exact = model.recount(model.take())
    assert (exact.why, exact.new_rows, exact.missing) == (None, 39, 1)
    model.feed(1)
    assert model.recount(model.take()).why is Why.MAX_WAIT


def test_a_verdict_begins_the_wait_again_and_a_dry_run_does_not(world: Make) -> None:
    model = world(threshold=PATIENT)
    model.feed(800)
    consume(model)
    let_pass(model, 8)
    model.feed(40)
    consume(model, dry_run=True)
    assert model.sense().why is Why.MAX_WAIT
    consume(model)
    model.feed(40)
    assert model.sense().why is None


@pytest.mark.parametrize(("age", "why"), [(6.9, None), (7.1, Why.MAX_WAIT)])
def test_a_first_cycle_waits_from_the_oldest_label(world: Make, age: float, why: Why | None) -> None:
    model = world(threshold=PATIENT)
    model.feed(100, start=days_ago(age))
    assert model.sense().why is why
    assert model.recount(model.take()).why is why


def test_a_first_cycle_without_a_label_time_waits_for_all_rows(world: Make) -> None:
    model = world(source=UNDATED, threshold=PATIENT)
    model.feed(499, start=days_ago(999))
    assert (model.sense().why, model.sense().waited) == (None, None)
    model.feed(1)
    assert model.sense().why is Why.ROWS


def test_without_a_label_time_later_cycles_wait_as_well(world: Make) -> None:
    model = world(source=UNDATED, threshold=PATIENT)
    model.feed(800)
    consume(model)
    model.feed(40)
    let_pass(model, 7)
    assert model.sense().why is Why.MAX_WAIT


def test_without_a_longest_wait_nothing_is_waited_for(world: Make) -> None:
    model = world()
    model.feed(499, start=days_ago(999))
    assert (model.sense().why, model.sense().waited) == (None, None)


# ── which rows are new


@EITHER
def test_rows_without_a_label_wait_until_they_are_labelled_whenever_they_came(world: Make, source: object) -> None:
    model = world(source=source)
    model.feed(900)
    model.execute("UPDATE rows SET label = NULL, labelled_at = NULL WHERE id % 9 = 0")
    assert model.take().rows == 800
    consume(model)
    assert model.sense().new_rows == 0
    model.execute("UPDATE rows SET label = 'yes', labelled_at = now() WHERE label IS NULL")
    assert model.sense().new_rows == 100
    assert (model.take().rows, model.take().new_rows) == (900, 100)


@EITHER
def test_a_row_with_another_label_than_before_is_new(world: Make, source: object) -> None:
    model = world(source=source)
    model.feed(800)
    consume(model)
    model.execute(
        "UPDATE rows SET label = CASE label WHEN 'yes' THEN 'no' ELSE 'yes' END, labelled_at = now() WHERE id < 7"
    )
    assert model.take().new_rows == 7
    # Without a label time the cheap count sees as many rows as before.
    assert model.sense().new_rows == (7 if source == DATED else 0)


def test_a_row_that_committed_late_is_new_to_the_exact_count(world: Make) -> None:
    model = world()
    model.feed(800)
    consume(model)
    # As if by a transaction that began before the last row and ended after the snapshot.
    model.execute("INSERT INTO rows VALUES (9999, 0.1, 0.2, 'yes', '2026-01-01 00:05Z')")
    assert model.sense().new_rows == 0
    assert model.take().new_rows == 1


def test_with_a_label_time_rows_that_were_deleted_hide_no_new_ones(world: Make) -> None:
    model = world()
    model.feed(800)
    consume(model)
    model.execute("DELETE FROM rows WHERE id < 300")
    model.feed(500)
    assert (model.sense().why, model.sense().new_rows) == (Why.ROWS, 500)


def test_without_a_label_time_each_deleted_row_hides_a_new_one_until_a_snapshot_is_taken(world: Make) -> None:
    """The cycle starts late, and then no row is lost."""
    model = world(source=UNDATED)
    model.feed(800)
    consume(model)
    model.execute("DELETE FROM rows WHERE id < 300")
    model.feed(500)
    assert (model.sense().why, model.sense().new_rows) == (None, 200)
    model.feed(300)
    assert model.sense().why is Why.ROWS
    snapshot = model.take()
    assert (snapshot.rows, snapshot.new_rows) == (1300, 800)
    assert model.recount(snapshot).why is Why.ROWS
    consume(model)
    assert model.sense().new_rows == model.take().new_rows == 0


def test_a_label_time_that_the_spec_no_longer_names_does_not_make_every_row_new(world: Make) -> None:
    model = world()
    model.feed(800)
    consume(model)
    model.spec = model.spec.model_copy(
        update={"source": model.spec.source.model_copy(update={"label_time": None}), "threshold": Threshold(rows=100)}
    )
    assert model.sense().new_rows == 0
    model.feed(60)
    assert model.sense().new_rows == 60


def test_a_label_time_that_the_spec_names_from_now_on_does_not_make_every_row_new(world: Make) -> None:
    model = world(source=UNDATED)
    model.feed(800)
    consume(model)
    model.feed(60)
    model.spec = model.spec.model_copy(
        update={"source": model.spec.source.model_copy(update={"label_time": "labelled_at"})}
    )
    assert model.sense().new_rows == 60


# ── consumed once


@EITHER
def test_a_cycle_that_fails_leaves_its_rows_new(world: Make, source: object) -> None:
    model = world(source=source, candidates=ONE)
    model.feed(600)
    model.execute("UPDATE rows SET label = 'yes'")
    with pytest.raises(EstimatorError):
        model.train(model.cycle(), model.take())
    assert model.sense().new_rows == 500
    assert model.take().new_rows == 600
    model.execute("UPDATE rows SET label = CASE WHEN a + b > 0 THEN 'yes' ELSE 'no' END")
    model.judge()
    assert model.sense().new_rows == model.take().new_rows == 0


def test_of_two_cycles_that_took_the_same_rows_one_consumes_them(world: Make) -> None:
    model = world(candidates=ONE)
    model.feed(1000)
    one, other = model.cycle(), model.cycle()
    first, second = model.take(), model.take()
    evaluate(one, first, model.train(one, first), dry_run=False)
    with pytest.raises(StaleVerdictError, match="another cycle used rows"):
        evaluate(other, second, model.train(other, second), dry_run=False)
    assert model.ledger.tests_spent(model.model, 1) == 1


def test_a_cycle_that_is_finished_after_a_later_one_does_not_make_rows_new_again(world: Make) -> None:
    """A task failed; meanwhile the next run of the schedule went through; then somebody clears the task."""
    model = world(candidates=ONE)
    model.feed(1000)
    stuck, early = model.cycle("stuck"), model.take()
    candidates = model.train(stuck, early)
    model.feed(600)
    consume(model)
    with pytest.raises(StaleVerdictError, match="another cycle used rows"):
        evaluate(model.cycle("stuck"), early, candidates, dry_run=False)
    assert model.sense().new_rows == model.take().new_rows == 0


def test_a_dry_run_may_judge_rows_that_another_cycle_has_used(world: Make) -> None:
    model = world(candidates=ONE)
    model.feed(1000)
    cycle, snapshot = model.cycle(), model.take()
    consume(model)
    verdict = evaluate(cycle, snapshot, model.train(cycle, snapshot), dry_run=True)
    assert verdict.outcome is Outcome.PROMOTE


def test_a_person_may_start_a_cycle_without_new_rows(world: Make) -> None:
    model = world(candidates=ONE)
    model.feed(1000)
    model.judge()
    model.judge()
    assert model.ledger.tests_spent(model.model, 1) == 2
