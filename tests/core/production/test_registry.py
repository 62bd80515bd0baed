"""Changes that people make to Production: through the ledger, once, and only if Production is what they expect."""

import os
import re
import subprocess
import sys
from collections.abc import Callable
from datetime import UTC, datetime

import pytest

from retrain.cycle.promote import promote
from retrain.errors import ForeignProductionError, RetrainError, StaleVerdictError, TrackerError, UntrustedModelError
from retrain.ledger.ledger import Ledger
from retrain.production.deletions import Deletions
from retrain.records import Move, Outcome, Subset
from stack.local import Running
from tests.conftest import new_database
from tests.core.conftest import Build, Make, World

LONG_AGO = datetime(2001, 1, 1, tzinfo=UTC)
PERSON = {"by": "kim", "why": "customers complain"}


def _two(world: Make) -> World:
    """A model whose second version has replaced the first."""
    model = world()
    model.feed(1000)
    model.promote()
    model.feed(2000, turn=1.2)
    model.promote()
    model.headlines()
    return model


@pytest.fixture
def two(cast: Callable[[Build], World]) -> World:
    return cast(_two)


def test_the_version_before_goes_back_into_production(two: World) -> None:
    row = two.registry.rollback(two.model, expects="2", **PERSON)
    assert (row.kind, row.from_version, row.to_version, row.by) == (Move.ROLLBACK, "2", "1", "kim")
    assert row.applied_at is not None
    assert two.tracker.production(two.model) == "1"
    assert (two.tracker.stage(two.model, "1"), two.tracker.stage(two.model, "2")) == ("Production", "Archived")
    (headline,) = two.headlines()
    assert "version 1 is in Production, in place of version 2, by kim: customers complain" in headline


def test_a_rollback_asked_for_twice_is_done_once(two: World) -> None:
    first = two.registry.rollback(two.model, expects="2", **PERSON)
    assert two.registry.rollback(two.model, expects="2", **PERSON) == first
    assert len(two.ledger.history(two.model)) == 3


def test_where_another_version_is_in_production_than_the_caller_knows_nothing_happens(two: World) -> None:
    with pytest.raises(StaleVerdictError, match="version 2 is in Production, not 1: look again"):
        two.registry.rollback(two.model, expects="1", **PERSON)
    assert two.tracker.production(two.model) == "2"
    assert len(two.ledger.history(two.model)) == 2


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


def test_a_target_whose_files_were_changed_is_not_put_back(world: Make, mlflow_server: Running) -> None:
    two = _two(world)
    file = two.ledger.model_file_of_version(two.model, "1")
    assert file is not None
    (stored,) = mlflow_server.home.artifacts.rglob(f"{file.uri.removeprefix('models:/')}/**/model.skops")
    stored.write_bytes(stored.read_bytes() + b" ")
    with pytest.raises(UntrustedModelError, match="its files are not the ones that were logged"):
        two.registry.rollback(two.model, expects="2", to="1", **PERSON)
    assert two.tracker.production(two.model) == "2"
    assert len(two.ledger.history(two.model)) == 2


def test_what_was_rolled_back_is_not_promoted_again_until_later_rows_say_so(two: World) -> None:
    two.registry.rollback(two.model, expects="2", **PERSON)
    _, verdict = two.judge()
    assert verdict.outcome is Outcome.INCONCLUSIVE
    assert "the same candidate on the same snapshot is version 2, which was rolled back" in verdict.reason
    two.feed(1000, turn=1.2)
    cycle, verdict = two.judge()
    assert verdict.outcome is Outcome.PROMOTE, verdict.reason
    assert promote(cycle, verdict).from_version == "1"


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
    file = two.ledger.model_file_of_version(two.model, "1")
    assert file is not None
    foreign = two.tracker.register_model(file.run_id, two.model, file.uri, key="ab12")
    with pytest.raises(RetrainError, match="was not logged by Retrain"):
        two.registry.transition_model_stage(two.model, foreign, "Production", expects="2", **PERSON)
    assert two.tracker.production(two.model) == "2"


def test_what_production_or_a_rollback_needs_cannot_be_deleted(two: World, postgres: Running, migrated: str) -> None:
    with new_database(postgres, migrated) as other:
        _refuse_deletions(two, Deletions(two.tracker, [Ledger(other.connect), two.ledger]))


def _refuse_deletions(two: World, deletions: Deletions) -> None:
    needed = {file.run_id for file in two.ledger.model_files_in_use()}
    runs = two.tracker.search_runs([two.tracker.create_experiment(two.model)])
    assert len(needed) == 2
    for run_id in needed:
        with pytest.raises(TrackerError, match=f"run {run_id} has made a version that {two.model} needs"):
            deletions.delete_run(run_id, **PERSON)
    # MLflow takes 007 for 7.
    for experiment in (runs[0].experiment_id, f"00{runs[0].experiment_id}"):
        with pytest.raises(TrackerError, match=f"holds a run that {two.model} needs; it is not deleted"):
            deletions.delete_experiment(experiment, **PERSON)
    other = next(run for run in runs if run.name == "half")
    for _ in range(2):
        deletions.delete_run(other.id, **PERSON)
    gone = two.tracker.get_run(other.id)
    assert gone.deleted
    assert gone.tags.items() >= {("retrain.deleted_by", "kim"), ("retrain.deleted_why", "customers complain")}


