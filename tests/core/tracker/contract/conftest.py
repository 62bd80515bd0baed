"""What a tracker promises is kept alike by the fake in memory, MLflow on SQLite, and an MLflow server on PostgreSQL.

Each test that asks for `tracker` runs three times, once for each of them.
"""

import time
from collections.abc import Callable
from pathlib import Path
from typing import Any
from uuid import uuid4

import pytest

from retrain.tracker.client import ExperimentTracker
from retrain.tracker.entities import LoggedModel
from stack.local import Running
from tests.core import toys
from tests.core.tracker.contract.samples import LABELS, ROWS, Tracker
from tests.fake_tracker import FakeTracker


@pytest.fixture(scope="session")
def memory(tmp_path_factory: pytest.TempPathFactory) -> Tracker:
    return FakeTracker(tmp_path_factory.mktemp("memory"))


@pytest.fixture(scope="session")
def sqlite(tmp_path_factory: pytest.TempPathFactory) -> Tracker:
    return ExperimentTracker(f"sqlite:///{tmp_path_factory.mktemp('sqlite')}/mlflow.db")


@pytest.fixture(scope="session")
def server(mlflow_server: Running) -> Tracker:
    return ExperimentTracker(mlflow_server.mlflow_url)


@pytest.fixture(
    params=[
        "memory",
        # MLflow's store, opened in this process, uses a loader strategy that SQLAlchemy will drop.
        pytest.param("sqlite", marks=pytest.mark.filterwarnings("ignore:The ``noload`` loader:DeprecationWarning")),
        "server",
    ]
)
def tracker(request: pytest.FixtureRequest, mlflow_server: Running) -> Tracker:
    """Each of the three in turn. It asks for the server in its signature: the order of the tests depends on that."""
    return request.getfixturevalue(request.param)


@pytest.fixture
def name() -> str:
    return f"test-{uuid4().hex}"


@pytest.fixture
def where(tracker: Tracker, tmp_path: Path) -> str | None:
    """A place for artifacts; the server has its own."""
    return None if "http" in repr(tracker) else str(tmp_path / "artifacts")


@pytest.fixture
def experiment(tracker: Tracker, name: str, where: str | None) -> str:
    return tracker.create_experiment(name, {"team": "tests"}, where)


@pytest.fixture
def run(tracker: Tracker, experiment: str) -> str:
    return tracker.start_run(experiment, "run")


@pytest.fixture
def finished(tracker: Tracker, experiment: str) -> Callable[..., str]:
    """Makes a finished run, started later than those before."""

    def make(name: str = "run", **metrics: Any) -> str:
        time.sleep(0.002)
        made = tracker.start_run(experiment, name)
        tracker.log_metrics(made, metrics)
        tracker.end_run(made)
        return made

    return make


@pytest.fixture
def logged(tracker: Tracker, run: str) -> LoggedModel:
    return tracker.log_model(run, "toy", toys.logistic(["a"]).fit(ROWS, LABELS), ROWS, key="ab12")


@pytest.fixture
def registered(tracker: Tracker, run: str, logged: LoggedModel, name: str) -> str:
    """A model with versions 1, 2 and 3, for keys a1, a2 and a3."""
    for version in ("1", "2", "3"):
        assert tracker.register_model(run, name, logged.uri, key=f"a{version}") == version
    return name
