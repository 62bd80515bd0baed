"""The DAG `retrain-rollback`: the previous version goes back into Production, from a trigger form that asks why."""

from collections.abc import Callable
from copy import deepcopy
from types import SimpleNamespace
from typing import Any

import pytest
import yaml
from airflow.dag_processing.dagbag import DagBag, sync_bag_to_db
from airflow.sdk import DAG
from airflow.sdk.definitions.asset import AssetUniqueKey
from airflow.sdk.definitions.param import ParamsDict
from airflow.sdk.exceptions import ParamValidationError
from airflow.sdk.execution_time.context import OutletEventAccessors

from retrain.cycle.context import Cycle
from retrain.cycle.evaluate import evaluate
from retrain.cycle.promote import promote
from retrain.cycle.snapshot import take_snapshot
from retrain.cycle.train import train
from retrain.errors import RollbackError, SpecError
from retrain.messages import texts
from retrain.records import Move
from retrain.snapshots.store import SnapshotStore
from retrain.source.table import Source
from retrain.spec import files as spec_files
from retrain.tracker.client import ExperimentTracker
from retrain_airflow import assets
from retrain_airflow.dags import trigger_form
from retrain_airflow.notifiers.incident import IncidentNotifier
from retrain_airflow.operators.rollback import RollbackOperator
from tests.airflow.conftest import DAG_FILE, Model, toy_spec
from tests.airflow.test_cycle import metadata  # noqa: F401 - a fixture
from tests.inbox import Inbox

Make = Callable[..., Model]


@pytest.fixture
def dag(model: Make) -> DAG:
    model(model="toy")
    return DagBag(DAG_FILE).dags["retrain-rollback"]


@pytest.fixture
def two(one_fresh_process: None, model: Make, tracker: ExperimentTracker, tmp_path: Any) -> Model:
    """A model whose second version has replaced the first: it was not better, and a person forced it."""
    toy = model(gate=toy_spec()["gate"] | {"proof": "superiority"})
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
    operator = RollbackOperator(
        task_id="rollback",
        spec=model.spec,
        outlets=[assets.any_production()],
        **{"why": "고객 불만", "by": "kim", **how},
    )
    context = {"dag": SimpleNamespace(dag_id="retrain-rollback"), "run_id": run_id, "outlet_events": events}
    done = operator.execute(context)
    (event,) = events[assets.any_production()].asset_alias_events
    assert event.dest_asset_key == AssetUniqueKey.from_asset(assets.production(model.name))
    return done, event.extra


def test_the_dag_is_two_tasks_that_wait_for_a_person(dag: DAG) -> None:
    assert {task.task_id: sorted(task.downstream_task_ids) for task in dag.tasks} == {
        "rollback": ["notify"],
        "notify": [],
    }
    assert (dag.schedule, dag.max_active_runs, dag.is_paused_upon_creation) == (None, 16, False)
    assert all(task.doc_md and task.retries == 9 for task in dag.tasks)
    assert all(isinstance(task.on_failure_callback[0], IncidentNotifier) for task in dag.tasks)


@pytest.mark.parametrize(
    "form",
    [
        {},
        {"model": "toy"},
        {"why": "x"},
        {"model": "toy", "why": ""},
        {"model": "toy", "why": "x", "to": "two"},
        {"model": "toy", "why": "x", "to": "0"},
        {"model": "another", "why": "x"},
    ],
)
def test_the_trigger_form_wants_a_model_a_reason_and_a_number(dag: DAG, form: dict[str, str]) -> None:
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
    assert (promotion["by"], promotion["why"]) == ("kim in retrain-rollback, run run 4", "고객 불만")
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


def test_the_run_is_for_the_model_of_its_form_and_so_is_what_is_told_of_it(
    metadata: None,  # noqa: F811
    model: Make,
    tracker: ExperimentTracker,
    channel: Inbox,
) -> None:
    toy = model(channels=[{"webhook": "team"}])
    other = toy_spec(channels=[{"webhook": "nobody"}])
    (toy.path.parent / "other.yaml").write_text(yaml.safe_dump(other))
    bag = DagBag(DAG_FILE)
    sync_bag_to_db(bag, "dags-folder", None)
    done = bag.dags["retrain-rollback"].test(run_conf={"model": toy.name, "why": "고객 불만"})
    assert {ti.task_id: str(ti.state) for ti in done.get_task_instances()} == {
        "rollback": "failed",
        "notify": "upstream_failed",
    }
    (headline,) = channel.headlines
    assert headline.startswith(
        f"{toy.name}: task rollback of run {done.run_id} failed: {toy.name}: has no snapshot and no adopted version yet"
    )


def test_a_model_whose_spec_has_gone_is_told_with_those_that_there_are(model: Make) -> None:
    toy = model()
    with pytest.raises(
        SpecError, match=f"model = 'gone': no spec has this model; those that can be read: '{toy.name}'"
    ):
        trigger_form.path_of(toy.path.parent, "gone")


def test_where_nothing_is_in_production_there_is_nothing_to_take_back(model: Make, tracker: ExperimentTracker) -> None:
    toy = model()
    toy.feed(100)
    spec = spec_files.load(toy.spec).spec
    toy.ledger.begin_model(spec.model, spec.split, announcement=texts.of_split_version)
    with pytest.raises(RollbackError, match="nothing is in Production, so there is nothing to take back"):
        roll_back(toy)
