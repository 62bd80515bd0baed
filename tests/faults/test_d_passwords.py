"""Passwords in what a user gives to a command or to a connection: no error holds a part of one."""

from collections.abc import Callable
from contextlib import closing
from subprocess import CompletedProcess

import psycopg2
import pytest
from psycopg2.extensions import parse_dsn

from retrain.cli.database import connecting
from retrain.errors import SettingsError
from retrain.ledger.ledger import Ledger
from retrain_airflow.hooks.retrain import snapshots_of
from tests.conftest import Database
from tests.core.conftest import here  # noqa: F401 - a fixture

SECRET = "s3ntinel"
PARTS = (SECRET, "pa55", "w0rd")

UNREADABLE = [
    f"postgresql+psycopg2://u:{SECRET}@127.0.0.1:1/db",
    f"postgres+asyncpg://u:{SECRET}@127.0.0.1:1/db",
    f"jdbc:postgresql://u:{SECRET}@127.0.0.1:1/db",
    *(f"postgresql://u:pa55{mark}w0rd@127.0.0.1:1/db" for mark in ("@", "/", "?", "#", "%", "[", "]", " ", "@x/")),
    "postgresql://u:pa55w0rd",
    "postgresql://u:pa55w0rd@127.0.0.1:w0rd/db",
    "host=127.0.0.1 port=1 user=u password=pa55 w0rd",
    "host=127.0.0.1 port=1 user=u password='pa55 w0rd",
    "host=127.0.0.1 port=1 user=u pasword=pa55w0rd",
    "pa55w0rd",
]
COMMANDS = {
    "check": ("check", "/nowhere", "--source"),
    "migrate": ("migrate", "--dsn"),
    "forget": ("forget", "--model", "m", "--key", "1", "--snapshots", "file:///nowhere", "--dsn"),
}
Here = Callable[..., "CompletedProcess[str]"]


@pytest.mark.parametrize("dsn", UNREADABLE)
@pytest.mark.parametrize("command", COMMANDS)
def test_a_connection_string_that_cannot_be_read_is_refused_without_a_word_of_its_password(
    command: str,
    dsn: str,
    here: Here,  # noqa: F811
) -> None:
    """D3."""
    failed = here(*COMMANDS[command], dsn)
    assert failed.returncode == 1
    assert not any(part in failed.stdout + failed.stderr for part in PARTS)
    assert failed.stderr.startswith(f"{COMMANDS[command][-1]}: ")
    assert failed.stderr.count("\n") == 1
    remedy = "percent-encode" if dsn.startswith("postgresql://") else "write postgresql://"
    assert remedy in failed.stderr


@pytest.mark.parametrize(
    "dsn",
    [
        f"postgresql://u:{SECRET}@127.0.0.1:1/db",
        "postgresql://u:pa55%40w0rd%2F@127.0.0.1:1/db",
        f"host=127.0.0.1 port=1 user=u password='{SECRET} @/ x'",
        f"postgresql://127.0.0.1:1/db?user=u&password={SECRET}",
    ],
)
@pytest.mark.parametrize("command", ["migrate", "forget"])  # tests/core/cli/test_cli.py has check
def test_a_server_that_does_not_answer_is_told_without_the_password(
    command: str,
    dsn: str,
    here: Here,  # noqa: F811
) -> None:
    """D3."""
    failed = here(*COMMANDS[command], dsn)
    assert failed.returncode == 1
    assert failed.stderr.startswith("the ledger: connection to server at ")
    assert not any(part in failed.stderr for part in PARTS)


def test_every_way_to_write_a_database_that_libpq_reads_is_taken(database: Database) -> None:
    """D3."""
    parts = parse_dsn(database.dsn)
    host, user, name = parts["host"], parts["user"], parts["dbname"]
    for dsn in (
        database.dsn,
        f"postgresql://{user}@/{name}?host={host}",
        f"postgres://{user}:p%40%2F%3A@/{name}?host={host}&application_name=a b",
        f"postgresql:///{name}?host={host}&user={user}",
        f"postgresql://{user}:a:b@/{name}?host={host}",
        f"host={host} user={user} dbname='{name}' password='a b@c/d'",
    ):
        with closing(connecting(dsn)()) as session:
            assert session.info.dbname == name


@pytest.mark.parametrize("uri", [f"http://u:{SECRET}@127.0.0.1:1", "http://u:pa55/w0rd@127.0.0.1:1"])
def test_a_login_in_the_address_of_mlflow_is_refused(uri: str, here: Here) -> None:  # noqa: F811
    """D3, of its kind."""
    failed = here("report", "--run", "0" * 32, "--mlflow", uri)
    assert failed.returncode == 1
    assert failed.stderr.startswith("--mlflow: has a login in its address")
    assert not any(part in failed.stderr for part in PARTS)


def test_a_login_in_the_place_of_snapshots_is_refused(monkeypatch: pytest.MonkeyPatch, here: Here) -> None:  # noqa: F811
    """D3, of its kind: the address goes into errors and into the ledger."""
    uri = f"s3://key:{SECRET}@bucket/folder"
    failed = here("forget", "--model", "m", "--key", "1", "--snapshots", uri, "--dsn", "host=/nowhere")
    assert failed.stderr.startswith("--snapshots: has a login in its address")
    assert SECRET not in failed.stderr
    monkeypatch.setenv("RETRAIN_SNAPSHOTS_URI", uri)
    with pytest.raises(SettingsError, match="RETRAIN_SNAPSHOTS_URI: has a login") as refused:
        snapshots_of(Ledger(lambda: psycopg2.connect("host=/nowhere")))
    assert SECRET not in str(refused.value)
