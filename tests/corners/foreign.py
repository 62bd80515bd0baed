"""A stack of somebody else's: an Airflow and an MLflow server, each in its own environment, with things in them."""

import json
import os
import secrets
import shutil
import signal
import subprocess
import time
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from functools import cached_property
from pathlib import Path
from typing import Any

import httpx
import psycopg2
from psycopg2.extensions import make_dsn

from stack import ports as port_numbers
from stack import signals
from stack.airflow_api import AirflowApi
from stack.local import Running

USER, PASSWORD = "ops", "known to ops"
_PATIENCE = 240
DAG_OF_THEIRS = """
from datetime import datetime
from airflow.sdk import dag, task


@dag(schedule=None, start_date=datetime(2026, 1, 1), catchup=False, tags=["theirs"])
def nightly_load():
    @task
    def load() -> int:
        return 1

    load()


nightly_load()
"""
MODELS_OF_THEIRS = """
import sys, tempfile, pathlib
import mlflow, numpy as np
from mlflow import MlflowClient
from sklearn.linear_model import LogisticRegression

mlflow.set_tracking_uri(sys.argv[1])
client = MlflowClient()
mlflow.set_experiment("theirs")
gone = []
x, y = np.random.default_rng(0).normal(size=(200, 2)), np.arange(200) % 2


def version(name, broken=False):
    with mlflow.start_run() as run:
        fitted = LogisticRegression().fit(x, y)
        info = mlflow.sklearn.log_model(fitted, name="model", pip_requirements=["scikit-learn"])
    try:
        client.create_registered_model(name)
    except Exception:
        pass
    version = client.create_model_version(name, info.model_uri, run.info.run_id, model_id=info.model_id).version
    if broken:
        client.delete_run(run.info.run_id)
        gone.append(info.model_id)
    return version


for number in range(20):
    name = f"theirs-{number:02}"
    first = version(name, broken=number % 7 == 6)
    if number % 4 == 0:
        client.set_registered_model_alias(name, "champion", first)
    elif number % 4 == 1:
        client.transition_model_version_stage(name, first, "Production")
    elif number % 4 == 2:
        second = version(name)
        client.set_registered_model_alias(name, "champion", second)
        client.transition_model_version_stage(name, first, "Production")
print(*gone)
"""


