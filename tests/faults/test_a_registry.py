"""A registry without stages, a rollback past versions that nothing proves, and what to load."""

from collections.abc import Callable, Iterator
from contextlib import closing
from dataclasses import replace
from pathlib import Path

import mlflow
import pytest

from retrain.cycle.rollback import rollback
from retrain.errors import RetrainError, RollbackError
from retrain.production.apply import apply
from retrain.records import Move, Outcome
from retrain.tracker.client import ExperimentTracker
from stack.local import Running
from tests.core.conftest import Build, Make, World
from tests.core.cycle.looking import quick, replaced
from tests.faults import by_hand
from tests.tap import Tap

PROJECT = Path(__file__).resolve().parents[2]
PERSON = {"by": "kim", "why": "customers complain"}


@pytest.fixture
def stageless(mlflow_server: Running) -> Iterator[ExperimentTracker]:
    """A tracker of a registry that has aliases, and no stages."""
    with Tap() as tap, tap.without("/model-versions/transition-stage"):
        tap.upstream = mlflow_server.ports.mlflow
        yield ExperimentTracker(f"http://127.0.0.1:{tap.port}")


# ── A5


def test_where_there_are_no_stages_the_alias_alone_commits(world: Make, stageless: ExperimentTracker) -> None:
    """A5."""
    model = replace(quick(world), tracker=stageless)
    model.feed(1000)
    assert model.promote().applied_at is not None
    model.feed(2000, turn=1.2)
    assert model.promote().applied_at is not None
    assert stageless.production(model.model) == "2"
    assert {each.stage for each in stageless.list_model_versions(model.model)} == {"None"}
    assert apply(model.model, model.ledger, stageless) == "2"
    row = model.registry.rollback(model.model, expects="2", **PERSON)
    assert row.applied_at is not None
    assert stageless.production(model.model) == "1"


def test_where_there_are_no_stages_staging_is_an_alias_and_no_version_is_archived(
    world: Make, stageless: ExperimentTracker
) -> None:
    """A5."""
    model = replace(quick(world), tracker=stageless)
    model.feed(1000)
    model.judge()
    move = model.registry.transition_model_stage
    assert move(model.model, "1", "Staging", expects=None, **PERSON) is None
    assert stageless.get_model(model.model).staging == "1"
    with pytest.raises(RetrainError, match="this registry has no stages, so version 1 cannot be Archived"):
        move(model.model, "1", "Archived", expects=None, **PERSON)
    assert stageless.get_model(model.model).staging is None


# ── A6


def test_a_rollback_takes_the_nearest_earlier_version_that_can_be_proved(cast: Callable[[Build], World]) -> None:
    """A6."""
    model = cast(replaced)
    theirs = by_hand.register(model.tracker, model.model)
    for version in (theirs, "2"):
        model.tracker.set_production(model.model, version)
        apply(model.model, model.ledger, model.tracker)
    row = rollback(model.cycle(), why="customers complain")
    assert (row.kind, row.from_version, row.to_version) == (Move.ROLLBACK, "2", "1")
    assert model.tracker.production(model.model) == "1"
    assert row.why.startswith("customers complain (passed over: version 3: ")
    assert "version 3 was not logged by Retrain, so nothing proves what it is: adopt it" in row.why
    assert row.why in model.headlines()[-1]


def test_a_version_whose_files_are_gone_is_passed_over(cast: Callable[[Build], World]) -> None:
    """A6."""
    model = cast(replaced)
    model.tracker._client.delete_model_version(model.model, "1")
    with pytest.raises(RollbackError, match=r"no version before 2 can .*: version 1 was deleted in MLflow"):
        model.registry.rollback(model.model, expects="2", **PERSON)


def test_the_versions_that_cannot_go_back_are_shown_with_the_reason(
    cast: Callable[[Build], World], caplog: pytest.LogCaptureFixture
) -> None:
    """A6."""
    model = cast(replaced)
    theirs = by_hand.register(model.tracker, model.model)
    for version in (theirs, "2"):
        model.tracker.set_production(model.model, version)
        apply(model.model, model.ledger, model.tracker)
    choice = "choose from 1; not 3: not logged by Retrain, and not adopted"
    with caplog.at_level("INFO"), pytest.raises(RollbackError, match=f"version 7 cannot go back .*; {choice}"):
        rollback(model.cycle(), to="7", why="x")
    assert f"version 2 is taken back; {choice}." in caplog.text
    with pytest.raises(RetrainError, match="version 3 was not logged by Retrain"):
        rollback(model.cycle(), to="3", why="x")


def test_a_version_that_was_never_in_production_is_not_rolled_back_to(cast: Callable[[Build], World]) -> None:
    """A6."""
    model = cast(replaced)
    _, third = model.judge()
    assert third.matchup.version == "3"
    with pytest.raises(RollbackError, match=r"version 3 cannot go back .*; choose from 1"):
        model.registry.rollback(model.model, expects="2", to="3", **PERSON)


def test_what_a_rollback_would_take_is_kept(cast: Callable[[Build], World]) -> None:
    """A6."""
    model = cast(replaced)
    theirs = by_hand.register(model.tracker, model.model)
    for version in (theirs, "2"):
        model.tracker.set_production(model.model, version)
        apply(model.model, model.ledger, model.tracker)
    kept = {file.identity for file in model.ledger.model_files_in_use()}
    assert kept == {model.tracker.get_model_version(model.model, version).identity for version in "12"}


# ── A7


def test_a_loser_is_the_latest_version_and_the_alias_is_the_winner(world: Make, mlflow_server: Running) -> None:
    """A7."""
    model = quick(world, gate={"metric": "accuracy", "floor": 0.7, "round_rows": 100, "proof": "superiority"})
    model.feed(1000)
    model.promote()
    model.feed(600)
    _, verdict = model.judge()
    assert (verdict.outcome, verdict.matchup.version) == (Outcome.HOLD, "2")
    with closing(_Uri(mlflow_server.mlflow_url)):
        latest = mlflow.pyfunc.load_model(f"models:/{model.model}/latest")
        winner = mlflow.pyfunc.load_model(f"models:/{model.model}@production")
    files = {number: model.ledger.model_file_of_version(model.model, number) for number in "12"}
    for loaded, number in ((latest, "2"), (winner, "1")):
        file = files[number]
        assert file is not None
        assert loaded.metadata.model_uuid == file.identity


class _Uri:
    """MLflow's own calls go to this server until it is closed."""

    def __init__(self, uri: str) -> None:
        self._before = mlflow.get_tracking_uri()
        mlflow.set_tracking_uri(uri)

    def close(self) -> None:
        mlflow.set_tracking_uri(self._before)


@pytest.mark.parametrize("page", ["README.md", "docs/production.md"])
def test_the_docs_say_what_to_load(page: str) -> None:
    """A7."""
    text = " ".join((PROJECT / page).read_text("utf-8").split())
    assert "@production" in text
    assert "/latest" in text
