"""The hook of MLflow: from a connection of Airflow's to a tracker."""

import os
import socket
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any
from uuid import uuid4

import pytest
from airflow.sdk import Connection
from mlflow import MlflowClient

from retrain.errors import NoAnswerError, SettingsError, TrackerError
from retrain.tracker.client import ExperimentTracker
from retrain.tracker.transport import DEADLINE
from retrain_airflow.hooks.connections import url
from retrain_airflow.hooks.tracker import TrackerHook, _below
from stack.local import Running
from tests.airflow.conftest import Connect, Model
from tests.airflow.listener import Listener, basic
from tests.tap import Tap

Make = Callable[..., Model]
pytestmark = pytest.mark.usefixtures("first_tracker")


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


def test_production_and_staging_are_under_the_aliases_that_the_spec_names(
    mlflow_server: Running, connect: Connect
) -> None:
    server = mlflow_server.mlflow_url
    default = connect(host=server).tracker
    ours = default.with_aliases("champion", "challenger")
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
    with pytest.raises(SettingsError, match=r"connection ours: deadline = .* is not a number of seconds; set it to"):
        connect("ours", extra={"deadline": deadline}).get_conn()


def test_a_ca_bundle_that_is_not_there_is_refused(connect: Connect, tmp_path: Path) -> None:
    with pytest.raises(TrackerError, match=r"CA bundle .*gone\.pem is not a file; name a file"):
        connect(extra={"ca_bundle": str(tmp_path / "gone.pem")}).get_conn()


def test_the_ca_bundle_of_the_extra_is_what_the_server_is_checked_against(connect: Connect, tmp_path: Path) -> None:
    bundle = tmp_path / "ours.pem"
    bundle.write_text("", encoding="utf-8")
    connect(extra={"ca_bundle": str(bundle)}).get_conn()
    assert os.environ["MLFLOW_TRACKING_SERVER_CERT_PATH"] == str(bundle)


def test_servers_with_different_ca_bundles_are_checked_against_all_of_them(connect: Connect, tmp_path: Path) -> None:
    for name in ("ours", "theirs"):
        bundle = tmp_path / f"{name}.pem"
        bundle.write_text(f"# {name}", encoding="utf-8")
        connect(name, extra={"ca_bundle": str(bundle)}).get_conn()
    connect("public").get_conn()
    both = Path(os.environ["MLFLOW_TRACKING_SERVER_CERT_PATH"]).read_text()
    assert both.startswith("# ours\n# theirs\n")
    assert "BEGIN CERTIFICATE" in both


def test_the_button_test_tries_what_a_cycle_does_also_on_the_models_of_its_specs(
    model: Make, connect: Connect, mlflow_server: Running
) -> None:
    toy = model(connections={"mlflow": "ours"})
    hook = connect("ours", host=mlflow_server.mlflow_url, login="kim")
    assert hook.test_connection() == (True, "MLflow answers, and this login may do what a cycle does")
    assert hook._models() == [toy.name]
    version_of(mlflow_server, toy.name)
    with Tap() as tap, tap.refusing("/registered-models/set-tag", "/registered-models/alias"):
        tap.upstream = mlflow_server.ports.mlflow
        answers, message = connect("ours", host=f"http://127.0.0.1:{tap.port}").test_connection()
    assert not answers
    assert message.startswith("MLflow answers, but this login cannot set an alias: ")
    assert f"; it cannot change the registered model '{toy.name}': " in message
    assert "let its owner, or an administrator of MLflow, permit it to this login" in message


def test_the_button_test_of_a_catalog_tries_below_that_of_the_models() -> None:
    assert [_below(names) for names in ([], ["a.b"], ["x", "main.ml.letters"])] == ["", "", "main.ml."]


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
