"""Retrain as Airflow's provider manager finds it, through the entry point that pyproject.toml declares."""

import inspect
import json
import logging
import tomllib
from email.message import Message
from importlib.metadata import EntryPoint
from types import SimpleNamespace
from typing import Any

import pytest
from airflow.api_fastapi.core_api.datamodels.connections import ConnectionHookMetaData, ConnectionResponse
from airflow.api_fastapi.core_api.services.ui.connections import HookMetaService
from airflow.models import Connection
from airflow.providers_manager import ProvidersManager, _create_provider_info_schema_validator

from retrain.tracker.client import ExperimentTracker
from retrain_airflow.hooks.tracker import TrackerHook
from retrain_airflow.provider import get_provider_info
from tests.airflow.conftest import PROJECT

GROUP = "apache_airflow_provider"


@pytest.fixture
def providers(monkeypatch: pytest.MonkeyPatch) -> ProvidersManager:
    """A provider manager of its own, in an environment where only Retrain is installed."""
    project = tomllib.loads((PROJECT / "pyproject.toml").read_text(encoding="utf-8"))["project"]
    ((name, value),) = project["entry-points"][GROUP].items()
    metadata = Message()
    metadata["Name"] = project["name"]
    found = EntryPoint(name, value, GROUP), SimpleNamespace(metadata=metadata, version=project["version"])
    monkeypatch.setattr(
        "airflow._shared.providers_discovery.providers_discovery.entry_points_with_dist",
        lambda group: iter([found] if group == GROUP else []),
    )
    monkeypatch.setattr(ProvidersManager, "_instance", None)
    monkeypatch.setattr(ProvidersManager, "_initialized", False)
    return ProvidersManager()


@pytest.fixture
def form(providers: ProvidersManager) -> ConnectionHookMetaData:
    """Return the form of the connection type as Airflow's page shows it."""
    (ours,) = [each for each in HookMetaService.hook_meta_data.__wrapped__() if each.connection_type == "mlflow"]
    return ours


def test_it_is_as_the_schema_of_airflow_says() -> None:
    _create_provider_info_schema_validator().validate(get_provider_info())


def test_the_connection_type_is_found_and_can_be_tested(
    providers: ProvidersManager, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.WARNING)
    assert list(providers.providers) == ["airflow-provider-retrain"]
    assert "mlflow" in {each.connection_type for each in providers.iter_connection_type_hook_ui_metadata()}
    found = providers._hooks_lazy_dict["mlflow"]
    assert found.hook_class_name == f"{TrackerHook.__module__}.{TrackerHook.__name__}"
    assert (found.connection_type, found.hook_name) == (TrackerHook.conn_type, TrackerHook.hook_name)
    assert found.connection_id_attribute_name in inspect.signature(TrackerHook).parameters
    assert found.connection_testable
    assert caplog.messages == []


def test_the_form_shows_each_field(form: ConnectionHookMetaData) -> None:
    fields = form.extra_fields
    assert fields is not None
    assert {name: field["schema"]["title"] for name, field in fields.items()} == {
        "token": "Token",
        "registry_uri": "Registry URI",
        "ca_bundle": "CA bundle",
        "deadline": "Deadline",
    }
    for field in fields.values():
        assert field["description"].endswith(".")
        # Left empty, a field is null.
        assert "null" in field["schema"]["type"]
        assert field["value"] is None


def test_the_form_says_what_host_and_login_are(form: ConnectionHookMetaData) -> None:
    standard = form.standard_fields
    assert standard is not None
    assert standard.host is not None
    assert standard.login is not None
    assert (standard.host.title, standard.login.title) == ("Tracking URI", "User")
    assert standard.host.placeholder == "https://mlflow.example.org"
    assert not standard.host.hidden


def test_the_token_is_hidden_on_the_page_and_in_the_api(
    providers: ProvidersManager, form: ConnectionHookMetaData
) -> None:
    sensitive = {
        widget.field_name
        for name, widget in providers._connection_form_widgets_from_metadata.items()
        if name.startswith("extra__mlflow__") and widget.is_sensitive
    }
    assert sensitive == {"token"}
    assert form.extra_fields is not None
    assert form.extra_fields["token"]["schema"]["format"] == "password"
    extra = json.dumps({"token": "correct-horse", "registry_uri": "http://registry"})
    connection = Connection(conn_id="ours", conn_type="mlflow", password="battery-staple", extra=extra)
    shown = ConnectionResponse.model_validate(connection).model_dump_json()
    assert "http://registry" in shown
    assert "correct-horse" not in shown
    assert "battery-staple" not in shown


def test_each_field_of_the_form_ends_in_the_tracker(
    form: ConnectionHookMetaData, monkeypatch: pytest.MonkeyPatch
) -> None:
    given = dict[str, Any]()

    def tracker(*arguments: Any, **keywords: Any) -> None:
        given.update(inspect.signature(ExperimentTracker).bind(*arguments, **keywords).arguments)

    monkeypatch.setattr("retrain.tracker.client.ExperimentTracker", tracker)
    assert form.extra_fields is not None
    extra = {
        name: 7 if "number" in field["schema"]["type"] else f"the {name}" for name, field in form.extra_fields.items()
    }
    where = {"conn_type": "mlflow", "host": "https://mlflow", "port": 443, "login": "me", "password": "secret"}
    monkeypatch.setenv("AIRFLOW_CONN_OURS", json.dumps(where | {"extra": extra}))
    TrackerHook("ours").get_conn()
    standard = {"uri": "https://mlflow:443", "username": "me", "password": "secret", "name": "connection ours"}
    assert given == standard | extra
    assert given.keys() == inspect.signature(ExperimentTracker).parameters.keys()


def test_a_form_that_is_left_empty_leaves_the_tracker_its_defaults(
    form: ConnectionHookMetaData, monkeypatch: pytest.MonkeyPatch
) -> None:
    assert form.extra_fields is not None
    given = dict[str, Any]()
    monkeypatch.setattr("retrain.tracker.client.ExperimentTracker", lambda _uri, **keywords: given.update(keywords))
    defaults = {name: each.default for name, each in inspect.signature(ExperimentTracker).parameters.items()}
    for empty in (None, ""):
        given.clear()
        where = {"conn_type": "mlflow", "host": "mlflow", "extra": dict.fromkeys(form.extra_fields, empty)}
        monkeypatch.setenv("AIRFLOW_CONN_OURS", json.dumps(where))
        TrackerHook("ours").get_conn()
        assert given.pop("name") == "connection ours"
        assert given == {name: defaults[name] for name in given}
