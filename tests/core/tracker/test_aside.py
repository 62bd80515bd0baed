"""What a function logs to MLflow by itself while it trains: its metrics are told, and nothing else stays."""

import os
import tempfile
from collections.abc import Mapping
from pathlib import Path

import mlflow
import mlflow.sklearn
import numpy as np
import pandas as pd
import pytest
from sklearn.linear_model import SGDClassifier

from retrain.errors import NotFoundError
from retrain.models.own_train import Context, Given
from retrain.tracker.aside import aside
from retrain.tracker.client import ExperimentTracker
from stack.local import Running
from tests.core.models import own

DICE = np.random.default_rng(0)
ROWS = pd.DataFrame(DICE.normal(size=(200, 2)), columns=["a", "b"])
LABELS = pd.Series(np.where(ROWS["a"] > 0, "yes", "no").astype(object))

Heard = list[tuple[int, dict[str, float]]]


@pytest.fixture
def heard() -> Heard:
    return []


@pytest.fixture(autouse=True)
def work(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, mlflow_server: Running) -> Path:
    """A working directory and a place for temporary folders, both empty; and the server that the environment names."""
    for name in ("work", "temporary"):
        (tmp_path / name).mkdir()
    monkeypatch.chdir(tmp_path / "work")
    monkeypatch.setattr(tempfile, "tempdir", str(tmp_path / "temporary"))
    monkeypatch.setenv("MLFLOW_TRACKING_URI", mlflow_server.mlflow_url)
    monkeypatch.setenv("MLFLOW_EXPERIMENT_NAME", "of-the-task")
    return tmp_path


def _train(heard: Heard, folder: Path, name: str) -> SGDClassifier:
    def log(step: int, metrics: Mapping[str, float]) -> None:
        heard.append((step, dict(metrics)))

    with aside(log):
        return own.autologged(Given(ROWS, LABELS), {"registers": name}, Context(folder))


def test_the_metrics_that_it_logs_are_told_by_step(heard: Heard, work: Path) -> None:
    _train(heard, work, "mine")
    assert [(step, metrics["loss"]) for step, metrics in heard] == [(0, 1.0), (1, 0.5), (2, pytest.approx(1 / 3))]
    assert heard[0][1]["training_accuracy_score"] > 0.9


def test_no_run_no_version_and_no_file_stays(heard: Heard, work: Path, tracker: ExperimentTracker) -> None:
    _train(heard, work, "aside-registers")
    assert {each.name for each in tracker.list_experiments()}.isdisjoint({"mine", "of-the-task"})
    with pytest.raises(NotFoundError):
        tracker.get_model("aside-registers")
    assert list((work / "work").iterdir()) == []
    assert list((work / "temporary").iterdir()) == []


def test_what_comes_later_is_not_logged_by_itself(
    heard: Heard, work: Path, mlflow_server: Running, tracker: ExperimentTracker
) -> None:
    model = _train(heard, work, "mine")
    assert mlflow.active_run() is None
    assert mlflow.get_tracking_uri() == mlflow_server.mlflow_url
    before = _runs(tracker)
    model.fit(ROWS, LABELS)
    assert _runs(tracker) == before


def _runs(tracker: ExperimentTracker) -> set[str]:
    return {run.id for run in tracker.search_runs([each.id for each in tracker.list_experiments()])}


def test_the_environment_is_as_it_was_also_after_an_error(work: Path) -> None:
    before = dict(os.environ)
    with pytest.raises(ValueError, match="no device"):
        _fail(before)
    assert dict(os.environ) == before
    assert mlflow.active_run() is None
    assert list((work / "temporary").iterdir()) == []


def _fail(before: dict[str, str]) -> None:
    with aside():
        assert os.environ["MLFLOW_TRACKING_URI"] != before["MLFLOW_TRACKING_URI"]
        assert "MLFLOW_EXPERIMENT_NAME" not in os.environ
        mlflow.start_run()
        raise ValueError("no device")
