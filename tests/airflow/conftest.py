"""An Airflow for these tests alone, and a model with all that its tasks need: spec file, tables, connections."""

import atexit
import json
import os
import socket
import subprocess
import sys
import threading
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any
from uuid import uuid4

import pytest
import yaml
from psycopg2.extensions import parse_dsn

from retrain.ledger.ledger import Ledger
from retrain.records import Announcement
from retrain.tracker import certificates
from retrain.tracker.client import ExperimentTracker
from retrain.tracker.logins import _Logins
from stack.local import Running
from tests.airflow.listener import Listener
from tests.conftest import Database, short_lived
from tests.core import toys
from tests.core.conftest import here, one_fresh_process  # noqa: F401 - fixtures
from tests.inbox import Inbox
from tests.mailbox import waiting

if TYPE_CHECKING:
    from retrain_airflow.hooks.tracker import TrackerHook

PROJECT = Path(__file__).resolve().parents[2]
DAG_FILE = PROJECT / "dags" / "retrain_dags.py"
SHIPPED = ["retrain_breast_cancer", "retrain_cover_letters", "retrain_reviews"]
"""Ids of the DAGs of the specs that come with Retrain."""
CYCLE_TASKS = ["check", "evaluate", "hold", "notify", "prepare", "promote", "sense", "snapshot", "train"]

# Airflow reads these when it is first imported, and no test elsewhere does: a stack's environment is cleaned of them.
_folders = ExitStack()
_HOME = _folders.enter_context(short_lived("retrain-airflow-"))
atexit.register(_folders.close)
(_HOME / "dags").mkdir()
for _name in [name for name in os.environ if name.startswith(("AIRFLOW__", "AIRFLOW_CONFIG"))]:
    del os.environ[_name]
os.environ |= {
    "AIRFLOW_HOME": str(_HOME),
    "AIRFLOW__CORE__UNIT_TEST_MODE": "True",
    "AIRFLOW__CORE__LOAD_EXAMPLES": "False",
    # Empty: `dag.test()` reads the whole folder each time.
    "AIRFLOW__CORE__DAGS_FOLDER": str(_HOME / "dags"),
}

Connect = Callable[..., "TrackerHook"]

# The variables that the tracker, and MLflow itself, read from the environment of their process.
MLFLOW_VARIABLES = (
    "MLFLOW_HTTP_REQUEST_MAX_RETRIES",
    "MLFLOW_HTTP_REQUEST_TIMEOUT",
    "MLFLOW_HTTP_POOL_MAXSIZE",
    "MLFLOW_SUPPRESS_PRINTING_URL_TO_STDOUT",
    "MLFLOW_TRACKING_SERVER_CERT_PATH",
    "MLFLOW_TRACKING_USERNAME",
    "MLFLOW_TRACKING_PASSWORD",
    "MLFLOW_TRACKING_TOKEN",
    "MLFLOW_TRACKING_AUTH",
)


@dataclass
class Model:
    """A spec file, with its rows and its ledger."""

    path: Path
    name: str
    database: Database
    ledger: Ledger
    _rows: int = 0

    @property
    def spec(self) -> str:
        return str(self.path)

    def feed(self, rows: int) -> None:
        """Let `rows` more labelled rows arrive."""
        with self.database.connect() as session:
            toys.insert(session, "rows", rows, first=self._rows)
        self._rows += rows

    def waiting(self) -> list[Announcement]:
        """Deliver what waits in the outbox, and return it."""
        return waiting(self.ledger, self.name)


@dataclass
class Ti:
    """The part of a task instance that our code and Airflow's branching use."""

    task: Any = None
    dag_id: str = "retrain_toy"
    run_id: str = "run 1"
    task_id: str = "train"
    map_index: int = -1
    try_number: int = 1
    log_url: str = "http://airflow.example.org/log"
    pushed: dict[str, Any] = field(default_factory=dict)

    def xcom_push(self, key: str, value: Any) -> None:
        self.pushed[key] = value


