"""The containers, for real: built, started, hurt. Needs a Docker engine and some 10 GB; skips without."""

import json
import shutil
import subprocess
import time
from collections.abc import Callable, Iterator
from contextlib import closing
from functools import cached_property
from pathlib import Path
from typing import Any

import httpx
import pytest
import yaml
from _pytest.tmpdir import TempPathFactory

from containers import env
from retrain.tracker import ExperimentTracker
from stack import ports
from stack.airflow_api import AirflowApi
from stack.home import PROJECT

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
_ROWS = """
CREATE TABLE {table} (id bigint PRIMARY KEY, a float8, b float8, label text, labelled_at timestamptz DEFAULT now());
INSERT INTO {table} (id, a, b, label)
    SELECT i, a, b, CASE WHEN a + b + (random() - 0.5) / 4 > 1 THEN 'yes' ELSE 'no' END
    FROM (SELECT i, random() AS a, random() AS b FROM generate_series(1, 2000) i) AS dice;
CREATE INDEX ON {table} (labelled_at);
"""


class Containers:
    """One project of `docker compose`, with specs of the test's own."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        chosen = ports.free()
        self.airflow_url = f"http://127.0.0.1:{chosen.airflow}"
        self.mlflow_url = f"http://127.0.0.1:{chosen.mlflow}"
        specs = folder / "user" / "specs"
        specs.mkdir(parents=True)
        (folder / "user" / "functions.py").write_text(_FUNCTIONS)
        secrets = {name: env.secret(name) for name in env.required((PROJECT / "docker-compose.yml").read_text())}
        settings = secrets | {
            "AIRFLOW_PORT": str(chosen.airflow),
            "MLFLOW_PORT": str(chosen.mlflow),
            "RETRAIN_URL": self.airflow_url,
        }
        self.secrets = secrets
        (folder / ".env").write_text("".join(f"{name}={value}\n" for name, value in settings.items()))
        user = {
            "volumes": [f"{folder / 'user'}:/user:ro", "store:/var/lib/retrain"],
            "environment": {"RETRAIN_SPECS": "/user/specs", "PYTHONPATH": "/opt/retrain/include:/opt/retrain:/user"},
        }
        airflow = ("api-server", "scheduler", "dag-processor", "triggerer", "worker")
        # A store that can be filled without filling this machine's disk.
        small = {"driver": "local", "driver_opts": {"type": "tmpfs", "device": "tmpfs", "o": "size=64m,uid=50000"}}
        override = {"services": {name: user for name in airflow}, "volumes": {"store": small}}
        (folder / "override.yml").write_text(yaml.safe_dump(override))

    def compose(self, *arguments: str, given: str | None = None, check: bool = True) -> str:
        """What it prints."""
        files = ("-f", str(PROJECT / "docker-compose.yml"), "-f", str(self.folder / "override.yml"))
        command = ["docker", "compose", "-p", "retrain-test", "--env-file", str(self.folder / ".env"), *files]
        done = subprocess.run(
            [*command, *arguments], input=given, capture_output=True, text=True, check=False, timeout=1800
        )
        assert not check or done.returncode == 0, f"{arguments}: {done.stdout[-3000:]}{done.stderr[-3000:]}"
        return done.stdout

    def up(self, *scale: str) -> None:
        self.compose("up", "--wait", "--wait-timeout", "900", "--no-build", *(f"--scale={each}" for each in scale))
        self.__dict__.pop("token", None)

    def sql(self, database: str, statement: str) -> list[list[str]]:
        said = self.compose(
            *("exec", "-T", "postgres", "psql", "-U", "postgres", "-d", database, "-qAt", "-F", "\t", "-v"),
            *("ON_ERROR_STOP=1", "-f", "-"),
            given=statement,
        )
        return [line.split("\t") for line in said.splitlines()]

    @cached_property
    def token(self) -> str:
        login = {"username": "admin", "password": self.secrets["ADMIN_PASSWORD"]}
        answer = httpx.post(f"{self.airflow_url}/auth/token", json=login, timeout=60, trust_env=False)
        return str(answer.raise_for_status().json()["access_token"])

    @cached_property
    def tracker(self) -> ExperimentTracker:
        return ExperimentTracker(self.mlflow_url, username="retrain", password=self.secrets["MLFLOW_PASSWORD"])

    def kill_all_in(self, container: str) -> None:
        """What a container runs ends at once, as on a machine that dies; the engine starts it anew."""
        subprocess.run(["docker", "exec", "-u", "0", container, "sh", "-c", "kill -9 -1"], check=False, timeout=60)


class Cycle:
    """A run of a model's DAG in the containers."""

    def __init__(self, containers: Containers, model: str, run: str) -> None:
        self.containers, self.model, self.run = containers, model, run
        self.dag = f"retrain_{model}"

    def tasks(self) -> list[dict[str, Any]]:
        path = f"/api/v2/dags/{self.dag}/dagRuns/{self.run}/taskInstances"
        headers = {"Authorization": f"Bearer {self.containers.token}"}
        answer = httpx.get(self.containers.airflow_url + path, headers=headers, timeout=60, trust_env=False)
        found: list[dict[str, Any]] = answer.raise_for_status().json()["task_instances"]
        return found

    def wait_for(self, task: str, state: str = "running", seconds: float = 300) -> dict[str, Any]:
        """A task in this state."""
        until = time.monotonic() + seconds
        while True:
            seen = [(each["task_id"], each["state"]) for each in (tasks := self.tasks())]
            for each in tasks:
                if (each["task_id"], each["state"]) == (task, state):
                    return each
            assert time.monotonic() < until, f"{task} is not {state} after {seconds} s: {seen}"
            time.sleep(0.2)

    def end(self, seconds: float = 1500) -> None:
        """Return when the run has succeeded, and all of it is there once."""
        until = time.monotonic() + seconds
        while True:
            try:
                tasks = self.tasks()
            except httpx.HTTPError:  # its API server may be what was hurt
                tasks = []
            states = {(each["task_id"], each["map_index"]): each["state"] for each in tasks}
            if states.get(("tell", -1)) == "success":
                break
            assert "failed" not in states.values(), states
            assert time.monotonic() < until, states
            time.sleep(2)
        self._assert_once()

    def _assert_once(self) -> None:
        """One run for each candidate below one of the cycle, one version, one Production, one row in the ledger."""
        tracker, model = self.containers.tracker, self.model
        experiment = tracker.find_experiment(model)
        assert experiment is not None
        runs = tracker._client.search_runs([experiment])
        parents = [run for run in runs if "mlflow.parentRunId" not in run.data.tags]
        assert (len(parents), len(runs)) == (1, 3)
        assert {run.info.status for run in runs} == {"FINISHED"}
        (version,) = tracker._client.search_model_versions(f"name = '{model}'")
        assert (version.current_stage, tracker.production(model)) == ("Production", version.version)

        def ledger(question: str) -> list[list[str]]:
            return self.containers.sql("retrain", question.format(f"model = '{model}'"))

        assert ledger("SELECT to_version, applied_at IS NOT NULL FROM retrain.promotions WHERE {}") == [["1", "t"]]
        assert ledger("SELECT outcome FROM retrain.verdicts WHERE {}") == [["PROMOTE"]]
        assert ledger("SELECT count(*) FROM retrain.outbox WHERE {} AND delivered_at IS NULL") == [["0"]]


