"""Connections that are written as addresses."""

import json
import traceback

import pytest
from airflow.sdk import BaseHook

from retrain.errors import SettingsError
from retrain.ledger.ledger import Ledger
from retrain.spec.parse import parse
from retrain_airflow.channels import channels
from retrain_airflow.hooks import connections
from retrain_airflow.hooks.postgres import Psycopg2Hook
from retrain_airflow.hooks.tracker import TrackerHook
from tests.airflow.conftest import toy_spec
from tests.core.messages.test_formats import KINDS
from tests.inbox import Inbox

SECRET = "s3ntinel"


def _url(written: str, monkeypatch: pytest.MonkeyPatch) -> str:
    monkeypatch.setenv("AIRFLOW_CONN_X", written)
    return connections.url(BaseHook.get_connection("x"), ours=("signing_secret",))


@pytest.mark.parametrize(
    ("written", "address"),
    [
        ("http://h/p", "http://h/p"),
        ("http://h/p/q/", "http://h/p/q/"),
        ("http://h:8080/p", "http://h:8080/p"),
        ("https://h/https", "https://h/https"),
        ("https://h/a%20b%3Fc", "https://h/a%20b%3Fc"),
        ("http://https://h:8443/p", "https://h:8443/p"),
        ("http://[::1]:5000/p", "http://[::1]:5000/p"),
        ("https://h/p?signing_secret=x", "https://h/p"),
        ("http://h/https", "https://h"),  # Airflow's own way to write https
    ],
)
def test_a_path_and_a_scheme_are_carried_whole(written: str, address: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """D2."""
    assert _url(written, monkeypatch) == address


@pytest.mark.parametrize(
    ("written", "lost"),
    [
        (f"https://h/path?sig={SECRET}", "?sig="),
        (f"http://h/path?sig={SECRET}&sp=1", "?sig=, ?sp="),
        (f"http://h?sig={SECRET}", "?sig="),
        (f"http://https://h?sig={SECRET}", "?sig="),
        (f"https://h/a%2Fb/{SECRET}", "%2F"),
    ],
)
def test_a_query_is_refused_with_the_json_form(written: str, lost: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """D2."""
    with pytest.raises(SettingsError) as refused:
        _url(written, monkeypatch)
    assert f"connection x: is written as an address, of which Airflow loses {lost}; write it as JSON" in str(
        refused.value
    )
    assert SECRET not in str(refused.value)


def test_the_json_form_carries_the_query(monkeypatch: pytest.MonkeyPatch) -> None:
    """D2."""
    with Inbox() as inbox:
        host = f"{inbox.url}/path?sig={SECRET}&a=1"
        monkeypatch.setenv("AIRFLOW_CONN_TEAM", json.dumps({"conn_type": "http", "host": host}))
        (_, team) = channels(parse(toy_spec(channels=[{"webhook": "team"}]), "toy.yaml"))
        team.deliver("key", KINDS["promote"])
    assert inbox.posts[0].path == f"/path?sig={SECRET}&a=1"


def test_the_path_of_mlflow_is_carried(monkeypatch: pytest.MonkeyPatch) -> None:
    """D2."""
    monkeypatch.setenv("AIRFLOW_CONN_MLFLOW_DEFAULT", f"mlflow://h:5000/mlflow?token={SECRET}")
    assert repr(TrackerHook().tracker) == "ExperimentTracker(connection mlflow_default, http://h:5000/mlflow)"
    monkeypatch.setenv("AIRFLOW_CONN_MLFLOW_DEFAULT", f"https://h/mlflow?key={SECRET}")
    with pytest.raises(SettingsError, match=r"loses \?key=; write it as JSON"):
        _ = TrackerHook().tracker


@pytest.mark.parametrize("password", [f"{SECRET}/x", f"{SECRET}#x", f"{SECRET}?x", f"a:{SECRET}/x", f"[{SECRET}"])
def test_a_password_that_is_not_encoded_is_in_no_error(password: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """D3, in Airflow's connections."""
    monkeypatch.setenv("AIRFLOW_CONN_RETRAIN_STATE", f"postgresql://kim:{password}@127.0.0.1:1/db")
    with pytest.raises(Exception, match=r".") as refused:
        Ledger(Psycopg2Hook("retrain_state").get_conn).check()
    text = "".join(traceback.format_exception(refused.value))
    assert SECRET not in text
    assert "percent-encode" in text