@pytest.fixture
def model(database: Database, ledger: Ledger, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Callable[..., Model]:
    """Makes the model of a test, in the folder of specs; its arguments replace fields of the spec."""
    from retrain_airflow.triggers import turns  # not above: see `connect`

    turns.connecting.cache_clear()  # what it keeps is connected to the database of another test
    specs = tmp_path / "specs"
    specs.mkdir()
    monkeypatch.setenv("RETRAIN_SPECS", str(specs))
    monkeypatch.setenv("RETRAIN_SNAPSHOTS_URI", (tmp_path / "snapshots").as_uri())
    for name in ("POSTGRES_DEFAULT", "RETRAIN_STATE"):
        monkeypatch.setenv(f"AIRFLOW_CONN_{name}", connection_to(database))

    def make(**fields: Any) -> Model:
        data = toy_spec(**fields)
        path = specs / "toy.yaml"
        path.write_text(yaml.safe_dump(data), encoding="utf-8")
        with database.connect() as session:
            toys.create(session, "rows")
        return Model(path, data["model"], database, ledger)

    return make


@pytest.fixture
def tracker(mlflow_server: Running, monkeypatch: pytest.MonkeyPatch) -> ExperimentTracker:
    """The tracker of the MLflow server to which the default connection leads."""
    where = {"conn_type": "http", "host": "127.0.0.1", "port": mlflow_server.ports.mlflow}
    monkeypatch.setenv("AIRFLOW_CONN_MLFLOW_DEFAULT", json.dumps(where))
    return ExperimentTracker(mlflow_server.mlflow_url)


@pytest.fixture(scope="session")
def _hook() -> Iterator[Inbox]:
    with Inbox() as inbox:
        yield inbox


@pytest.fixture
def channel(_hook: Inbox, monkeypatch: pytest.MonkeyPatch) -> Inbox:
    """The team's web hook, empty and up, to which connection `team` leads."""
    _hook.posts.clear()
    _hook.status = 200
    monkeypatch.setenv("AIRFLOW_CONN_TEAM", json.dumps({"conn_type": "http", "host": _hook.url}))
    monkeypatch.setenv("NO_PROXY", "127.0.0.1")
    return _hook


@pytest.fixture
def first_tracker(monkeypatch: pytest.MonkeyPatch) -> None:
    """Makes the next tracker the first of its process, which settles how the process speaks to MLflow; leaves none."""
    for name in MLFLOW_VARIABLES:
        monkeypatch.setenv(name, "")
        monkeypatch.delenv(name)
    monkeypatch.setattr(_Logins, "headers", {})
    monkeypatch.setattr(certificates, "_bundles", [])


@pytest.fixture
def listeners() -> Iterator[tuple[Listener, Listener]]:
    two = Listener(), Listener()
    for each in two:
        threading.Thread(target=each.http.serve_forever, args=(0.05,), daemon=True).start()
    yield two
    for each in two:
        each.http.shutdown()
        each.http.server_close()


@pytest.fixture
def listener(listeners: tuple[Listener, Listener]) -> Listener:
    return listeners[0]


@pytest.fixture
def connect(monkeypatch: pytest.MonkeyPatch) -> Connect:
    """Makes a connection, by default to host 127.0.0.1, and its hook."""

    def hook(name: str = "mlflow_default", **fields: Any) -> "TrackerHook":
        # Not above: Airflow reads its environment when it is first imported.
        from retrain_airflow.hooks.tracker import TrackerHook

        where = {"conn_type": "mlflow", "host": "127.0.0.1", **fields}
        monkeypatch.setenv(f"AIRFLOW_CONN_{name.upper()}", json.dumps(where))
        return TrackerHook(name)

    return hook


@pytest.fixture
def closed_port() -> Iterator[int]:
    """A port that is occupied, and at which nobody answers."""
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        yield taken.getsockname()[1]


def toy_spec(**fields: Any) -> dict[str, Any]:
    return {
        "model": f"toy-{uuid4().hex[:8]}",
        "source": {"table": "rows", "key": "id", "label": "label", "label_time": "labelled_at", "features": ["a", "b"]},
        "threshold": {"rows": 500},
        "candidates": [
            {"name": "half", "estimator": "tests.core.toys:logistic", "params": {"columns": ["a"]}},
            {"name": "whole", "estimator": "tests.core.toys:logistic", "params": {"columns": ["a", "b"]}},
        ],
        "gate": {"metric": "accuracy", "floor": 0.7, "round_rows": 100},
        **fields,
    }


def connection_to(database: Database) -> str:
    """Return a connection of Airflow's as the value of an environment variable."""
    dsn = parse_dsn(database.dsn)
    return json.dumps({"conn_type": "postgres", "host": dsn["host"], "login": dsn["user"], "schema": dsn["dbname"]})


def python(code: str, *arguments: str, **variables: str) -> str:
    """Run this code with these arguments in a new Python, and return what it prints."""
    paths = os.pathsep.join(str(PROJECT / folder) for folder in ("include", "plugins"))
    done = subprocess.run(
        [sys.executable, "-c", code, *arguments],
        env={**os.environ, "PYTHONPATH": paths, **variables},
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    return done.stdout
