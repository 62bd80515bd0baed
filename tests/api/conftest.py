"""The API by itself, over real HTTP, with a real MLflow server and a real PostgreSQL behind it."""

import threading
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any
from uuid import uuid4

import httpx
import pytest
import uvicorn
from fastapi import FastAPI, Request

from retrain.errors import NotFoundError
from retrain.ledger.ledger import Ledger
from retrain.snapshots.store import SnapshotStore
from retrain.spec import files as spec_files
from retrain.spec.files import SpecFolder
from retrain.tracker.client import ExperimentTracker
from retrain_airflow.api.access import NotAllowedError, Permission
from retrain_airflow.api.app import DEADLINE, PREFIX, create_app
from retrain_airflow.api.backend import Backend, DagRun, Schedule
from stack import ports
from stack.local import Running
from tests.core.conftest import _drawn, _moulds, cast, no_report, one_fresh_process, one_picture  # noqa: F401 - fixtures

EVERYTHING = frozenset(Permission)


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Refuse equal ids: Schemathesis's own collector gives the tests of all routes one id, with pytest 9.2."""
    if len({item.nodeid for item in items}) < len(items):
        raise pytest.UsageError("some tests have one id: xdist would run one of them, and say that all is well")


@dataclass(frozen=True)
class Person:
    """The token names the permissions: `kim:read,log`; with `kim@toy:…`, they hold for the model of that DAG only."""

    name: str
    permissions: frozenset[Permission]
    dag: str = ""

    def may(self, permission: Permission, dag_id: str | None = None) -> bool:
        return permission in self.permissions and (not self.dag or dag_id in (None, *self.dag.split("+")))


async def identify(_: Request, token: str | None) -> Person:
    who, separator, permissions = (token or "").partition(":")
    if not separator:
        raise NotAllowedError(401, "Not authenticated")
    name, _, dag = who.partition("@")
    return Person(name, frozenset(Permission(each) for each in permissions.split(",") if each) or EVERYTHING, dag)


class NoScheduler:
    """Stands for Airflow, which is not around the API here."""

    async def schedule(self, request: Request, dag_id: str) -> Schedule | None:
        return None

    async def running(self, request: Request, dag_id: str) -> list[DagRun]:
        return []

    async def answer(self, request: Request, dag_id: str, run_id: str, *, approve: bool) -> None:
        raise NotFoundError(f"run {run_id} of {dag_id} does not wait for an approval")

    async def start(self, request: Request, dag_id: str, run_id: str | None, conf: Mapping[str, Any]) -> str:
        return run_id or f"{dag_id}-{uuid4().hex}"


@contextmanager
def serving(app: FastAPI) -> Iterator[str]:
    """Serve the application while the block runs; yield its address."""
    port = ports.free().airflow
    server = uvicorn.Server(uvicorn.Config(app, port=port, log_level="warning", timeout_graceful_shutdown=1))
    thread = threading.Thread(target=server.run, daemon=True)
    thread.start()
    try:
        for _ in range(200):
            if server.started:
                break
            threading.Event().wait(0.05)
        assert server.started
        yield f"http://127.0.0.1:{port}"
    finally:
        server.should_exit = True
        thread.join(10)
        assert not thread.is_alive()


def mounted(backend: Backend) -> FastAPI:
    """Return the API mounted as Airflow does it: below its own paths."""
    around = FastAPI()
    around.mount(PREFIX, create_app(backend, identify))
    return around


@pytest.fixture(scope="session")
def backend(mlflow_server: Running, tmp_path_factory: pytest.TempPathFactory) -> Backend:
    import psycopg2

    folder = tmp_path_factory.mktemp("api")
    tracker = ExperimentTracker(mlflow_server.mlflow_url, deadline=DEADLINE)
    ledger = Ledger(lambda: psycopg2.connect(mlflow_server.dsn("retrain")))
    return Backend(
        tracker_at=lambda _: tracker,
        ledger_at=lambda _: ledger,
        snapshots=lambda _: SnapshotStore((folder / "snapshots").as_uri()),
        source=_no_source,
        specs=lambda: SpecFolder((), ()),
        scheduler=NoScheduler(),
    )


def _no_source(file: spec_files.SpecFile) -> Any:
    raise AssertionError(f"no test here reads the source of {file.path}")


@pytest.fixture(scope="session")
def address(backend: Backend) -> Iterator[str]:
    with serving(mounted(backend)) as address:
        yield address + PREFIX


As = Callable[..., httpx.Client]


@pytest.fixture
def as_person(address: str) -> Iterator[As]:
    """Return a client that is logged in; by default with every permission."""
    opened = []

    def open_(name: str = "kim", *permissions: Permission, address: str = address) -> httpx.Client:
        token = f"{name}:{','.join(permissions)}"
        client = httpx.Client(
            base_url=address, headers={"Authorization": f"Bearer {token}"}, timeout=30, trust_env=False
        )
        opened.append(client)
        return client

    yield open_
    for each in opened:
        each.close()


@pytest.fixture
def api(as_person: As) -> httpx.Client:
    return as_person()


@pytest.fixture
def name() -> str:
    return f"자소서 {uuid4().hex}"


@pytest.fixture
def experiment(api: httpx.Client, name: str) -> str:
    return str(api.post("/create", json={"name": name}).json()["id"])


@pytest.fixture
def run(api: httpx.Client, experiment: str) -> str:
    return str(api.post("/runs/start", json={"experiment_id": experiment, "run_name": "실행"}).json()["id"])


@pytest.fixture
def tracker(backend: Backend) -> ExperimentTracker:
    return backend.tracker()