@pytest.fixture(scope="session")
def containers(tmp_path_factory: TempPathFactory) -> Iterator[Containers]:
    """All of them, with three workers; taken away with all that they stored."""
    asked = shutil.which("docker") and subprocess.run(["docker", "version"], capture_output=True, check=False)
    if not asked or asked.returncode:
        pytest.skip("no Docker engine answers")
    started = Containers(tmp_path_factory.mktemp("containers"))
    started.compose("build", "--quiet")
    try:
        started.up("worker=3")
        yield started
    finally:
        started.compose("down", "--volumes", "--timeout", "20", check=False)


@pytest.fixture
def start(containers: Containers) -> Iterator[Callable[..., Cycle]]:
    """Starts the first cycle of a model of this name. seconds: how long training takes at least."""
    added = []

    def start(model: str, seconds: int = 0, **fields: Any) -> Cycle:
        containers.sql("source", "SET ROLE source_owner;" + _ROWS.format(table=model))
        path = containers.folder / "user" / "specs" / f"{model}.yaml"
        candidates = [
            {"name": name, "estimator": "functions:logistic", "params": {"columns": columns, "seconds": seconds}}
            for name, columns in (("half", ["a"]), ("whole", ["a", "b"]))
        ]
        source = {"table": model, "key": "id", "label": "label", "label_time": "labelled_at", "features": ["a", "b"]}
        gate = {"metric": "accuracy", "floor": 0.7, "epoch_rows": 100}
        spec = {"model": model, "source": source, "candidates": candidates, "gate": gate, **fields}
        path.write_text(json.dumps(spec))  # which is YAML
        added.append(path)
        with closing(AirflowApi(containers)) as api:
            api.wait_for_dag(f"retrain_{model}")
            return Cycle(containers, model, api.trigger(f"retrain_{model}", ignore_threshold=True))

    yield start
    for path in added:
        path.unlink()
