"""A version is its number and its identity: MLflow gives the numbers of a registered model that was deleted anew."""

from collections.abc import Callable
from datetime import UTC, datetime
from pathlib import Path

import pytest

from retrain.cycle.check import check
from retrain.cycle.watch import watch
from retrain.errors import RetrainError, RollbackError, StaleVerdictError
from retrain.production.apply import apply
from retrain.records import Move, Outcome
from tests.core.conftest import Build, Make, World
from tests.core.cycle.looking import quick, replaced, run_of
from tests.faults import by_hand

LONG_AGO = datetime(2001, 1, 1, tzinfo=UTC)
PERSON = {"by": "kim", "why": "customers complain"}


@pytest.fixture
def begun_again(world: Make) -> World:
    """A model with two versions, of which MLflow has others by the same numbers; the second owns the alias."""
    model = replaced(world)
    by_hand.delete(model.tracker, model.model)
    assert by_hand.register(model.tracker, model.model) == "1"
    assert by_hand.register(model.tracker, model.model, stage="Production", aliases=("production",)) == "2"
    return model


def test_a_cycle_after_the_numbers_began_again_ends_with_a_verdict(world: Make) -> None:
    """A3."""
    model = replaced(world)
    old = {file.identity for file in model.ledger.model_files_in_use()}
    by_hand.delete(model.tracker, model.model)
    model.feed(600, turn=1.2)
    promotion = model.promote()
    assert (promotion.from_version, promotion.to_version) == (None, "1")
    assert promotion.to_identity not in old
    assert model.tracker.production(model.model) == "1"
    kinds = [(row.kind, row.to_version) for row in model.ledger.history(model.model)]
    assert kinds == [(Move.FORWARD, "1"), (Move.FORWARD, "2"), (Move.BY_HAND, None), (Move.FORWARD, "1")]
    gone, *_ = model.headlines()
    assert "nothing is in Production, in place of version 2, by somebody, outside of Retrain" in gone


def test_a_rollback_refuses_another_version_of_the_same_number(begun_again: World) -> None:
    """A3."""
    model = begun_again
    for _ in range(2):
        with pytest.raises(RetrainError, match="version 1 is not the one that was in Production") as raised:
            model.registry.rollback(model.model, expects="2", to="1", **PERSON)
        assert "the registered model was deleted" in str(raised.value).lower()
    assert model.tracker.production(model.model) == "2"
    # Nor is it chosen where none is named.
    with pytest.raises(RollbackError, match=r"no version before 2 can go back .*: version 2: .*; version 1: "):
        model.registry.rollback(model.model, expects="2", **PERSON)


def test_another_version_of_the_same_number_in_production_is_a_change_by_hand(begun_again: World) -> None:
    """A3."""
    model = begun_again
    assert apply(model.model, model.ledger, model.tracker) == "2"
    row = model.ledger.history(model.model)[-1]
    assert (row.kind, row.from_version, row.to_version) == (Move.BY_HAND, "2", "2")
    assert row.from_identity != row.to_identity
    assert "the registered model was deleted, and its numbers began again" in row.why
    assert len(model.headlines()) == 1
    apply(model.model, model.ledger, model.tracker)
    assert model.headlines() == []


def test_another_version_is_not_judged_by_the_file_of_the_old_one_until_it_is_adopted_anew(begun_again: World) -> None:
    """A3."""
    model = begun_again
    model.feed(600, turn=1.2)
    consumed = model.ledger.last_consumed(model.model)
    for _ in range(2):
        with pytest.raises(RetrainError) as raised:
            model.judge()
        assert "the ledger knows version 2 as" in str(raised.value)
        assert "adopt it anew (`retrain adopt " in str(raised.value)
    assert model.ledger.last_consumed(model.model) == consumed
    assert len([each for each in model.headlines() if "the ledger knows version 2 as" in each]) == 1
    adopted = model.adopt("2", trained_before=LONG_AGO)
    assert adopted.digest != model.ledger.model_files_of_version(model.model, "2")[-1].digest
    _, verdict = model.judge()
    assert (verdict.matchup.production, verdict.matchup.production_identity) == ("2", adopted.identity)
    assert verdict.outcome is Outcome.PROMOTE, verdict.reason  # it knows one column of the two


def test_a_verdict_is_not_quoted_for_another_version_of_the_same_number(begun_again: World) -> None:
    """A3."""
    model = begun_again
    new = model.tracker.get_model_version(model.model, "2")
    old = model.ledger.model_file_of_version(model.model, "2")
    assert old is not None
    assert model.ledger.verdict_of_version(model.model, new.identity) is None
    found = model.ledger.verdict_of_version(model.model, old.identity)
    assert found is not None
    assert found[0].matchup.identity == old.identity


