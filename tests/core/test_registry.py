"""What a person does to Production: by way of the ledger, once, and never against what he knows."""

import json
import os
import subprocess
import sys
from collections.abc import Callable
from datetime import UTC, datetime
from pathlib import Path

import pytest

from retrain import steps
from retrain.errors import RetrainError, StaleVerdictError, TrackerError, UntrustedModelError
from retrain.nouns import Move, Outcome
from stack.home import PROJECT
from stack.local import Running
from tests.core.conftest import World

Make = Callable[..., World]
PERSON = {"by": "kim", "why": "customers complain"}


@pytest.fixture
def two(world: Make) -> World:
    """A model whose second version has replaced the first."""
    model = world()
    model.feed(1000)
    model.promote()
    model.feed(2000, turn=1.2)
    model.promote()
    model.told()
    return model


def test_the_version_before_goes_back_into_production(two: World) -> None:
    row = two.registry.rollback(two.model, expects="2", **PERSON)
    assert (row.kind, row.from_version, row.to_version, row.by) == (Move.ROLLBACK, "2", "1", "kim")
    assert row.applied_at is not None
    assert two.tracker.production(two.model) == "1"
    assert (two.tracker.stage(two.model, "1"), two.tracker.stage(two.model, "2")) == ("Production", "Archived")
    (headline,) = two.told()
    assert "version 1 is in Production, in place of version 2, by kim: customers complain" in headline


def test_a_rollback_asked_for_twice_is_done_once(two: World) -> None:
    first = two.registry.rollback(two.model, expects="2", **PERSON)
    assert two.registry.rollback(two.model, expects="2", **PERSON) == first
    assert len(two.state.history(two.model)) == 3


def test_where_another_version_is_in_production_than_the_caller_knows_nothing_happens(two: World) -> None:
    with pytest.raises(StaleVerdictError, match="version 2 is in Production, not 1: look again"):
        two.registry.rollback(two.model, expects="1", **PERSON)
    assert two.tracker.production(two.model) == "2"
    assert len(two.state.history(two.model)) == 2


def test_with_nothing_before_there_is_nothing_to_go_back_to(two: World) -> None:
    two.registry.rollback(two.model, expects="2", **PERSON)
    with pytest.raises(RetrainError, match="nothing was in Production before version 1; name the one to go back to"):
        two.registry.rollback(two.model, expects="1", **PERSON)
    assert two.tracker.production(two.model) == "1"


def test_a_version_can_be_named(two: World) -> None:
    two.registry.rollback(two.model, expects="2", **PERSON)
    assert two.registry.rollback(two.model, expects="1", to="2", **PERSON).to_version == "2"
    with pytest.raises(RetrainError, match="version 2 is in Production already"):
        two.registry.rollback(two.model, expects="2", to="2", **PERSON)


def test_a_target_whose_files_were_changed_is_not_put_back(two: World, mlflow_server: Running) -> None:
    file = two.state.model_file_of_version(two.model, "1")
    assert file is not None
    (stored,) = mlflow_server.home.artifacts.rglob(f"{file.uri.removeprefix('models:/')}/**/model.skops")
    stored.write_bytes(stored.read_bytes() + b" ")
    with pytest.raises(UntrustedModelError, match="its files are not the ones that were logged"):
        two.registry.rollback(two.model, expects="2", **PERSON)
    assert two.tracker.production(two.model) == "2"
    assert len(two.state.history(two.model)) == 2


def test_what_was_rolled_back_is_not_promoted_again_until_later_rows_say_so(two: World) -> None:
    two.registry.rollback(two.model, expects="2", **PERSON)
    _, verdict = two.judge()
    assert verdict.outcome is Outcome.INCONCLUSIVE
    assert "the same candidate on the same snapshot is version 2, which was rolled back" in verdict.reason
    two.feed(1000, turn=1.2)
    cycle, verdict = two.judge()
    assert verdict.outcome is Outcome.PROMOTE, verdict.reason
    assert steps.promote(cycle, verdict).from_version == "1"


def test_a_person_puts_a_version_into_production_through_the_ledger(two: World) -> None:
    row = two.registry.transition_model_stage(two.model, "1", "Production", expects="2", **PERSON)
    assert row is not None
    assert (row.kind, row.from_version, row.to_version) == (Move.FORWARD, "2", "1")
    assert two.tracker.stage(two.model, "1") == "Production"


