"""A search through the real scheduler: each trial is a task, and one whose process is killed is not lost."""

from collections.abc import Callable
from pathlib import Path

import pytest

from retrain.spec.files import SpecFile
from retrain.tracker.client import ExperimentTracker
from retrain.tracker.filters import Condition
from stack.airflow_api import AirflowApi, Task
from tests.tap import Tap

_MODULE = """
from sklearn.linear_model import LogisticRegression
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler

def linear(c, scaled=True):
    return make_pipeline(*[StandardScaler()] * scaled, LogisticRegression(C=c))
"""
TRIALS = 5


@pytest.fixture
def linear(users: Path) -> str:
    """A function of the user's; it stays, as other specs of this stack do not name it."""
    (users / "searching.py").write_text(_MODULE, encoding="utf-8")
    return "searching:linear"


@pytest.mark.nightly  # core/cycle/test_search.py has kills without a scheduler, airflow/test_search.py the tasks
def test_a_search_ends_in_a_promotion_though_a_trial_is_killed(
    api: AirflowApi,
    tap: Tap,
    add_model: Callable[..., SpecFile],
    follow: Callable[..., list[Task]],
    eventually: Callable[..., None],
    tracker: ExperimentTracker,
    linear: str,
) -> None:
    space = {"c": {"float": [0.01, 100.0], "log": True}, "scaled": {"choice": [True, False]}}
    search = {"space": space, "trials": TRIALS, "parallel": 2}
    file = add_model(candidates=[{"name": "linear", "estimator": linear, "search": search}])
    # MLflow has made the run of a trial, but the client has no response.
    with tap.hold("POST", "/runs/create", '"trial 1"', after=True) as held:
        run = api.trigger(file.dag_id, ignore_threshold=True)
        held.process().kill()

    def states() -> list[str | None]:
        return [each.state for each in api.tasks(file.dag_id, run) if each.id == "trial"]

    eventually(lambda: "up_for_retry" in states() and "running" not in states() and "queued" not in states(), 240)
    api.clear(file.dag_id, run, "trial")
    tasks = follow(file.dag_id, run)

    assert [each.state for each in tasks if each.id == "trial"] == ["success"] * TRIALS
    experiment = tracker.find_experiment(file.spec.model)
    assert experiment is not None
    below = tracker.search_runs([experiment], [Condition("tag", "retrain.trial", "!=", "")])
    (candidate,) = tracker.search_runs([experiment], [Condition("tag", "retrain.candidate", "=", "linear")])
    assert {each.tags["mlflow.parentRunId"] for each in below} == {candidate.id}
    finished = [each for each in below if each.status == "FINISHED"]
    assert len(finished) == TRIALS  # none is lost, and none is there twice
    assert len({each.params["c"] for each in finished}) == TRIALS
    best = max(each.metrics["validation_accuracy"] for each in finished)
    assert candidate.metrics["validation_accuracy"] == pytest.approx(best)
    assert tracker.production(file.spec.model) == "1"
