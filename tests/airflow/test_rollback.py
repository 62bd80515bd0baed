"""The DAG `rollback_<spec>`: the previous version goes back into Production, from a trigger form that asks why."""

from collections.abc import Callable
from copy import deepcopy
from types import SimpleNamespace
from typing import Any

import pytest
from airflow.dag_processing.dagbag import DagBag
from airflow.sdk import DAG
from airflow.sdk.definitions.param import ParamsDict
from airflow.sdk.exceptions import ParamValidationError
from airflow.sdk.execution_time.context import OutletEventAccessors

from retrain.cycle.context import Cycle
from retrain.cycle.evaluate import evaluate
from retrain.cycle.promote import promote
from retrain.cycle.snapshot import take_snapshot
from retrain.cycle.train import train
from retrain.errors import RollbackError
from retrain.messages import texts
from retrain.records import Move
from retrain.snapshots.store import SnapshotStore
from retrain.source.table import Source
from retrain.spec import files as spec_files
from retrain.tracker.client import ExperimentTracker
from retrain_airflow import assets
from retrain_airflow.notifiers.incident import IncidentNotifier
from retrain_airflow.operators.rollback import RollbackOperator
from tests.airflow.conftest import DAG_FILE, Model

Make = Callable[..., Model]


@pytest.fixture
def dag(model: Make) -> DAG:
    model()
    return DagBag(DAG_FILE).dags["rollback_toy"]


@pytest.fixture
def two(one_fresh_process: None, model: Make, tracker: ExperimentTracker, tmp_path: Any) -> Model:
    """A model whose second version has replaced the first."""
    toy = model()
    spec = spec_files.load(toy.spec).spec
    snapshots = SnapshotStore((tmp_path / "snapshots").as_uri())
    source = Source(toy.database.connect, spec.source)
    for run_id in ("run 1", "run 2"):
        toy.feed(1000)
        cycle = Cycle(spec, "retrain_toy", run_id, snapshots, toy.ledger, tracker)
        snapshot = take_snapshot(spec, source=source, snapshots=snapshots, ledger=toy.ledger)
        verdict = evaluate(cycle, snapshot, [train(cycle, snapshot, "whole")], dry_run=False)
        promote(cycle, verdict, force="a test", by="kim")
    toy.waiting()
    return toy


def roll_back(model: Model, run_id: str = "run 3", **how: Any) -> tuple[dict[str, Any], dict[str, Any]]:
    """Return the promotion, and the extra of its outlet's event."""
    events = OutletEventAccessors()
    operator = RollbackOperator(task_id="rollback", spec=model.spec, **{"why": "고객 불만", "by": "kim", **how})
    context = {"dag": SimpleNamespace(dag_id="rollback_toy"), "run_id": run_id, "outlet_events": events}
    done = operator.execute(context)
    ((asset, event),) = events.items()
    assert asset == assets.production(model.name)
    return done, event.extra


def test_the_dag_is_two_tasks_that_wait_for_a_person(dag: DAG) -> None:
    assert {task.task_id: sorted(task.downstream_task_ids) for task in dag.tasks} == {
        "rollback": ["notify"],
        "notify": [],
    }
    assert (dag.schedule, dag.max_active_runs, dag.is_paused_upon_creation) == (None, 1, False)
    assert all(task.doc_md and task.retries == 9 for task in dag.tasks)
    assert all(isinstance(task.on_failure_callback[0], IncidentNotifier) for task in dag.tasks)


@pytest.mark.parametrize("form", [{}, {"why": ""}, {"why": "x", "to": "two"}, {"why": "x", "to": "0"}])
def test_the_trigger_form_wants_a_reason_and_a_number(dag: DAG, form: dict[str, str]) -> None:
    params = deepcopy(dag.params)
    with pytest.raises(ParamValidationError):
        _filled_in(params, form)


def _filled_in(params: ParamsDict, form: dict[str, str]) -> None:
    for name, value in form.items():
        params[name] = value
    params.validate()


def test_the_version_before_goes_back_once_however_often_the_task_is_run(
    two: Model, tracker: ExperimentTracker
) -> None:
    with pytest.raises(RollbackError, match="version 7 cannot go back into Production; choose from 1"):
        roll_back(two, "run 3", to="7")
    promotion, event = roll_back(two, "run 4")
    assert (promotion["kind"], promotion["from_version"], promotion["to_version"]) == (Move.ROLLBACK, "2", "1")
    assert (promotion["by"], promotion["why"]) == ("kim in rollback_toy, run run 4", "고객 불만")
    assert event == {"version": "1", "from": "2", "verdict": None}
    again, _ = roll_back(two, "run 4")
    assert again == promotion
    assert tracker.production(two.name) == "1"
    (announcement,) = two.waiting()
    assert "version 1 is in Production, in place of version 2, by kim" in announcement.headline
    with pytest.raises(RollbackError, match="nothing was in Production before version 1; name the one to go back to"):
        roll_back(two, "run 5")
    forward, _ = roll_back(two, "run 6", to="2")
    assert forward["to_version"] == "2"
    # Cleared when others have gone on, the run of before does not undo what they did.
    late, _ = roll_back(two, "run 5")
    assert late["seq"] == forward["seq"]
    assert tracker.production(two.name) == "2"


def test_where_nothing_is_in_production_there_is_nothing_to_take_back(model: Make, tracker: ExperimentTracker) -> None:
    toy = model()
    toy.feed(100)
    spec = spec_files.load(toy.spec).spec
    toy.ledger.begin_model(spec.model, spec.split, announcement=texts.of_split_version)
    with pytest.raises(RollbackError, match="nothing is in Production, so there is nothing to take back"):
        roll_back(toy)
