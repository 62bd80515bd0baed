"""The containers, for real: built, started, hurt. Needs a Docker engine and some 10 GB; skips without."""

import shutil
import subprocess
import time
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, closing, contextmanager
from functools import partial
from typing import Any

import httpx
import pytest
import yaml

from containers.project import Project
from stack.airflow_api import AirflowApi
from tests.once import assert_once

_FUNCTIONS = """
import time

from sklearn.compose import ColumnTransformer
from sklearn.linear_model import LogisticRegression
from sklearn.pipeline import Pipeline
from sklearn.preprocessing import StandardScaler

def logistic(columns, seconds=0):
    time.sleep(seconds)
    scale = ColumnTransformer([("scale", StandardScaler(), columns)])
    return Pipeline([("scale", scale), ("logistic", LogisticRegression())])
"""


class Cycle:
    """A run of a model's DAG in the containers."""

    def __init__(self, containers: Project, model: str, run: str) -> None:
        self.containers, self.model, self.run = containers, model, run
        self.dag = f"retrain_{model}"
        self._headers = {"Authorization": f"Bearer {containers.token}"}

    def tasks(self) -> list[dict[str, Any]]:
        url = f"{self.containers.airflow_url}/api/v2/dags/{self.dag}/dagRuns/{self.run}/taskInstances"
        answer = httpx.get(url, headers=self._headers, timeout=60, trust_env=False)
        found: list[dict[str, Any]] = answer.raise_for_status().json()["task_instances"]
        return found

    def wait_for(self, task: str, state: str = "running", seconds: float = 300) -> dict[str, Any]:
        """A task in this state."""
        until = time.monotonic() + seconds
        while True:
            tasks = self.tasks()
            for each in tasks:
                if (each["task_id"], each["state"]) == (task, state):
                    return each
            seen = [(each["task_id"], each["state"]) for each in tasks]
            assert time.monotonic() < until, f"{task} is not {state} after {seconds} s: {seen}"
            time.sleep(0.2)

    def end(self, seconds: float = 1500) -> None:
        """Return when the run has succeeded, and all of it is there once."""
        until = time.monotonic() + seconds
        while True:
            try:
                states = {(each["task_id"], each["map_index"]): each["state"] for each in self.tasks()}
            except httpx.HTTPError as error:  # its API server may be what was hurt
                states = {("none", -1): repr(error)}
            if states.get(("tell", -1)) == "success":
                break
            assert "failed" not in states.values(), states
            assert time.monotonic() < until, states
            time.sleep(2)
        assert_once(self.containers.tracker, self.model, 2, partial(self.containers.sql, "retrain"))


@pytest.fixture(scope="session")
def containers(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Project]:
    """All of them, with three workers; taken away with all that they stored."""
    asked = shutil.which("docker") and subprocess.run(["docker", "version"], capture_output=True, check=False)
    if not asked or asked.returncode:
        pytest.skip("no Docker engine answers")
    project = Project(tmp_path_factory.mktemp("containers"), "retrain-test", _FUNCTIONS)
    project.compose("build", "--quiet")
    try:
        project.up("worker=3")
        yield project
    finally:
        project.compose("down", "--volumes", "--timeout", "20")


@pytest.fixture
def kill(containers: Project) -> Callable[[str], None]:
    """Whatever a container runs ends at once, as on a machine that dies; the engine starts it anew."""

    def kill(container: str) -> None:
        subprocess.run(["docker", "exec", "-u", "0", container, "sh", "-c", "kill -9 -1"], check=False, timeout=60)

    return kill


@pytest.fixture
def one_worker(containers: Project) -> Callable[..., AbstractContextManager[None]]:
    """For as long as a block runs there is one worker, with this more in its part of the compose file."""

    @contextmanager
    def one_worker(environment: dict[str, str], **more: Any) -> Iterator[None]:
        before = containers.override.read_text()
        changed = yaml.safe_load(before)
        worker = changed["services"]["worker"]
        worker["environment"] |= environment
        for name, values in more.items():
            worker[name] = [*worker.get(name, []), *values]
        containers.override.write_text(yaml.safe_dump(changed))
        try:
            containers.up("worker=1")
            yield
        finally:
            containers.override.write_text(before)
            containers.up("worker=3")

    return one_worker


@pytest.fixture
def start(containers: Project) -> Iterator[Callable[..., Cycle]]:
    """Starts the first cycle of a model of this name. seconds: how long training takes at least."""
    added = []

    def start(model: str, seconds: int = 0) -> Cycle:
        candidates = [
            {"name": name, "estimator": "functions:logistic", "params": {"columns": columns, "seconds": seconds}}
            for name, columns in (("half", ["a"]), ("whole", ["a", "b"]))
        ]
        added.append(containers.add_spec(model, candidates, rows=2000))
        with closing(AirflowApi(containers)) as api:
            dag = f"retrain_{model}"
            api.wait_for_dag(dag, 240)
            return Cycle(containers, model, api.trigger(dag, ignore_threshold=True))

    yield start
    for path in added:
        path.unlink()
