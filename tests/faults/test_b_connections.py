"""Connections to PostgreSQL whose extra holds more than Retrain reads."""

import json
import logging
from contextlib import closing
from typing import Any

import psycopg2
import pytest
from psycopg2.extensions import parse_dsn

from retrain.errors import ChannelError, SettingsError
from retrain.ledger.ledger import Ledger
from retrain.spec.parse import parse
from retrain_airflow.channels import channels
from retrain_airflow.hooks.postgres import Psycopg2Hook
from retrain_airflow.operators.snapshot import SnapshotOperator
from retrain_airflow.sensors.new_rows import NewRowsSensor
from tests.airflow.conftest import connection_to, model, toy_spec, tracker  # noqa: F401 - fixtures
from tests.conftest import Database
from tests.core.messages.test_formats import KINDS
from tests.inbox import Inbox


def _connection(database: Database, **extra: Any) -> str:
    return json.dumps({**json.loads(connection_to(database)), "extra": json.dumps(extra)})


@pytest.mark.usefixtures("tracker")  # before a cycle goes on, the sensor asks what is in Production
@pytest.mark.parametrize("cursor", ["dictcursor", "realdictcursor", "namedtuplecursor", "anycursor"])
def test_a_cursor_that_airflow_documents_is_left_alone_and_a_cycle_begins(
    cursor: str,
    model: Any,  # noqa: F811
    database: Database,
    ledger: Ledger,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """B4."""
    toy = model()
    toy.feed(500)
    for name in ("POSTGRES_DEFAULT", "RETRAIN_STATE"):
        monkeypatch.setenv(f"AIRFLOW_CONN_{name}", _connection(database, cursor=cursor, sqlalchemy_query={"a": "b"}))
    assert NewRowsSensor(task_id="sense", spec=toy.spec).poke({}).is_done
    assert SnapshotOperator(task_id="snapshot", spec=toy.spec).execute({})["rows"] == 500


@pytest.mark.parametrize(
    ("extra", "shown"),
    [
        ({"application_name": "churn"}, ("application_name", "churn")),
        ({"options": "-c search_path=other"}, ("search_path", "other")),
        ({"client_encoding": "LATIN1"}, ("client_encoding", "LATIN1")),
    ],
)
def test_keywords_of_libpq_are_honoured(
    extra: dict[str, Any], shown: tuple[str, str], database: Database, monkeypatch: pytest.MonkeyPatch
) -> None:
    """B4."""
    monkeypatch.setenv("AIRFLOW_CONN_X", _connection(database, cursor="dictcursor", **extra))
    with closing(Psycopg2Hook("x").get_conn()) as session, session.cursor() as cursor:
        cursor.execute(f"SHOW {shown[0]}")
        assert cursor.fetchone() == (shown[1],)


def test_settings_of_the_transport_reach_libpq(database: Database, monkeypatch: pytest.MonkeyPatch) -> None:
    """B4."""
    extra = {"keepalives": True, "keepalives_idle": 30, "connect_timeout": "7", "sslmode": "allow"}
    monkeypatch.setenv("AIRFLOW_CONN_X", _connection(database, **extra))
    with closing(Psycopg2Hook("x").get_conn()) as session:
        given = session.info.dsn_parameters
    assert {name: given[name] for name in extra} == {
        "keepalives": "1",
        "keepalives_idle": "30",
        "connect_timeout": "7",
        "sslmode": "allow",
    }
    assert given["tcp_user_timeout"] == "60000"


def test_encryption_that_is_asked_for_is_never_left_out(database: Database, monkeypatch: pytest.MonkeyPatch) -> None:
    """B4."""
    dsn = parse_dsn(database.dsn)
    where = {"conn_type": "postgres", "host": dsn["host"], "login": dsn["user"], "schema": dsn["dbname"]}
    # Over a socket libpq encrypts nothing; so it is asked for what no server of these tests can do.
    extra = {"sslmode": "nonsense"}
    monkeypatch.setenv("AIRFLOW_CONN_X", json.dumps({**where, "extra": json.dumps(extra)}))
    with pytest.raises(psycopg2.OperationalError, match='invalid sslmode value: "nonsense"'):
        Psycopg2Hook("x").get_conn()


def test_a_keyword_whose_value_libpq_cannot_take_is_refused(
    database: Database, monkeypatch: pytest.MonkeyPatch
) -> None:
    """B4."""
    monkeypatch.setenv("AIRFLOW_CONN_X", _connection(database, options={"search_path": "other"}))
    with pytest.raises(SettingsError, match=r"connection x: extra\.options is neither text nor number"):
        Psycopg2Hook("x").get_conn()


def test_what_is_left_alone_is_in_the_log(
    database: Database, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    """B4."""
    monkeypatch.setenv("AIRFLOW_CONN_X", _connection(database, sslmod="require", cursor="dictcursor"))
    hook = Psycopg2Hook("x")
    said: list[str] = []
    monkeypatch.setattr(type(hook), "log", property(lambda _: _Said(said)))
    with caplog.at_level(logging.INFO), closing(hook.get_conn()):
        pass
    assert said == ["Connection x: extra.sslmod is not a keyword of libpq, and is left alone"]


class _Said:
    def __init__(self, lines: list[str]) -> None:
        self._lines = lines

    def info(self, line: str, *values: object) -> None:
        self._lines.append(line % values)


@pytest.mark.parametrize("extra", ['["a"]', "7", '"text"', "not json"])
def test_an_extra_that_holds_no_fields_is_refused(
    extra: str, database: Database, monkeypatch: pytest.MonkeyPatch
) -> None:
    """B4."""
    where = {**json.loads(connection_to(database)), "extra": extra}
    monkeypatch.setenv("AIRFLOW_CONN_X", json.dumps(where))
    with pytest.raises(SettingsError, match="connection x: extra holds no fields; write them as a JSON object"):
        Psycopg2Hook("x").get_conn()


@pytest.mark.parametrize(
    ("extra", "answer"),
    [
        ({"Authorization": "Bearer x", "verify": False}, None),
        ({"signing_secret": 7}, "extra.signing_secret is not a text"),
    ],
)
def test_a_web_hook_leaves_the_headers_of_others_alone(
    extra: dict[str, Any], answer: str | None, monkeypatch: pytest.MonkeyPatch
) -> None:
    """B4."""
    with Inbox() as inbox:
        where = {"conn_type": "http", "host": inbox.url, "extra": json.dumps(extra)}
        monkeypatch.setenv("AIRFLOW_CONN_TEAM", json.dumps(where))
        (_, team) = channels(parse(toy_spec(channels=[{"webhook": "team"}]), "toy.yaml"))
        if answer is None:
            team.deliver("key", KINDS["promote"])
            assert len(inbox.posts) == 1
        else:
            with pytest.raises(ChannelError, match=answer):
                team.deliver("key", KINDS["promote"])
