"""A spec's cycle as a task group in a DAG of the user's own."""

from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest
import yaml
from airflow.providers.standard.operators.empty import EmptyOperator
from airflow.sdk import DAG, Param
from airflow.serialization.serialized_objects import DagSerialization

from retrain.errors import SettingsError, SpecError
from retrain.spec import files as spec_files
from retrain_airflow.dags.cycle import cycle_dag
from retrain_airflow.dags.group import RetrainCycle
from retrain_airflow.inputs import is_on
from tests.airflow.conftest import toy_spec


@pytest.fixture
def spec(tmp_path: Path) -> Path:
    path = tmp_path / "toy.yaml"
    path.write_text(yaml.safe_dump({**toy_spec(), "approval": {"wait": "1h"}}), encoding="utf-8")
    return path


def around(spec: Path, **given: Any) -> DAG:
    """A DAG of the user's own, with tasks before and after the cycle."""
    with DAG("mine", schedule=None, start_date=datetime(2026, 1, 1, tzinfo=UTC), params={"dry": Param(False)}) as dag:
        EmptyOperator(task_id="load") >> RetrainCycle(spec, **given) >> EmptyOperator(task_id="publish")
    return dag


def test_the_group_has_the_tasks_and_arrows_of_the_specs_own_dag(spec: Path) -> None:
    def named(ids: set[str]) -> set[str]:
        return {id_.removeprefix("retrain_toy.") for id_ in ids} - {"load", "publish"}

    own, dag = cycle_dag(spec_files.load(str(spec))), around(spec)
    dag.validate()
    assert named(set(dag.task_ids)) == set(own.task_ids)
    for task in own.tasks:
        assert named(dag.get_task(f"retrain_toy.{task.task_id}").downstream_task_ids) == task.downstream_task_ids


def test_what_is_before_and_after_the_group_is_joined_to_its_ends(spec: Path) -> None:
    dag = around(spec)
    assert dag.get_task("load").downstream_task_ids == {"retrain_toy.sense"}
    assert dag.get_task("publish").upstream_task_ids == {"retrain_toy.notify"}


def test_branches_name_the_tasks_of_the_group(spec: Path) -> None:
    dag = around(spec, group_id="daily")
    evaluate, answer = dag.get_task("daily.evaluate"), dag.get_task("daily.answer")
    assert (evaluate.to_promote, evaluate.to_hold) == ("daily.ask", "daily.hold")
    assert (answer.to_promote, answer.to_hold, answer.to_judge_again) == ("daily.promote", "daily.hold", "daily.again")
    for task in (evaluate, answer):
        named = {value for name, value in vars(task).items() if name.startswith("to_")}
        assert named <= set(dag.task_ids)


def test_each_parse_gives_the_same_dag(spec: Path) -> None:
    given = {"dry_run": "{{ params.dry }}", "note": "by {{ dag_run.run_id }}"}
    one, other = (DagSerialization.to_dict(around(spec, **given)) for _ in range(2))
    assert one == other


def test_a_spec_with_faults_is_refused_with_all_of_them(tmp_path: Path) -> None:
    (tmp_path / "bad.yaml").write_text("model: a\nsource: 3\n", encoding="utf-8")
    with pytest.raises(SpecError, match=r"bad\.yaml"):
        around(tmp_path / "bad.yaml")


@pytest.mark.parametrize(
    ("value", "on"),
    [(True, True), (False, False), (None, False), ("True", True), ("False", False), ("", False), ("None", False)],
)
def test_a_template_of_a_boolean_is_that_boolean(value: object, on: bool) -> None:
    assert is_on(value, "dry_run") is on


def test_a_template_of_anything_else_is_refused() -> None:
    with pytest.raises(SettingsError, match="dry_run = 'maybe' is neither true nor false"):
        is_on("maybe", "dry_run")
