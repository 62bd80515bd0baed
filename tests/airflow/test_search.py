"""The tasks of a search, and what they hand on to each other."""

from collections.abc import Callable
from typing import Any

from airflow.sdk import DAG, TriggerRule

from retrain.spec import files as spec_files
from tests.airflow.conftest import CYCLE_TASKS, Model

SEARCHED = {
    "name": "linear",
    "estimator": "tests.core.toys:logistic",
    "params": {"columns": ["a", "b"]},
    "search": {"space": {"c": {"float": [0.01, 100.0], "log": True}}, "trials": 3, "parallel": 5},
}
FIXED = {"name": "half", "estimator": "tests.core.toys:logistic", "params": {"columns": ["a"]}}


def dag_of(model: Model) -> DAG:
    from retrain_airflow.dags.cycle import cycle_dag  # not above: Airflow reads its environment on import

    return cycle_dag(spec_files.load(model.spec))


def test_trials_stand_between_the_checks_and_the_training(model: Callable[..., Model]) -> None:
    dag = dag_of(model(candidates=[SEARCHED, FIXED]))

    assert sorted(dag.task_ids) == sorted([*CYCLE_TASKS, "search", "trial", "choose"])
    assert dag.get_task("search").upstream_task_ids == {"check", "snapshot"}
    assert dag.get_task("trial").upstream_task_ids == {"search", "snapshot"}
    assert dag.get_task("choose").upstream_task_ids == {"trial"}
    assert dag.get_task("choose").trigger_rule == TriggerRule.ALL_DONE_MIN_ONE_SUCCESS
    assert dag.get_task("prepare").upstream_task_ids == {"choose", "snapshot"}
    assert dag.get_task("trial").is_mapped


def test_at_most_so_many_trials_run_at_once_as_the_smallest_search_allows(model: Callable[..., Model]) -> None:
    other = {**SEARCHED, "name": "other", "search": {**SEARCHED["search"], "parallel": 3}}
    trial: Any = dag_of(model(candidates=[SEARCHED, other])).get_task("trial")
    assert trial.max_active_tis_per_dag == 3


def test_a_spec_without_a_search_has_none_of_these_tasks(model: Callable[..., Model]) -> None:
    assert sorted(dag_of(model()).task_ids) == CYCLE_TASKS
