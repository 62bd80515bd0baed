"""Real containers: built, started, damaged. They need a Docker engine and about 10 GB; without it the tests skip."""

import subprocess
import time
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, ExitStack, closing, contextmanager, suppress
from functools import partial
from typing import Any

import httpx
import pytest
import yaml

from stack.airflow_api import AirflowApi, Task
from stack.errors import StackError
from tests.in_containers.project import Project, engine_answers
from tests.once import assert_once

_FUNCTIONS = """
import time

from sklearn.compose import ColumnTransformer
from sklearn.linear_model import LogisticRegression
from sklearn.pipeline import Pipeline
from sklearn.preprocessing import StandardScaler

def logistic(columns, seconds=0, c=1.0):
    time.sleep(seconds)
    scale = ColumnTransformer([("scale", StandardScaler(), columns)])
    return Pipeline([("scale", scale), ("logistic", LogisticRegression(C=c))])
"""


class Cycle:
    """A run of a model's DAG in the containers."""

    def __init__(self, containers: Project, api: AirflowApi, model: str) -> None:
        self._containers, self._api = containers, api
        self.model, self.dag = model, f"retrain_{model}"
        self.run = api.trigger(self.dag, ignore_threshold=True)

    def wait_for(self, task: str, state: str = "running", seconds: float = 300) -> Task:
        """Wait for a task in this state, and return it."""
        until = time.monotonic() + seconds
        while True:
            tasks = self._api.tasks(self.dag, self.run)
            for each in tasks:
                if (each.id, each.state) == (task, state):
                    return each
            seen = [(each.id, each.state) for each in tasks]
            assert time.monotonic() < until, f"{task} is not {state} after {seconds} s: {seen}"
            time.sleep(0.2)

    def end(self, seconds: float = 1500) -> None:
        """Return when the run has succeeded. Asserts that each thing exists once."""
        self.finish(seconds)
        assert_once(self._containers.tracker, self.model, 2, partial(self._containers.sql, "retrain"))

    def finish(self, seconds: float) -> list[Task]:
        """Return the tasks when the run has succeeded."""
        until, tasks = time.monotonic() + seconds, list[Task]()
        while ("notify", "success") not in {(each.id, each.state) for each in tasks}:
            assert time.monotonic() < until, tasks
            time.sleep(2)
            with suppress(httpx.HTTPError, StackError):  # the fault may have hit its API server
                tasks = self._api.tasks(self.dag, self.run)
            failed = [each for each in tasks if each.state == "failed"]
            assert not failed, "\n".join(self._log(each) for each in failed)
        return tasks

    def _log(self, task: Task) -> str:
        lines = self._api.log(self.dag, self.run, task.id, task.tries, task.map_index)
        return "\n".join(map(str, [task, *lines]))


@pytest.fixture(scope="session")
def containers(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Project]:
    """All containers, with three workers; removed afterwards with everything that they stored."""
    if not engine_answers():
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
    """Kill all processes of a container at once, as on a machine that dies; the engine starts it again."""

    def kill(container: str) -> None:
        subprocess.run(["docker", "exec", "-u", "0", container, "sh", "-c", "kill -9 -1"], check=False, timeout=60)

    return kill


@pytest.fixture
def one_worker(containers: Project) -> Callable[..., AbstractContextManager[None]]:
    """Run one worker only, as long as a block, with these additions to its part of the compose file."""

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
    """Start the first cycle of a model with this name. seconds: how long training takes at least, unless the
    candidates are given.
    """
    added, clients = [], ExitStack()

    def start(model: str, seconds: int = 0, candidates: list[dict[str, Any]] | None = None) -> Cycle:
        candidates = candidates or [
            {"name": name, "estimator": "functions:logistic", "params": {"columns": columns, "seconds": seconds}}
            for name, columns in (("half", ["a"]), ("whole", ["a", "b"]))
        ]
        added.append(containers.add_spec(model, candidates, rows=2000))
        api = clients.enter_context(closing(AirflowApi(containers)))
        api.wait_for_dag(f"retrain_{model}", 240)
        return Cycle(containers, api, model)

    with clients:
        yield start
    for path in added:
        path.unlink()