def test_a_promotion_whose_version_was_made_anew_meanwhile_is_not_carried_out(world: Make) -> None:
    """A3."""
    model = quick(world)
    model.feed(1000)
    cycle, verdict = model.judge()
    model.ledger.open_promotion(verdict, by=str(cycle), why="test")
    by_hand.delete(model.tracker, model.model)
    by_hand.register(model.tracker, model.model)
    for _ in range(2):
        assert apply(model.model, model.ledger, model.tracker) is None
    assert model.tracker.production(model.model) is None
    assert [bool(row.superseded_at) for row in model.ledger.history(model.model)] == [True]


def test_a_promotion_whose_version_was_deleted_does_not_stop_the_model_for_ever(world: Make) -> None:
    """A3."""
    model = quick(world)
    model.feed(1000)
    cycle, verdict = model.judge()
    model.ledger.open_promotion(verdict, by=str(cycle), why="test")
    model.tracker._client.delete_model_version(model.model, "1")
    assert apply(model.model, model.ledger, model.tracker) is None
    model.feed(600)
    assert model.promote().to_version == "2"


def test_drift_and_watch_do_not_take_the_old_file_for_another_version(
    begun_again: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A3."""
    model = begun_again
    cycle, snapshot = model.cycle(), model.take()
    check(cycle, snapshot)
    assert (
        run_of(model, cycle, snapshot).tags["retrain.drift"] == "the rows that version 2 was trained on are not known"
    )
    asked: list[str] = []
    monkeypatch.setattr(type(model.tracker), "has_files", lambda _, uri: not asked.append(uri))
    watch(model.spec, source=model.source, ledger=model.ledger, tracker=model.tracker)
    assert asked == [f"models:/{model.model}/2"]


def test_a_file_is_registered_anew_where_its_number_stands_for_another(begun_again: World) -> None:
    """A3."""
    model = begun_again
    file = model.ledger.model_file_of_version(model.model, "1")
    assert file is not None
    assert file.run_id is not None
    assert model.registry.register_model(file.run_id, model.model, file.uri, **PERSON) == "3"
    assert model.registry.register_model(file.run_id, model.model, file.uri, **PERSON) == "3"
    assert "retrain.by" not in model.tracker.get_model_version(model.model, "1").tags
    row = model.registry.transition_model_stage(model.model, "3", "Production", expects="2", **PERSON)
    assert row is not None
    assert (row.to_version, row.to_identity) == ("3", file.identity)


def test_a_step_that_is_run_again_does_not_take_another_version_for_its_own(world: Make) -> None:
    """A3."""
    from retrain.cycle.evaluate import evaluate

    model = quick(world)
    model.feed(1000)
    cycle, snapshot = model.cycle(), model.take()
    candidates = model.train(cycle, snapshot)

    class Killed(BaseException):
        pass

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr("retrain.cycle.challenge.measure", _raise(Killed))
        with pytest.raises(Killed):
            evaluate(cycle, snapshot, candidates, dry_run=False)
    by_hand.delete(model.tracker, model.model)
    by_hand.register(model.tracker, model.model)
    with pytest.raises(StaleVerdictError, match="version 1, which this run registered, is no longer in MLflow"):
        evaluate(cycle, snapshot, candidates, dry_run=False)


def _raise(error: type[BaseException]) -> Callable[..., None]:
    def raises(*_: object) -> None:
        raise error

    return raises


def test_versions_that_are_registered_anew_from_the_same_files_are_the_same(cast: Callable[[Build], World]) -> None:
    """A3. As `cast` does: whoever restores a registry in order goes on as before."""
    model = cast(replaced)
    assert apply(model.model, model.ledger, model.tracker) == "2"
    assert model.registry.rollback(model.model, expects="2", **PERSON).to_version == "1"
    assert [row.kind for row in model.ledger.history(model.model)] == [Move.FORWARD, Move.FORWARD, Move.ROLLBACK]


def test_the_snapshots_and_runs_that_production_needs_are_those_of_its_file(begun_again: World, tmp_path: Path) -> None:
    """A3."""
    model = begun_again
    del tmp_path
    model.adopt("2")
    apply(model.model, model.ledger, model.tracker)
    in_use, before = model.ledger.model_files_in_use()
    assert (in_use.name, in_use.snapshot, in_use.subsets) == ("adopted", None, ())
    assert before.name == "whole"
