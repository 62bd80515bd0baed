"""The hooks: from Airflow's connections and a spec file to what the verbs of the core take."""

import json
import traceback
from collections.abc import Callable
from pathlib import Path
from types import SimpleNamespace
from typing import Any
from uuid import uuid4

import pytest
from airflow.sdk import Connection
from mlflow import MlflowClient

from retrain.errors import SettingsError, SpecError, StateError, TrackerError
from retrain.tracker import ExperimentTracker
from retrain_airflow.hooks.connections import url
from retrain_airflow.hooks.retrain import RetrainHook
from retrain_airflow.hooks.tracker import TrackerHook
from stack.local import Running
from tests.airflow.conftest import Model

Make = Callable[..., Model]


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
    client.create_registered_model(model)
    return str(client.create_model_version(model, "s3://nowhere/model", await_creation_for=0).version)


def test_a_connection_makes_a_tracker(tracker: ExperimentTracker) -> None:
    hook, name = TrackerHook(), f"hooks-{uuid4().hex}"
    assert hook.get_conn() is hook.tracker
    assert hook.tracker.create_experiment(name) == tracker.create_experiment(name)


def test_the_alias_is_production_unless_the_connection_names_another(
    mlflow_server: Running, tracker: ExperimentTracker, monkeypatch: pytest.MonkeyPatch
) -> None:
    where = {"conn_type": "http", "host": mlflow_server.mlflow_url, "extra": {"production_alias": "champion"}}
    monkeypatch.setenv("AIRFLOW_CONN_OURS", json.dumps(where))
    model = f"hooks-{uuid4().hex}"
    version = version_of(mlflow_server, model)
    TrackerHook("ours").tracker.set_production(model, version)
    assert MlflowClient(mlflow_server.mlflow_url).get_registered_model(model).aliases == {"champion": version}
    assert TrackerHook().tracker.production(model) is None
    TrackerHook().tracker.set_production(model, version)
    assert tracker.production(model) == version


# ── what a run of the DAG stands on


def test_a_cycle_is_the_run_of_its_context(model: Make, tracker: ExperimentTracker) -> None:
    toy = model()
    toy.feed(3)
    cycle = RetrainHook(toy.spec).cycle(
        {"dag": SimpleNamespace(dag_id="retrain_toy"), "run_id": "run 7"}, note="autumn"
    )
    assert (cycle.dag_id, cycle.run_id, cycle.note) == ("retrain_toy", "run 7", "autumn")
    assert cycle.spec.model == toy.name
    assert cycle.state.last_consumed(toy.name) is None
    assert RetrainHook(toy.spec).source.read_labelled().num_rows == 3


def test_a_run_without_a_note_has_an_empty_one(model: Make, tracker: ExperimentTracker) -> None:
    assert RetrainHook(model().spec).cycle({"dag": SimpleNamespace(dag_id="retrain_toy"), "run_id": "run 7"}).note == ""


def test_a_query_beside_the_spec_is_what_is_read(model: Make) -> None:
    toy = model(source={"query": "odd.sql", "key": "id", "label": "label", "features": ["a"]})
    (toy.path.parent / "odd.sql").write_text("SELECT * FROM rows WHERE id % 2 = 1;\n")
    toy.feed(10)
    assert RetrainHook(toy.spec).source.read_labelled()["key"].to_pylist() == ["1", "3", "5", "7", "9"]


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


def test_the_password_of_mlflow_is_nowhere_to_be_read(
    closed_port: int, monkeypatch: pytest.MonkeyPatch, capfd: pytest.CaptureFixture[str]
) -> None:
    # MLflow takes both from the environment: put back after the test what the tracker writes there.
    monkeypatch.setenv("MLFLOW_TRACKING_USERNAME", "")
    monkeypatch.setenv("MLFLOW_TRACKING_PASSWORD", "")
    where = {"conn_type": "http", "host": "127.0.0.1", "port": closed_port, "login": "me", "password": "correct-horse"}
    monkeypatch.setenv("AIRFLOW_CONN_MLFLOW_DEFAULT", json.dumps(where))
    hook = TrackerHook()
    with pytest.raises(TrackerError) as refused:
        hook.tracker.production("toy")
    told = "".join(traceback.format_exception(refused.value))
    assert "correct-horse" not in f"{hook!r} {vars(hook)} {told} {''.join(capfd.readouterr())}"


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
    with pytest.raises(StateError) as refused:
        assert hook.state
    told = "".join(traceback.format_exception(refused.value))
    assert "correct-horse" not in f"{hook!r} {vars(hook)} {told} {''.join(capfd.readouterr())}"
