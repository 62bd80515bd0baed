"""The hooks: from Airflow's connections and a spec file to what the verbs of the core take."""

import base64
import json
import logging
import os
import socket
import threading
import time
import traceback
from collections.abc import Callable, Iterator
from contextlib import closing
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from types import SimpleNamespace
from typing import Any
from uuid import uuid4

import pytest
from airflow.sdk import Connection
from mlflow import MlflowClient

from retrain.errors import LedgerError, NoAnswerError, SettingsError, SpecError, TrackerError
from retrain.tracker.client import ExperimentTracker
from retrain.tracker.transport import DEADLINE, _Logins
from retrain_airflow.hooks.connections import url
from retrain_airflow.hooks.retrain import RetrainHook
from retrain_airflow.hooks.tracker import TrackerHook
from stack.local import Running
from tests.airflow.conftest import Model
from tests.core.source.tables import read

Make = Callable[..., Model]

# What the tracker, and MLflow itself, take from the environment of their process.
ENVIRONMENT = (
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


@pytest.fixture(autouse=True)
def _process_of_its_own(monkeypatch: pytest.MonkeyPatch) -> None:
    """How a process speaks to MLflow is settled by its first tracker: each test here is the first, and leaves none."""
    for name in ENVIRONMENT:
        monkeypatch.setenv(name, "")
        monkeypatch.delenv(name)
    monkeypatch.setattr(_Logins, "headers", {})


ANSWERS = {
    "/experiments/get?": {"experiment": {"experiment_id": "0", "name": "Default", "lifecycle_stage": "active"}},
    "/registered-models/alias?": {"model_version": {"name": "toy", "version": "7"}},
}


class Listener:
    """A server that answers what the tests here ask of MLflow, and keeps the path and headers of each request."""

    def __init__(self) -> None:
        self.refuses = False
        self.requests: list[tuple[str, dict[str, str]]] = []
        listener = self

        class Handler(BaseHTTPRequestHandler):
            def do_GET(self) -> None:
                listener.requests.append((self.path, dict(self.headers)))
                (answer,) = [answer for part, answer in ANSWERS.items() if part in self.path]
                # What MLflow's own login says is no JSON.
                content = b"You are not authenticated." if listener.refuses else json.dumps(answer).encode()
                self.send_response(401 if listener.refuses else 200)
                self.send_header("Content-Length", str(len(content)))
                self.end_headers()
                self.wfile.write(content)

            def log_message(self, *_: object) -> None:
                pass

        self.http = ThreadingHTTPServer(("127.0.0.1", 0), Handler)

    @property
    def port(self) -> int:
        return self.http.server_port

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.port}"

    @property
    def logins(self) -> list[str | None]:
        return [headers.get("Authorization") for _, headers in self.requests]


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
def connect(monkeypatch: pytest.MonkeyPatch) -> Callable[..., TrackerHook]:
    """Makes a connection, by default to host 127.0.0.1, and the hook of it."""

    def hook(name: str = "mlflow_default", **fields: Any) -> TrackerHook:
        where = {"conn_type": "mlflow", "host": "127.0.0.1", **fields}
        monkeypatch.setenv(f"AIRFLOW_CONN_{name.upper()}", json.dumps(where))
        return TrackerHook(name)

    return hook


Connect = Callable[..., TrackerHook]


# ── addresses


@pytest.mark.parametrize(
    ("fields", "address"),
    [
        ({"host": "127.0.0.1", "port": 5000}, "http://127.0.0.1:5000"),
        ({"host": "http://127.0.0.1", "port": 5000}, "http://127.0.0.1:5000"),
        ({"host": "https://mlflow.example.org", "port": 8443}, "https://mlflow.example.org:8443"),
        ({"host": "mlflow.example.org"}, "http://mlflow.example.org"),
        ({"host": "mlflow.example.org", "schema": "https"}, "https://mlflow.example.org"),
        ({"host": "mlflow.example.org", "schema": "https", "port": 8443}, "https://mlflow.example.org:8443"),
        ({"host": "https://mlflow.example.org", "schema": "http"}, "https://mlflow.example.org"),
        ({"host": "https://hooks.example.org/services/T0/B0"}, "https://hooks.example.org/services/T0/B0"),
        ({"host": "https://hooks.example.org/T0", "port": 8443}, "https://hooks.example.org:8443/T0"),
    ],
)
def test_an_address_follows_from_a_connection(fields: dict[str, Any], address: str) -> None:
    assert url(Connection(conn_id="any", conn_type="http", **fields)) == address


