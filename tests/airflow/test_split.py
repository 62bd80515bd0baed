"""The DAG `ab_<spec>`: a split test that a person starts, and that ends by itself."""

from collections.abc import Callable
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest
import yaml
from airflow.dag_processing.dagbag import DagBag

from retrain.cycle.evaluate import evaluate
from retrain.cycle.snapshot import take_snapshot
from retrain.cycle.train import train
from retrain.errors import SplitTestError
from retrain_airflow.compat import AirflowSkipException
from retrain_airflow.hooks.retrain import RetrainHook
from retrain_airflow.operators.split import AskSplitOperator, LookAtSplitOperator
from tests.airflow.conftest import DAG_FILE, Model, toy_spec
from tests.airflow.test_look import in_production, sql

Make = Callable[..., Model]
pytestmark = pytest.mark.usefixtures("tracker")

AB = {
    "primary": {"name": "bought", "outcome": {"table": "did"}, "window": "1d"},
    "exposures": {"table": "shown"},
    "effect": 0.05,
    "ramp": [{"share": 0.5}],
}


class Context(dict[str, Any]):
    def __init__(self, toy: Model, run: str) -> None:
        dag = type("Dag", (), {"dag_id": "ab_toy"})
        super().__init__(dag=dag, run_id=run, outlet_events={})


def ask(toy: Model, action: str, run: str = "run 1", **how: Any) -> None:
    operator = AskSplitOperator(task_id="ask", spec=toy.spec, action=action, why="to see", by="Kim", **how)
    operator.execute(Context(toy, run))  # type: ignore[arg-type]


def look(toy: Model) -> dict[str, Any]:
    return LookAtSplitOperator(task_id="look", spec=toy.spec).execute(Context(toy, "run 2"))  # type: ignore[arg-type]


def second_version(toy: Model) -> None:
    hook = RetrainHook(toy.spec)
    cycle = hook.cycle_of("retrain_toy", "run 2")
    snapshot = take_snapshot(hook.spec, source=hook.source, snapshots=hook.snapshots, ledger=hook.ledger)
    evaluate(cycle, snapshot, [train(cycle, snapshot, each.name) for each in hook.spec.candidates], dry_run=False)


@pytest.fixture
def toy(model: Make) -> Model:
    toy = model(ab=AB)
    in_production(toy)
    sql(toy, "CREATE TABLE shown (unit text, arm text, at timestamptz)")
    sql(toy, "CREATE TABLE did (unit text, at timestamptz)")
    return toy


def test_a_spec_with_a_split_test_has_its_dag_and_others_have_none(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("RETRAIN_SPECS", str(tmp_path))
    plain = toy_spec()
    (tmp_path / "plain.yaml").write_text(yaml.safe_dump(plain), encoding="utf-8")
    (tmp_path / "shop.yaml").write_text(yaml.safe_dump(plain | {"model": "shop", "ab": AB}), encoding="utf-8")
    bag = DagBag(DAG_FILE)
    assert bag.import_errors == {}
    assert [each for each in bag.dags if each.startswith("ab_")] == ["ab_shop"]
    dag = bag.dags["ab_shop"]
    assert [each.task_id for each in dag.topological_sort()] == ["ask", "look", "notify"]
    assert sorted(dag.params) == ["action", "units_a_day", "version", "weeks", "why"]
    assert dag.params["action"] == "look"
    for task in dag.tasks:
        assert task.doc_md
        assert task.execution_timeout == timedelta(hours=1)


def test_a_run_that_only_looks_asks_for_nothing_and_without_a_test_sees_nothing(toy: Model) -> None:
    with pytest.raises(AirflowSkipException, match="Nothing was asked for but a look"):
        ask(toy, "look")
    with pytest.raises(AirflowSkipException, match="No split test is under way"):
        look(toy)
    with pytest.raises(SplitTestError, match="no version is in Staging"):
        ask(toy, "start")


def test_how_long_a_test_would_take_is_said_before_it_begins(toy: Model) -> None:
    toy.feed(1000)
    sql(toy, "INSERT INTO did SELECT i::text, now() - interval '1 hour' FROM generate_series(1, 30) i")
    with pytest.raises(SplitTestError, match="shown has fewer than 1,000"):
        ask(toy, "plan")
    ask(toy, "plan", units_a_day="3000")
    ask(toy, "plan", units_a_day="300")
    ledger, model = RetrainHook(toy.spec).ledger, RetrainHook(toy.spec).spec.model
    kept = ledger.split_plan(model)
    assert kept is not None
    assert kept[0].units == 56 * 300
    assert kept[0].needs[0].mean == pytest.approx(0.1)
    assert ledger.splits(model) == []


def test_a_test_is_started_extended_looked_at_and_stopped(toy: Model) -> None:
    toy.feed(1000)
    second_version(toy)
    hook = RetrainHook(toy.spec)
    ledger, model = hook.ledger, hook.spec.model
    for _ in range(2):  # a task that is tried again starts no second one
        ask(toy, "start", version="2")
    ask(toy, "extend", "run 3", weeks="2")
    split = ledger.open_split(model)
    assert split is not None
    assert split.by == "Kim in ab_toy, run run 1"
    assert ledger.split_steps(split.id)[-1].ends - split.ends == timedelta(days=14)
    found = look(toy)
    assert (found["split"], found["answer"], found["outcome"]) == (split.id, "wait", None)
    for _ in range(2):
        ask(toy, "stop", "run 4")
    assert ledger.open_split(model) is None
    ((_, end),) = ledger.splits(model)
    assert end is not None
    assert end.outcome == "stopped"