@dataclass
class Foreign:
    """Their Airflow and their MLflow server; `start` and `stop` are `running`'s."""

    place: Path
    airflow_bin: Path
    mlflow_bin: Path
    postgres: Running
    settings: dict[str, str] = field(default_factory=dict)
    """Variables of their Airflow's processes that a person would add for Retrain."""
    _processes: dict[str, "subprocess.Popen[bytes]"] = field(default_factory=dict)

    def __post_init__(self) -> None:
        free = port_numbers.free()
        self.airflow_port, self.mlflow_port = free.airflow, free.mlflow
        for folder in ("dags", "airflow", "logs", "artifacts"):
            (self.place / folder).mkdir(exist_ok=True)
        (self.place / "dags" / "theirs.py").write_text(DAG_OF_THEIRS, encoding="utf-8")
        passwords = self.place / "airflow" / "passwords.json"
        passwords.write_text(json.dumps({USER: PASSWORD}), encoding="utf-8")
        self.secret = secrets.token_urlsafe(64)

    # ── where it is

    @property
    def airflow_url(self) -> str:
        return f"http://127.0.0.1:{self.airflow_port}"

    @property
    def mlflow_url(self) -> str:
        return f"http://127.0.0.1:{self.mlflow_port}"

    @property
    def token(self) -> str:
        body = {"username": USER, "password": PASSWORD}
        response = httpx.post(f"{self.airflow_url}/auth/token", json=body, timeout=60, trust_env=False)
        response.raise_for_status()
        return str(response.json()["access_token"])

    @cached_property
    def api(self) -> AirflowApi:
        return AirflowApi(self)

    @cached_property
    def http(self) -> httpx.Client:
        """Airflow's address, with the login of their user."""
        headers = {"Authorization": f"Bearer {self.token}"}
        return httpx.Client(base_url=self.airflow_url, headers=headers, timeout=60, trust_env=False)

    def dsn(self, database: str, user: str = "postgres") -> str:
        return make_dsn(self.postgres.dsn(database), user=user)

    def url(self, database: str, driver: str) -> str:
        return self.postgres.url(database).replace("+psycopg2:", f"+{driver}:")

    @property
    def environment(self) -> dict[str, str]:
        kept = {
            name: value
            for name, value in os.environ.items()
            if not name.startswith(("AIRFLOW", "PYTHON", "MLFLOW", "RETRAIN", "PG"))
        }
        auth = "airflow.api_fastapi.auth.managers.simple.simple_auth_manager.SimpleAuthManager"
        return {
            **kept,
            "PATH": os.pathsep.join((str(self.airflow_bin), kept.get("PATH", os.defpath))),
            "NO_PROXY": "127.0.0.1,localhost",
            "no_proxy": "127.0.0.1,localhost",
            "AIRFLOW_HOME": str(self.place / "airflow"),
            "AIRFLOW__CORE__DAGS_FOLDER": str(self.place / "dags"),
            "AIRFLOW__CORE__LOAD_EXAMPLES": "False",
            "AIRFLOW__CORE__EXECUTOR": "LocalExecutor",
            "AIRFLOW__CORE__PARALLELISM": "4",
            "AIRFLOW__CORE__FERNET_KEY": "6kN0b9v8n5p9nO4m6l7Yk0nX1nqf4bR1iS8J6e1i9qQ=",
            "AIRFLOW__CORE__EXECUTION_API_SERVER_URL": f"{self.airflow_url}/execution/",
            "AIRFLOW__CORE__AUTH_MANAGER": auth,
            "AIRFLOW__CORE__SIMPLE_AUTH_MANAGER_USERS": f"{USER}:admin",
            "AIRFLOW__CORE__SIMPLE_AUTH_MANAGER_PASSWORDS_FILE": str(self.place / "airflow" / "passwords.json"),
            "AIRFLOW__DATABASE__SQL_ALCHEMY_CONN": self.url("airflow", "psycopg2"),
            "AIRFLOW__DATABASE__SQL_ALCHEMY_CONN_ASYNC": self.url("airflow", "asyncpg"),
            "AIRFLOW__API__HOST": "127.0.0.1",
            "AIRFLOW__API__PORT": str(self.airflow_port),
            "AIRFLOW__API__BASE_URL": self.airflow_url,
            "AIRFLOW__API__WORKERS": "1",
            "AIRFLOW__API__SECRET_KEY": self.secret,
            "AIRFLOW__API_AUTH__JWT_SECRET": self.secret,
            "AIRFLOW__DAG_PROCESSOR__REFRESH_INTERVAL": "5",
            "AIRFLOW__WORKERS__EXECUTION_API_TIMEOUT": "30",
            "AIRFLOW__SCHEDULER__SCHEDULER_IDLE_SLEEP_TIME": "0.2",
            "AIRFLOW__LOGGING__WORKER_LOG_SERVER_PORT": "0",
            "AIRFLOW__LOGGING__TRIGGER_LOG_SERVER_PORT": "0",
            "AIRFLOW__USAGE_DATA_COLLECTION__ENABLED": "False",
            "MLFLOW_DISABLE_TELEMETRY": "true",
            **self.settings,
        }

    # ── what runs

    def run(self, *words: str, check: bool = True, **variables: str) -> str:
        """Run a program of their Airflow's environment; return what it prints."""
        program = [str(self.airflow_bin / words[0]), *words[1:]]
        env = {**self.environment, **variables}
        done = subprocess.run(program, cwd=self.place, env=env, capture_output=True, text=True, check=False)
        assert not check or done.returncode == 0, f"{words}: {done.stdout[-3000:]}\n{done.stderr[-3000:]}"
        return done.stdout

    def fill_mlflow(self) -> None:
        """Register their twenty models; of some, the run is deleted and the files are gone."""
        program = [str(self.mlflow_bin / "python"), "-W", "ignore", "-c", MODELS_OF_THEIRS, self.mlflow_url]
        done = subprocess.run(program, env=self._of_mlflow(), capture_output=True, text=True, check=False)
        assert done.returncode == 0, done.stderr[-3000:]
        for model in done.stdout.split("\n")[-2].split():
            (folder,) = (self.place / "artifacts").glob(f"**/{model}")
            shutil.rmtree(folder)

    def start_mlflow(self) -> None:
        words = [
            *("server", "--workers", "1", "--host", "127.0.0.1", "--port", str(self.mlflow_port)),
            *("--backend-store-uri", self.url("mlflow", "psycopg2")),
            *("--serve-artifacts", "--artifacts-destination", str(self.place / "artifacts")),
        ]
        self._begin("mlflow", [str(self.mlflow_bin / "mlflow"), *words], self._of_mlflow())
        self._wait("mlflow", lambda: httpx.get(f"{self.mlflow_url}/health", trust_env=False).is_success)

    def start_airflow(self) -> None:
        self.run("airflow", "db", "migrate")
        for name in ("api-server", "scheduler", "dag-processor", "triggerer"):
            self._begin(name, [str(self.airflow_bin / "airflow"), name], self.environment)
        self._wait("api-server", lambda: httpx.get(f"{self.airflow_url}/api/v2/version", trust_env=False).is_success)

    def stop_airflow(self) -> None:
        self._log_out()
        self._end([name for name in self._processes if name != "mlflow"])

    def stop(self) -> None:
        self._log_out()
        self._end(list(self._processes))

    def _log_out(self) -> None:
        for name in ("api", "http"):
            if opened := self.__dict__.pop(name, None):
                opened.close()

    def log(self, name: str) -> str:
        return (self.place / "logs" / f"{name}.log").read_text(encoding="utf-8", errors="replace")

    def _of_mlflow(self) -> Mapping[str, str]:
        kept = {name: value for name, value in self.environment.items() if not name.startswith("AIRFLOW")}
        path = os.pathsep.join((str(self.mlflow_bin), kept["PATH"]))
        return {
            **kept,
            "PATH": path,
            "MLFLOW_SERVER_ENABLE_JOB_EXECUTION": "false",
            "MLFLOW_HTTP_REQUEST_MAX_RETRIES": "2",
        }

    def _begin(self, name: str, command: Sequence[str], env: Mapping[str, str]) -> None:
        with (self.place / "logs" / f"{name}.log").open("ab") as log:
            self._processes[name] = subprocess.Popen(
                command, cwd=self.place, env=dict(env), stdout=log, stderr=subprocess.STDOUT, start_new_session=True
            )

    def _wait(self, name: str, answers: Any) -> None:
        until = time.monotonic() + _PATIENCE
        while time.monotonic() < until:
            assert self._processes[name].poll() is None, self.log(name)[-4000:]
            with suppress(httpx.HTTPError):
                if answers():
                    return
            time.sleep(0.3)
        raise TimeoutError(f"{name}: {self.log(name)[-4000:]}")

    def _end(self, names: Sequence[str]) -> None:
        """End their process groups: politely, and after some seconds whatever is left."""
        for which, patience in ((signal.SIGTERM, 10.0), (signal.SIGKILL, 10.0)):
            for name in names:
                with suppress(ProcessLookupError):
                    os.killpg(self._processes[name].pid, which)
            until = time.monotonic() + patience
            while time.monotonic() < until and any(self._processes[name].poll() is None for name in names):
                time.sleep(0.1)
        for name in names:
            self._processes.pop(name).wait()

    # ── what is there, to be compared

    def everything(self) -> dict[str, Any]:
        """Return what is there of theirs: in Airflow, in MLflow, and in their tables."""
        pages = {
            name: self.http.get(f"/api/v2/{name}?limit=1000").json() for name in ("pools", "variables", "connections")
        }
        return {
            "pools": [(each["name"], each["slots"], each["description"]) for each in pages["pools"]["pools"]],
            "variables": [(each["key"], each["value"]) for each in pages["variables"]["variables"]],
            "connections": [
                (each["connection_id"], each["conn_type"], each["host"]) for each in pages["connections"]["connections"]
            ],
            "dag": [
                self.http.get("/api/v2/dags/nightly_load").json()[name]
                for name in ("is_paused", "tags", "file_token")[:1]
            ],
            "models": self._models(),
            "tables": self._tables(),
        }

    def _models(self) -> list[Any]:
        client = httpx.Client(base_url=f"{self.mlflow_url}/api/2.0/mlflow", timeout=60, trust_env=False)
        with client:
            found = client.get("/registered-models/search", params={"max_results": 200}).json()["registered_models"]
            versions = client.get("/model-versions/search", params={"max_results": 200}).json()["model_versions"]
            experiment = client.get("/experiments/get-by-name", params={"experiment_name": "theirs"}).json()
            runs = client.post(
                "/runs/search", json={"experiment_ids": [experiment["experiment"]["experiment_id"]], "max_results": 200}
            ).json()["runs"]
        return [
            sorted(_plain(each) for each in found if each["name"].startswith("theirs")),
            sorted(_plain(each) for each in versions if each["name"].startswith("theirs")),
            sorted(_plain(each["info"]) for each in runs),
        ]

    def _tables(self) -> list[Any]:
        with psycopg2.connect(self.dsn("source")) as session, session.cursor() as cursor:
            cursor.execute("SELECT schemaname, tablename FROM pg_tables WHERE schemaname = 'public' ORDER BY 2")
            tables = cursor.fetchall()
            cursor.execute("SELECT md5(string_agg(t::text, '|' ORDER BY id)) FROM public.letters t WHERE id <= 1000")
            return [*tables, cursor.fetchone()]


def _plain(thing: Mapping[str, Any]) -> str:
    return json.dumps(thing, sort_keys=True)


@contextmanager
def running(place: Path, airflow_bin: Path, mlflow_bin: Path, postgres: Running) -> Iterator[Foreign]:
    """Their stack as long as the block: the MLflow server runs, Airflow is for the caller to start."""
    foreign = Foreign(place, airflow_bin, mlflow_bin, postgres)
    with signals.as_interrupts():
        try:
            foreign.start_mlflow()
            yield foreign
        finally:
            foreign.stop()