@pytest.mark.parametrize(
    ("variable", "address"),
    [
        ("http://mlflow.example.org:5000", "http://mlflow.example.org:5000"),
        ("http://mlflow.example.org/https", "https://mlflow.example.org"),
        ("https://mlflow.example.org:8443", "https://mlflow.example.org:8443"),
    ],
)
def test_an_address_in_a_variable_is_the_address(monkeypatch: pytest.MonkeyPatch, variable: str, address: str) -> None:
    monkeypatch.setenv("AIRFLOW_CONN_ANY", variable)
    assert url(TrackerHook.get_connection("any")) == address


# ── MLflow


def version_of(server: Running, model: str) -> str:
    client = MlflowClient(server.mlflow_url)
    if not client.search_registered_models(f"name = '{model}'"):
        client.create_registered_model(model)
    return str(client.create_model_version(model, "s3://nowhere/model", await_creation_for=0).version)


def aliases_of(server: Running, model: str) -> dict[str, str]:
    return dict(MlflowClient(server.mlflow_url).get_registered_model(model).aliases)


def basic(user: str, password: str) -> str:
    return f"Basic {base64.b64encode(f'{user}:{password}'.encode()).decode()}"


def test_a_connection_makes_a_tracker(tracker: ExperimentTracker) -> None:
    hook, name = TrackerHook(), f"hooks-{uuid4().hex}"
    assert hook.get_conn() is hook.tracker
    assert hook.tracker.create_experiment(name) == tracker.create_experiment(name)


@pytest.mark.parametrize("type_", ["mlflow", "http"])
def test_host_and_port_of_either_type_lead_to_the_server(connect: Connect, listener: Listener, type_: str) -> None:
    connect(conn_type=type_, port=listener.port).tracker.check()
    assert [path for path, _ in listener.requests] == ["/api/2.0/mlflow/experiments/get?experiment_id=0"]
    assert listener.logins == [None]


@pytest.mark.parametrize("scheme", ["mlflow", "http"])
def test_a_variable_may_hold_an_address_with_its_login(
    listener: Listener, monkeypatch: pytest.MonkeyPatch, scheme: str
) -> None:
    monkeypatch.setenv("AIRFLOW_CONN_OURS", f"{scheme}://me:correct-horse@127.0.0.1:{listener.port}")
    TrackerHook("ours").tracker.check()
    assert listener.logins == [basic("me", "correct-horse")]


def test_production_and_staging_are_under_the_aliases_that_the_connection_names(
    mlflow_server: Running, connect: Connect
) -> None:
    server = mlflow_server.mlflow_url
    ours = connect("ours", host=server, extra={"production_alias": "champion", "staging_alias": "challenger"}).tracker
    default = connect(host=server).tracker
    model = f"hooks-{uuid4().hex}"
    first, second = (version_of(mlflow_server, model) for _ in range(2))
    ours.set_production(model, first)
    ours.transition_model_stage(model, second, "Staging")
    assert aliases_of(mlflow_server, model) == {"champion": first, "challenger": second}
    assert (ours.production(model), default.production(model)) == (first, None)
    default.set_production(model, second)
    default.transition_model_stage(model, first, "Staging")
    assert aliases_of(mlflow_server, model) == {
        "champion": first,
        "challenger": second,
        "production": second,
        "staging": first,
    }