def test_a_version_does_not_leave_production_with_nothing_in_its_place(two: World) -> None:
    with pytest.raises(TrackerError, match="version 2 is in Production; put another one there, or roll back"):
        two.registry.transition_model_stage(two.model, "2", "Archived", expects="2", **PERSON)
    assert two.registry.transition_model_stage(two.model, "1", "Staging", expects="2", **PERSON) is None
    assert two.tracker.stage(two.model, "1") == "Staging"


def test_a_version_that_retrain_did_not_log_is_not_put_into_production(two: World) -> None:
    file = two.state.model_file_of_version(two.model, "1")
    assert file is not None
    foreign = two.tracker.register_model(file.run_id, two.model, file.uri, key="ab12")
    with pytest.raises(RetrainError, match="was not logged by Retrain"):
        two.registry.transition_model_stage(two.model, foreign, "Production", expects="2", **PERSON)
    assert two.tracker.production(two.model) == "2"


def test_what_production_or_a_rollback_needs_cannot_be_deleted(two: World) -> None:
    needed = {file.run_id for file in two.state.model_files_in_use()}
    runs = two.tracker.search_runs([two.tracker.create_experiment(two.model)])
    assert len(needed) == 2
    for run_id in needed:
        with pytest.raises(TrackerError, match=f"run {run_id} has made a version that {two.model} needs"):
            two.registry.delete_run(run_id)
    with pytest.raises(TrackerError, match=f"holds a run that {two.model} needs; it is not deleted"):
        two.registry.delete_experiment(runs[0].experiment_id)
    other = next(run for run in runs if run.name == "half")
    two.registry.delete_run(other.id)
    assert two.tracker.get_run(other.id).deleted


def test_history_says_what_was_in_production_when(two: World) -> None:
    first, second = two.state.history(two.model)
    assert first.applied_at is not None
    assert second.applied_at is not None
    assert two.state.production_at(two.model, datetime(2020, 1, 1, tzinfo=UTC)) is None
    assert two.state.production_at(two.model, first.applied_at) == "1"
    assert two.state.production_at(two.model, second.applied_at) == "2"


@pytest.mark.parametrize("rounds", [8, pytest.param(200, marks=pytest.mark.soak)])
@pytest.mark.parametrize("rival", ["promote", "rollback"])
def test_of_two_who_change_production_at_once_one_does(
    two: World, mlflow_server: Running, rival: str, rounds: int, tmp_path: Path
) -> None:
    _race(two, mlflow_server, two.database.dsn, rival, rounds, tmp_path)


@pytest.mark.parametrize("rounds", [8, pytest.param(200, marks=pytest.mark.soak)])
def test_of_two_who_come_through_a_pooling_proxy_one_does(
    two: World, mlflow_server: Running, pooled: str, rounds: int, tmp_path: Path
) -> None:
    _race(two, mlflow_server, pooled, "rollback", rounds, tmp_path)


def _race(two: World, mlflow_server: Running, address: str, rival: str, rounds: int, tmp_path: Path) -> None:
    def racer(name: str, version: str, does: str) -> "subprocess.Popen[str]":
        how = {
            "dsn": address,
            "mlflow": mlflow_server.mlflow_url,
            "snapshots": (tmp_path / "snapshots").as_uri(),
            "model": two.model,
            "version": version,
            "name": name,
            "does": does,
            "rounds": rounds,
        }
        return subprocess.Popen(
            [sys.executable, "-m", "tests.core.racer", json.dumps(how)],
            cwd=PROJECT,
            env=os.environ | {"PYTHONPATH": f"{PROJECT / 'include'}{os.pathsep}{PROJECT}"},
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
        )

    racers = [racer("one", "1", "promote"), racer("two", "2", rival)]
    while any(each.poll() is None for each in racers):
        assert two.tracker.production(two.model) in ("1", "2")
        stages = [version.stage for version in two.tracker.list_model_versions(two.model)]
        assert stages.count("Production") == 1
    ends = [each.communicate() for each in racers]
    assert [each.returncode for each in racers] == [0, 0], ends
    history = two.state.history(two.model)
    assert all(row.applied_at is not None for row in history)
    assert [row.from_version for row in history[1:]] == [row.to_version for row in history[:-1]]
    # A rollback that was asked for twice is told twice, and done once.
    assert 2 < len(history) <= 2 + sum(int(said) for said, _ in ends)
    assert two.tracker.production(two.model) == history[-1].to_version
    assert two.tracker.stage(two.model, history[-1].to_version or "") == "Production"
