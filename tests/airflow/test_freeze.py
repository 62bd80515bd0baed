"""The DAG `retrain-freeze`: Production stays as it is for some days, from a trigger form that asks why."""

from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from types import SimpleNamespace

from airflow.dag_processing.dagbag import DagBag

from retrain_airflow.operators.freeze import EVERY_MODEL, FreezeOperator
from tests.airflow.conftest import DAG_FILE, Model

Make = Callable[..., Model]


def run(days: float, model: str, run_id: str = "run 1", *, specs: str | None = None) -> None:
    dag_run = SimpleNamespace(run_after=datetime.now(UTC))
    context = {"dag": SimpleNamespace(dag_id="retrain-freeze"), "run_id": run_id, "dag_run": dag_run}
    operator = FreezeOperator(task_id="freeze", specs=specs, model=model, days=days, why="연말 동결", by="kim")
    operator.execute(context)  # type: ignore[arg-type]


def test_the_form_asks_which_model_how_long_and_why(model: Make) -> None:
    toy = model()
    dag = DagBag(DAG_FILE).dags["retrain-freeze"]
    assert dag.is_paused_upon_creation is False
    assert dag.params.get_param("model").schema["enum"] == [toy.name, EVERY_MODEL]
    assert dag.params["days"] == 7


def test_production_is_frozen_by_whoever_started_the_run_until_no_days_are_said(model: Make) -> None:
    toy = model()
    run(7, toy.name)
    freeze = toy.ledger.freeze_of(toy.name)
    assert freeze is not None
    assert (freeze.by, freeze.why) == ("kim in retrain-freeze, run run 1", "연말 동결")
    assert timedelta(days=6.9) < freeze.until - datetime.now(UTC) <= timedelta(days=7)
    assert toy.ledger.freeze_of("another") is None
    run(0, toy.name, "run 2")
    assert toy.ledger.freeze_of(toy.name) is None


def test_every_model_can_be_frozen_at_once(model: Make) -> None:
    toy = model()
    run(0.5, EVERY_MODEL)
    assert toy.ledger.freeze_of("another") is not None
    assert toy.ledger.freeze_of(toy.name) is not None