def test_a_registry_elsewhere_is_asked_for_versions_only(
    connect: Connect, listeners: tuple[Listener, Listener]
) -> None:
    tracking, registry = listeners
    tracker = connect(port=tracking.port, extra={"registry_uri": registry.url}).tracker
    tracker.check()
    assert tracker.production("toy") == "7"
    assert [path.split("?")[0] for path, _ in tracking.requests] == ["/api/2.0/mlflow/experiments/get"]
    assert [path.split("?")[0] for path, _ in registry.requests] == ["/api/2.0/mlflow/registered-models/alias"]


@pytest.mark.parametrize(
    ("extra", "seconds"), [({}, str(DEADLINE)), ({"deadline": 7}, "7"), ({"deadline": "2.5"}, "3")]
)
def test_the_deadline_is_that_of_the_extra(
    connect: Connect, listener: Listener, extra: dict[str, Any], seconds: str
) -> None:
    connect(port=listener.port, extra=extra).tracker.check()
    assert os.environ["MLFLOW_HTTP_REQUEST_TIMEOUT"] == seconds


def test_a_server_that_never_answers_is_given_up_after_the_deadline_of_the_extra(connect: Connect) -> None:
    with socket.socket() as silent:
        silent.bind(("127.0.0.1", 0))
        silent.listen()
        begun = time.monotonic()
        with pytest.raises(NoAnswerError):
            connect(port=silent.getsockname()[1], extra={"deadline": 1}).tracker.check()
        assert time.monotonic() - begun < DEADLINE / 2


def test_a_connection_without_a_host_is_refused(connect: Connect) -> None:
    with pytest.raises(SettingsError, match="connection ours: has no host; write the server's address into it"):
        connect("ours", host="").get_conn()


def test_a_login_in_the_host_is_refused_and_not_told(connect: Connect) -> None:
    with pytest.raises(SettingsError, match="has a login in its host; move it to login and password") as refused:
        connect("ours", host="http://me:hunter2@127.0.0.1").get_conn()
    assert "hunter2" not in str(refused.value)


@pytest.mark.parametrize("extra", [["token"], {"ca_bundle": 7}])
def test_an_extra_that_is_not_what_the_form_gives_is_refused(connect: Connect, extra: Any) -> None:
    with pytest.raises(SettingsError, match="connection ours: extra"):
        connect("ours", extra=extra).get_conn()


@pytest.mark.parametrize("deadline", ["soon", -1, 0, True, "nan", "inf", [60]])
def test_a_deadline_that_is_no_number_of_seconds_is_refused(connect: Connect, deadline: Any) -> None:
    with pytest.raises(SettingsError, match=r"connection ours: deadline = .* is no number of seconds; set it to"):
        connect("ours", extra={"deadline": deadline}).get_conn()


def test_a_ca_bundle_that_is_not_there_is_refused(connect: Connect, tmp_path: Path) -> None:
    with pytest.raises(TrackerError, match=r"there is no CA bundle .*gone\.pem; name a file"):
        connect(extra={"ca_bundle": str(tmp_path / "gone.pem")}).get_conn()


def test_the_ca_bundle_of_the_extra_is_what_the_server_is_checked_against(connect: Connect, tmp_path: Path) -> None:
    bundle = tmp_path / "ours.pem"
    bundle.write_text("", encoding="utf-8")
    connect(extra={"ca_bundle": str(bundle)}).get_conn()
    assert os.environ["MLFLOW_TRACKING_SERVER_CERT_PATH"] == str(bundle)


def test_the_button_test_says_that_mlflow_answers(connect: Connect, listener: Listener) -> None:
    assert connect(port=listener.port).test_connection() == (True, "MLflow answers")


def test_the_button_test_says_which_connection_leads_nowhere(connect: Connect, closed_port: int) -> None:
    answers, message = connect("ours", port=closed_port).test_connection()
    assert not answers
    assert f"(connection ours, http://127.0.0.1:{closed_port}" in message


