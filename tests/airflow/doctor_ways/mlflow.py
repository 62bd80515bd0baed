"""MLflow: its connection, the rights of the login, its store of files, its clock."""

from functools import partial
from http.server import BaseHTTPRequestHandler
from uuid import uuid4

import httpx

from retrain.preflight.probe import State
from retrain.tracker.client import ExperimentTracker
from tests.airflow.doctor_ways.way import Stack, Steps, way
from tests.inbox import Inbox
from tests.mlflow_servers import ADMIN
from tests.tap import Tap

_connection = partial(way, "Connections", part="MLflow")
_mlflow = partial(way, "MLflow", part="MLflow")
_AND_SO_ON = "correct connection mlflow_default (host, port, login, password), or start MLflow's server there"


def _back(stack: Stack) -> None:
    stack.connection("mlflow_default", host="127.0.0.1", port=stack.fixture("mlflow_server").ports.mlflow)


@_connection(
    "none leads to MLflow",
    "connection mlflow_default: there is none",
    "make it in Airflow, or set AIRFLOW_CONN_MLFLOW_DEFAULT",
)
def no_connection(stack: Stack) -> Steps:
    before = stack.variable("mlflow_default")
    stack.patch.delenv("AIRFLOW_CONN_MLFLOW_DEFAULT")
    yield
    stack.patch.setenv("AIRFLOW_CONN_MLFLOW_DEFAULT", before)


@_connection("that of MLflow leads to no server", "experiment 0: …", _AND_SO_ON)
def no_server(stack: Stack) -> Steps:
    stack.connection("mlflow_default", port=stack.fixture("closed_port"))
    yield
    _back(stack)


@_connection("that of MLflow leads to something else", "experiment 0: …", _AND_SO_ON)
def something_else(stack: Stack) -> Steps:
    with Inbox() as inbox:
        stack.connection("mlflow_default", port=int(inbox.url.rpartition(":")[2]))
        yield
    _back(stack)


@_connection(
    "that of MLflow has a login in its host",
    "connection mlflow_default: has a login in its host",
    "move it to login and password",
)
def login_in_host(stack: Stack) -> Steps:
    stack.connection("mlflow_default", host="http://kim:secret@127.0.0.1")
    yield
    stack.connection("mlflow_default", host="127.0.0.1", login="kim", password="secret")


@_connection("that of MLflow has a wrong password", "experiment 0: …401…", _AND_SO_ON)
def wrong_password(stack: Stack) -> Steps:
    address = stack.fixture("with_users")
    stack.connection("mlflow_default", port=int(address.rpartition(":")[2]), login=ADMIN[0], password="wrong")
    yield
    stack.connection("mlflow_default", password=ADMIN[1])


@_mlflow(
    "the login may not change a spec's model",
    "its login cannot change the registered model 'MODEL': …403…",
    "let its owner, or an administrator of MLflow, permit it to this login",
)
def no_right(stack: Stack) -> Steps:
    address, name = stack.fixture("with_users"), stack.toy.name
    admin = ExperimentTracker(address, username=ADMIN[0], password=ADMIN[1])
    with admin._translated_errors(name):
        admin._client.create_registered_model(name)
    user = f"lee{uuid4().hex[:6]}"
    _ask(address, "POST", "users/create", username=user, password=ADMIN[1])
    stack.connection("mlflow_default", port=int(address.rpartition(":")[2]), login=user, password=ADMIN[1])
    yield
    _ask(address, "PATCH", "users/update-admin", username=user, is_admin=True)


def _ask(address: str, method: str, path: str, **body: object) -> None:
    done = httpx.request(method, f"{address}/api/2.0/mlflow/{path}", json=body, auth=ADMIN, timeout=60, trust_env=False)
    assert done.status_code == 200, done.text


@_mlflow(
    "MLflow's store takes no files",
    "its login cannot upload a file of a run and read it back: …",
    "let this login, or this machine where it reaches the store itself, read and write MLflow's artifacts",
)
def no_store(stack: Stack) -> Steps:
    with Tap() as tap:
        tap.upstream = stack.fixture("mlflow_server").ports.mlflow
        stack.connection("mlflow_default", port=tap.port)
        with tap.refusing("/mlflow-artifacts/"):
            yield
    _back(stack)


class _Behind(Tap):
    """A server whose clock is ten minutes behind."""

    def changed(self, request: BaseHTTPRequestHandler, content: bytes) -> bytes:
        request.date_time_string = lambda *_: "Sun, 01 Nov 2020 08:00:00 GMT"  # type: ignore[method-assign]
        return content


@way(
    "Clocks",
    "that of MLflow is behind",
    "its clock and that of this machine are … s apart",
    "let both follow a time server: …",
    part="MLflow",
    state=State.WARN,
)
def clock(stack: Stack) -> Steps:
    with _Behind() as tap:
        tap.upstream = stack.fixture("mlflow_server").ports.mlflow
        stack.connection("mlflow_default", port=tap.port)
        yield
    _back(stack)
