"""A source may be a read replica: a PostgreSQL that follows another one and can write nothing."""

import os
import pwd
import subprocess
import time
from collections.abc import Iterator
from contextlib import closing
from datetime import timedelta
from typing import Any

import psycopg2
import pytest
from psycopg2.extensions import make_dsn, parse_dsn

from retrain.source.table import Source
from retrain.spec.source import SourceSpec
from stack.local import Running
from stack.postgres import programs, system_user
from tests.conftest import Database, short_lived
from tests.core.source.tables import read

LETTERS = SourceSpec(table="letters", key="id", label="label", label_time="labelled_at", features=("text",))


@pytest.fixture(scope="module")
def socket(postgres: Running) -> Iterator[str]:
    """Folder of the socket of a replica of the tests' PostgreSQL."""
    user = system_user()
    account = pwd.getpwnam(user) if user else None
    how: dict[str, Any] = {"user": user, "group": account and account.pw_gid, "extra_groups": [] if account else None}
    with short_lived() as folder:
        data = folder / "replica"
        for path in (folder, data):
            path.mkdir(mode=0o700, exist_ok=True)
            if account:
                os.chown(path, account.pw_uid, account.pw_gid)
        primary = parse_dsn(postgres.dsn("postgres"))
        copy = ["-D", data, "-h", primary["host"], "-U", primary["user"], "-c", "fast", "--no-sync", "-R"]
        subprocess.run([programs() / "pg_basebackup", *copy], check=True, capture_output=True, cwd=folder, **how)
        settings = {"listen_addresses": "", "unix_socket_directories": folder, "fsync": "off", "max_connections": 150}
        words = (word for name, value in settings.items() for word in ("-c", f"{name}={value}"))
        with subprocess.Popen(
            [programs() / "postgres", "-D", data, *words], stderr=subprocess.DEVNULL, cwd=folder, **how
        ) as follower:
            yield str(folder)
            follower.terminate()


@pytest.fixture
def replica(postgres: Running, database: Database, socket: str) -> str:
    """The address of the test's own database there, with a table of two labelled rows of three."""
    with database.connect() as session, session.cursor() as cursor:
        cursor.execute(
            "CREATE TABLE letters (id int PRIMARY KEY, text text, label text, labelled_at timestamptz); "
            "INSERT INTO letters VALUES (1, '가', 'pass', now() - interval '2 days'), (2, '나', 'fail', now()), "
            "(3, '다', NULL, NULL)"
        )
    address = make_dsn(database.dsn, host=socket)
    until = time.monotonic() + 30
    while not _has_followed(address):
        assert time.monotonic() < until, "the replica does not follow"
        time.sleep(0.1)
    return address


def _has_followed(address: str) -> bool:
    try:
        with closing(psycopg2.connect(address)) as session, session.cursor() as cursor:
            cursor.execute("SELECT pg_is_in_recovery() AND count(*) = 3 FROM letters")
            return bool(cursor.fetchone()[0])
    except (psycopg2.OperationalError, psycopg2.errors.UndefinedTable):
        return False  # it has not come so far as the database, or as the table


@pytest.mark.parametrize("by", ["adbc", "copy"])
def test_rows_are_counted_and_taken_from_a_replica(replica: str, by: str, monkeypatch: pytest.MonkeyPatch) -> None:
    if by == "copy":
        monkeypatch.setattr("retrain.extras.has", lambda _: False)
    source = Source(lambda: psycopg2.connect(replica), LETTERS)
    assert source.count_labelled(after=None, at_most=10) == 2
    assert read(source)["text"].to_pylist() == ["가", "나"]
    assert source.oldest_label_age() >= timedelta(days=2)
    assert "CREATE INDEX" in source.count_plan().remedy


def test_what_arrives_at_the_primary_is_seen_there(replica: str, database: Database) -> None:
    source = Source(lambda: psycopg2.connect(replica), LETTERS)
    with database.connect() as session:
        session.cursor().execute("UPDATE letters SET label = 'pass', labelled_at = now() WHERE id = 3")
    until = time.monotonic() + 30
    while source.count_labelled(after=None, at_most=10) < 3:
        assert time.monotonic() < until, "the replica does not follow"
        time.sleep(0.1)