def test_the_button_test_says_where_the_login_was_refused(connect: Connect, listener: Listener) -> None:
    listener.refuses = True
    answers, message = connect("ours", port=listener.port, login="me", password="correct-horse").test_connection()
    assert not answers
    assert f"(connection ours, {listener.url})" in message
    assert "401" in message
    assert "correct-horse" not in message


def test_the_button_test_says_what_is_wrong_with_the_connection_itself(connect: Connect) -> None:
    answers, message = connect("ours", extra={"deadline": "soon"}).test_connection()
    assert not answers
    assert "connection ours: deadline = 'soon'" in message


# ── what a run of the DAG stands on


def test_a_cycle_is_the_run_of_its_context(model: Make, tracker: ExperimentTracker) -> None:
    toy = model()
    toy.feed(3)
    cycle = RetrainHook(toy.spec).cycle(
        {"dag": SimpleNamespace(dag_id="retrain_toy"), "run_id": "run 7"}, note="autumn"
    )
    assert (cycle.dag_id, cycle.run_id, cycle.note) == ("retrain_toy", "run 7", "autumn")
    assert cycle.spec.model == toy.name
    assert cycle.ledger.last_consumed(toy.name) is None
    assert read(RetrainHook(toy.spec).source).num_rows == 3


def test_a_run_without_a_note_has_an_empty_one(model: Make, tracker: ExperimentTracker) -> None:
    assert RetrainHook(model().spec).cycle({"dag": SimpleNamespace(dag_id="retrain_toy"), "run_id": "run 7"}).note == ""


def test_a_query_beside_the_spec_is_what_is_read(model: Make) -> None:
    toy = model(source={"query": "odd.sql", "key": "id", "label": "label", "features": ["a"]})
    (toy.path.parent / "odd.sql").write_text("SELECT * FROM rows WHERE id % 2 = 1;\n")
    toy.feed(10)
    assert read(RetrainHook(toy.spec).source)["key"].to_pylist() == ["1", "3", "5", "7", "9"]


def test_every_fault_of_a_spec_is_told_when_it_is_asked_for(tmp_path: Path) -> None:
    path = tmp_path / "bad.yaml"
    path.write_text("model: 3\nthreshold: {rows: many}\n", encoding="utf-8")
    hook = RetrainHook(str(path))
    with pytest.raises(SpecError) as refused:
        assert hook.spec
    said = str(refused.value)
    assert "bad.yaml: model = 3" in said
    assert 'bad.yaml: threshold.rows = "many"' in said
    assert "bad.yaml: source: is missing; add it" in said


def test_a_spec_that_has_gone_is_refused(tmp_path: Path) -> None:
    with pytest.raises(SpecError, match=r"gone\.yaml: cannot be read"):
        assert RetrainHook(str(tmp_path / "gone.yaml")).spec


@pytest.mark.parametrize("value", [None, ""])
def test_no_place_for_snapshots_is_refused_with_the_remedy(
    model: Make, monkeypatch: pytest.MonkeyPatch, value: str | None
) -> None:
    hook = RetrainHook(model().spec)
    monkeypatch.delenv("RETRAIN_SNAPSHOTS_URI")
    if value is not None:
        monkeypatch.setenv("RETRAIN_SNAPSHOTS_URI", value)
    with pytest.raises(SettingsError, match="RETRAIN_SNAPSHOTS_URI is not set; set it to"):
        assert hook.snapshots


# ── secrets


LOGINS = [
    ({"login": "me", "password": "correct-horse"}, basic("me", "correct-horse")),
    ({"password": "correct-horse"}, basic("", "correct-horse")),
    ({"login": "me", "password": "correct:horse é"}, basic("me", "correct:horse é")),
    ({"extra": {"token": "correct-horse"}}, "Bearer correct-horse"),
    ({"login": "me", "password": "other", "extra": {"token": "correct-horse"}}, "Bearer correct-horse"),
]