def test_who_set_a_stage_is_on_the_version(two: World) -> None:
    two.registry.transition_model_stage(two.model, "1", "Staging", expects="2", **PERSON)
    tags = two.tracker.get_model_version(two.model, "1").tags
    assert (tags["retrain.stage_by"], tags["retrain.stage_why"]) == ("kim", "customers complain")


def test_a_file_that_retrain_logged_is_registered_once_and_can_be_put_into_production(two: World) -> None:
    one = two.ledger.model_file_of_version(two.model, "1")
    assert one is not None
    assert two.registry.register_model(one.run_id, two.model, one.uri, **PERSON) == "1"
    _, verdict = two.judge(dry_run=True)
    with two.database.connect() as session, session.cursor() as cursor:
        ours = "SELECT uri FROM retrain.model_files WHERE run_id = %s AND 'validation' = ANY (subsets)"
        cursor.execute(ours, (verdict.matchup.run_id,))
        ((waiting,),) = cursor.fetchall()
    version = two.registry.register_model(verdict.matchup.run_id, two.model, waiting, **PERSON)
    assert version == "3"
    row = two.registry.transition_model_stage(two.model, version, "Production", expects="2", **PERSON)
    assert row is not None
    assert two.tracker.production(two.model) == "3"


def test_the_verdict_behind_a_version_and_the_last_one_are_found(two: World) -> None:
    identity = two.tracker.get_model_version(two.model, "2").identity
    behind = two.ledger.verdict_of_version(two.model, identity)
    last = two.ledger.last_verdict(two.model)
    assert behind is not None
    assert last is not None
    assert behind[0].matchup.version == "2"
    assert behind == last
    assert two.ledger.verdict_of_version(two.model, "m-of another") is None
    assert two.ledger.last_verdict("none") is None


def test_history_says_what_was_in_production_when(two: World) -> None:
    first, second = two.ledger.history(two.model)
    assert first.applied_at is not None
    assert second.applied_at is not None
    assert two.ledger.production_at(two.model, datetime(2020, 1, 1, tzinfo=UTC)) is None
    assert two.ledger.production_at(two.model, first.applied_at) == "1"
    assert two.ledger.production_at(two.model, second.applied_at) == "2"


FOREIGN = """
import sys
import mlflow, pandas
from sklearn.linear_model import LogisticRegression
from sklearn.pipeline import make_pipeline
rows = pandas.DataFrame({"a": [-1.0, 1.0, -2.0, 2.0], "b": [-1.0, 1.0, 1.0, -1.0]})
model = make_pipeline(LogisticRegression()).fit(rows, ["no", "yes", "no", "yes"])
mlflow.sklearn.log_model(model, name="model", registered_model_name=sys.argv[1], serialization_format="cloudpickle",
    pip_requirements=["scikit-learn"])  # else MLflow loads it once more in a process of its own, to see
"""


def _foreign(world: Make) -> World:
    """A model whose second version was logged by MLflow's own call, and put into Production by hand."""
    model = world()
    model.feed(1000)
    model.promote()
    subprocess.run(
        [sys.executable, "-W", "ignore", "-c", FOREIGN, model.model],
        env=os.environ | {"MLFLOW_TRACKING_URI": model.tracker._uri},
        check=True,
        capture_output=True,
    )
    model.tracker.set_production(model.model, "2")
    return model


@pytest.fixture
def foreign(cast: Callable[[Build], World]) -> World:
    return cast(_foreign)


def test_a_version_that_somebody_else_logged_is_adopted_and_judged_on_later_rows(foreign: World) -> None:
    consumed = foreign.ledger.last_consumed(foreign.model)
    for _ in range(2):
        with pytest.raises(ForeignProductionError, match=f"Adopt it \\(`retrain adopt {foreign.model} 2`"):
            foreign.judge()
    assert foreign.ledger.last_consumed(foreign.model) == consumed
    assert len([each for each in foreign.headlines() if "Retrain did not log it" in each]) == 1
    adopted = foreign.adopt("2")
    assert foreign.adopt("2", by="lee", why="again") == adopted
    _, verdict = foreign.judge()
    assert (verdict.outcome, verdict.rows) == (Outcome.INCONCLUSIVE, 0)
    assert re.search(r"needs 100; \d+ that an adopted version may have trained on do not count", verdict.reason)
    foreign.feed(2000, start=datetime.now(UTC))
    _, verdict = foreign.judge()
    assert verdict.outcome is Outcome.PROMOTE, verdict.reason
    assert verdict.rows > 100


def test_rows_that_were_labelled_after_an_adopted_version_was_trained_judge_it(foreign: World) -> None:
    snapshot = foreign.ledger.last_consumed(foreign.model)
    assert snapshot is not None
    foreign.adopt("2", trained_before=LONG_AGO)
    _, verdict = foreign.judge()
    assert verdict.rows == snapshot.subsets[Subset.HOLDOUT]
    assert foreign.registry.rollback(foreign.model, expects="2", to="1", **PERSON).to_version == "1"
    assert foreign.registry.rollback(foreign.model, expects="1", to="2", **PERSON).to_version == "2"


def test_an_adopted_version_whose_files_were_changed_is_not_loaded(world: Make, mlflow_server: Running) -> None:
    foreign = _foreign(world)
    foreign.adopt("2")
    stored = max(mlflow_server.home.artifacts.rglob("model.pkl"), key=lambda path: path.stat().st_mtime)
    stored.write_bytes(stored.read_bytes() + b" ")
    _, verdict = foreign.judge()
    assert "its files are not the ones that were logged" in verdict.reason
