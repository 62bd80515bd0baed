"""Rows that are erased while a cycle uses them."""

from collections.abc import Callable
from pathlib import Path
from types import SimpleNamespace

import pytest
from airflow.sdk import RetryAction

from retrain.cycle import retention
from retrain.errors import ErasedRowsError, SnapshotError
from retrain.records import Snapshot
from retrain.tracker.client import ExperimentTracker
from retrain_airflow.dags import task_defaults
from retrain_airflow.hooks.retrain import RetrainHook
from retrain_airflow.operators.check import CheckDataOperator
from retrain_airflow.operators.snapshot import SnapshotOperator
from retrain_airflow.operators.train import TrainCandidateOperator
from tests.airflow.conftest import Model, Ti, model, tracker  # noqa: F401 - fixtures

Make = Callable[..., Model]


@pytest.fixture
def toy(model: Make, tracker: ExperimentTracker) -> Model:  # noqa: F811
    toy = model()
    toy.feed(500)
    return toy


def _forget(toy: Model, *keys: str) -> None:
    hook = RetrainHook(toy.spec)
    assert retention.forget(toy.name, keys, snapshots=hook.snapshots, ledger=hook.ledger)


def test_a_cycle_whose_rows_were_erased_says_so_and_is_not_tried_again(toy: Model) -> None:
    """B15."""
    snapshot = SnapshotOperator(task_id="snapshot", spec=toy.spec).execute({})
    _forget(toy, "7")
    context = {"dag": SimpleNamespace(dag_id="retrain_toy"), "run_id": "run 1", "ti": Ti()}
    for task in (
        CheckDataOperator(task_id="check", spec=toy.spec, snapshot=snapshot),
        TrainCandidateOperator(task_id="train", spec=toy.spec, snapshot=snapshot, candidate="half"),
    ):
        with pytest.raises(ErasedRowsError) as ended:
            task.execute(context)
        assert str(ended.value) == f"snapshot {snapshot['id']}: rows were erased meanwhile; start a new run"
        policy = task_defaults.RETRIES["retry_policy"]
        assert policy.evaluate(ended.value, 1, 9).action is RetryAction.FAIL


def test_a_new_run_after_rows_were_erased_reads_what_is_left(toy: Model) -> None:
    """B15."""
    first = SnapshotOperator(task_id="snapshot", spec=toy.spec).execute({})
    _forget(toy, "7")
    hook = RetrainHook(toy.spec)
    left = hook.ledger.snapshot(toy.name, first["id"])
    assert hook.snapshots.table(left).num_rows == 499


def test_a_file_that_is_only_gone_is_asked_back_for_and_tried_again(toy: Model) -> None:
    """B15."""
    snapshot = Snapshot.from_json(SnapshotOperator(task_id="snapshot", spec=toy.spec).execute({}))
    hook = RetrainHook(toy.spec)
    Path(snapshot.uri.removeprefix("file://")).unlink()
    with pytest.raises(SnapshotError, match="put the file back") as ended:
        hook.snapshots.table(snapshot)
    assert task_defaults.RETRIES["retry_policy"].evaluate(ended.value, 1, 9).action is RetryAction.DEFAULT