@pytest.mark.parametrize(("fields", "header"), LOGINS)
def test_the_login_goes_with_each_request_and_nowhere_else(
    connect: Connect,
    listener: Listener,
    fields: dict[str, Any],
    header: str,
    capfd: pytest.CaptureFixture[str],
    caplog: pytest.LogCaptureFixture,
) -> None:
    caplog.set_level(logging.DEBUG)
    hook = connect(port=listener.port, **fields)
    variables = dict(os.environ)
    hook.tracker.check()
    hook.tracker.production("toy")
    assert listener.logins == [header, header]
    listener.refuses = True
    with pytest.raises(TrackerError) as refused:
        hook.tracker.production("toy")
    # The variable that the connection itself is in was there before.
    new = {name: text for name, text in os.environ.items() if variables.get(name) != text}
    told = "".join(traceback.format_exception(refused.value))
    everything = f"{hook!r} {vars(hook)} {hook.tracker!r} {new} {told} {caplog.text} {''.join(capfd.readouterr())}"
    for secret in ("horse", header, header.split()[1]):
        assert secret not in everything


def test_a_server_that_is_down_is_told_without_the_login(
    connect: Connect, closed_port: int, capfd: pytest.CaptureFixture[str], caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.DEBUG)
    hook = connect(port=closed_port, login="me", password="correct-horse")
    with pytest.raises(NoAnswerError) as refused:
        hook.tracker.production("toy")
    told = "".join(traceback.format_exception(refused.value))
    assert "horse" not in f"{hook!r} {vars(hook)} {told} {caplog.text} {''.join(capfd.readouterr())}"


def test_each_server_is_sent_its_own_login_and_no_other(
    connect: Connect, listeners: tuple[Listener, Listener], monkeypatch: pytest.MonkeyPatch
) -> None:
    first, second = listeners
    monkeypatch.setenv("MLFLOW_TRACKING_TOKEN", "of-somebody-else")
    ours = connect("ours", port=first.port, login="me", password="correct-horse").tracker
    theirs = connect("theirs", port=second.port).tracker
    ours.check()
    theirs.check()
    assert first.logins == [basic("me", "correct-horse")]
    assert basic("me", "correct-horse") not in second.logins


def test_a_token_with_a_line_break_is_refused_and_not_told(connect: Connect) -> None:
    with pytest.raises(TrackerError, match="the token holds a line break") as refused:
        connect("ours", extra={"token": "hunter2\n"}).get_conn()
    assert "hunter2" not in str(refused.value)


def test_the_password_of_the_ledger_is_nowhere_to_be_read(
    model: Make, closed_port: int, monkeypatch: pytest.MonkeyPatch, capfd: pytest.CaptureFixture[str]
) -> None:
    where = {
        "conn_type": "postgres",
        "host": "127.0.0.1",
        "port": closed_port,
        "login": "me",
        "password": "correct-horse",
    }
    monkeypatch.setenv("AIRFLOW_CONN_RETRAIN_STATE", json.dumps(where))
    hook = RetrainHook(model().spec)
    with pytest.raises(LedgerError) as refused:
        assert hook.ledger
    told = "".join(traceback.format_exception(refused.value))
    assert "correct-horse" not in f"{hook!r} {vars(hook)} {told} {''.join(capfd.readouterr())}"


def test_a_ledger_that_never_answers_is_given_up(model: Make, monkeypatch: pytest.MonkeyPatch) -> None:
    with socket.create_server(("127.0.0.1", 0)) as silent:
        where = {"conn_type": "postgres", "host": "127.0.0.1", "port": silent.getsockname()[1]}
        monkeypatch.setenv("AIRFLOW_CONN_RETRAIN_STATE", json.dumps({**where, "extra": {"connect_timeout": 2}}))
        with pytest.raises(LedgerError, match="timeout expired"):
            assert RetrainHook(model().spec).ledger


def test_nothing_waits_for_a_database_for_longer_than_a_minute(model: Make) -> None:
    hook = RetrainHook(model().spec)
    with closing(hook.ledger._connect()) as session:
        limits = session.get_dsn_parameters()
    assert (limits["connect_timeout"], limits["tcp_user_timeout"]) == ("60", "60000")
