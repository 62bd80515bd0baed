"""What the tests stand on: a real PostgreSQL and a real MLflow server, each started when first asked for.

One session has at most one of each. A test that wants PostgreSQL alone does not wait for MLflow. The whole stack is
that of `tests/e2e`.
"""

import os
import tempfile
import time
from collections.abc import Callable, Iterator
from contextlib import closing, contextmanager
from dataclasses import dataclass
from itertools import count
from pathlib import Path
from types import SimpleNamespace
from typing import Any
from uuid import uuid4

import psutil
import psycopg2
import pytest
from psycopg2 import sql
from psycopg2.extensions import connection, make_dsn, parse_dsn

from retrain import extras
from retrain.ledger.ledger import Ledger
from retrain.ledger.rights import RUNTIME_ROLE
from stack import local
from stack.local import Running
from stack.services import ALL

_WITH_STACK = "tests/e2e/"
_CORNERS = "tests/corners/"
_NICE = 5
_SHARED_MEMORY = Path("/dev/shm")  # noqa: S108 - folders in it have names that nobody guesses
_ROOM = 4 * 2**30
"""Bytes, of which the tests take a tenth."""


@contextmanager
def short_lived(prefix: str = "retrain-") -> Iterator[Path]:
    """A folder for as long as the block runs: in memory where there is room, as deleting a stack from a disk takes
    longer than starting it. Its path is short, as a Unix socket's must be, and PostgreSQL's user can reach it.
    """
    roomy = 0
    if _SHARED_MEMORY.is_dir():
        roomy = min(psutil.disk_usage(str(_SHARED_MEMORY)).free, psutil.virtual_memory().available // 2)
    where = _SHARED_MEMORY if roomy >= _ROOM else None
    with tempfile.TemporaryDirectory(prefix=prefix, dir=where, ignore_cleanup_errors=True) as folder:
        yield Path(folder)


@dataclass(frozen=True)
class Database:
    """A database of one test's own."""

    dsn: str

    def connect(self) -> connection:
        return psycopg2.connect(self.dsn)


@pytest.fixture
def later(database: Database) -> Callable[[str], None]:
    """Let so much time pass for the outbox."""

    def later(interval: str) -> None:
        with database.connect() as session, session.cursor() as cursor:
            cursor.execute("UPDATE retrain.outbox SET at = at - %s::interval", (interval,))
            cursor.execute("UPDATE retrain.deliveries SET next_at = next_at - %s::interval", (interval,))

    return later


@pytest.hookimpl(optionalhook=True)
def pytest_xdist_make_scheduler(config: pytest.Config, log: Any) -> Any:
    """Of the processes that `make test` runs, one has the whole stack to itself, and all tests that want one; else
    they are given file by file, so that what a file's tests share is made once, in the order that is made below.

    Groups by mark, `xdist_group`, are not heeded with pytest 9.2 (pytest-xdist#1386).
    """
    from xdist.scheduler import LoadScopeScheduling

    class OneStack(LoadScopeScheduling):
        def _split_scope(self, nodeid: str) -> str:
            # Those of the corners as well: two processes must not build one environment.
            for folder in (_WITH_STACK, _CORNERS):
                if nodeid.startswith(folder):
                    return folder
            return nodeid.partition("::")[0]

    if config.getvalue("dist") != "loadscope":
        return None
    config.option.loadscopereorder = False
    return OneStack(config, log)


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """First the tests that want the stack, as they take one of xdist's processes longest. Those that want MLflow
    follow, for its other processes, so that one that comes from the stack need not start a server for what is left.
    """
    items.sort(key=_turn)


def _turn(item: pytest.Item) -> int:
    wanted = getattr(item, "fixturenames", ())
    of_a_stack = item.path.parent.name == "stack"  # they take long, and what comes last should not
    of_a_corner = item.nodeid.startswith(_CORNERS)
    turns = (
        item.nodeid.startswith(_WITH_STACK),
        of_a_corner,
        "mlflow_server" in wanted,
        of_a_stack,
        "postgres" in wanted,
        True,
    )
    return turns.index(True)


def pytest_runtest_setup(item: pytest.Item) -> None:
    """Let the stack go first: its tests wait for each other, and the processes of the others take what it leaves."""
    in_a_worker = "PYTEST_XDIST_WORKER" in os.environ
    if in_a_worker and not item.nodeid.startswith(_WITH_STACK) and os.nice(0) < _NICE:
        os.nice(_NICE - os.nice(0))


@pytest.fixture(autouse=True)
def same_salts(monkeypatch: pytest.MonkeyPatch) -> None:
    """Let models have the same salts in each run of a test: of a few hundred rows, a random split now and then gives
    the holdout too few to judge on.
    """
    drawn = count(1)
    draw = SimpleNamespace(token_bytes=lambda size: next(drawn).to_bytes(size, "big"))
    monkeypatch.setattr("retrain.ledger.snapshots.secrets", draw)


@pytest.fixture
def home() -> Iterator[Path]:
    """A folder for a stack, which does not exist yet."""
    with short_lived() as folder:
        yield folder / "home"


@pytest.fixture(scope="session")
def postgres() -> Iterator[Running]:
    """PostgreSQL, for databases of a test's own."""
    yield from running("postgres")


@pytest.fixture(scope="session")
def mlflow_server() -> Iterator[Running]:
    """An MLflow server, with a PostgreSQL of its own that has Retrain's tables in database `retrain` as well."""
    yield from running("postgres", "retrain-migrate", "mlflow")


def running(*services: str, fill: local.Fill | None = None, **how: Any) -> Iterator[Running]:
    def prepare(started: Running) -> None:
        _forget_disks(started)
        if fill is not None:
            fill(started)

    with (
        short_lived() as folder,
        local.running(folder / "home", services=services or ALL, fill=prepare, **how) as started,
    ):
        yield started


def _forget_disks(running: Running) -> None:
    """What is to survive a power cut waits for the disk at every commit; these databases end with their session."""
    for setting in ("fsync", "synchronous_commit", "full_page_writes"):
        _execute(running, sql.SQL("ALTER SYSTEM SET {} = off").format(sql.Identifier(setting)))
    _execute(running, sql.SQL("SELECT pg_reload_conf()"))


@pytest.fixture
def database(request: pytest.FixtureRequest, postgres: Running) -> Iterator[Database]:
    """A fresh database: with Retrain's tables where the test asks for `ledger`, else empty."""
    like = request.getfixturevalue("migrated") if "ledger" in request.fixturenames else "template1"
    with new_database(postgres, like) as database:
        yield database


@pytest.fixture(scope="session")
def migrated(postgres: Running) -> Iterator[str]:
    """Name of a database with Retrain's tables, for copies: migrating each database takes twice as long."""
    with new_database(postgres) as database:
        ledger = Ledger(database.connect)
        ledger.migrate()
        if extras.has("tune"):  # the corners' environments have no extras
            from retrain.tuning import storage

            storage.migrate(ledger)
        yield parse_dsn(database.dsn)["dbname"]


@contextmanager
def new_database(postgres: Running, like: str = "template1") -> Iterator[Database]:
    """A database for as long as the block runs; like: name of the one that it is a copy of."""
    name = sql.Identifier(f"test_{uuid4().hex}")
    _execute(postgres, sql.SQL("CREATE DATABASE {} TEMPLATE {} STRATEGY wal_log").format(name, sql.Identifier(like)))
    yield Database(make_dsn(postgres.dsn("postgres"), dbname=name.string))
    # By force: a test that failed may have left a connection open.
    _execute(postgres, sql.SQL("DROP DATABASE {} WITH (FORCE)").format(name))


@pytest.fixture
def ledger(database: Database) -> Ledger:
    """The ledger on the test's own database, as the role of tasks has it."""
    return Ledger(lambda: psycopg2.connect(make_dsn(database.dsn, user=RUNTIME_ROLE)))


@pytest.fixture
def eventually() -> Callable[..., None]:
    """Wait until a condition holds; two busy cores take their time."""

    def wait(condition: Callable[[], bool], seconds: float = 60, *, every: float = 0.2) -> None:
        deadline = time.monotonic() + seconds
        while not condition():
            assert time.monotonic() < deadline, f"not so after {seconds} s"
            time.sleep(every)

    return wait


@pytest.fixture
def reviews() -> Path:
    """The folder of the Naver reviews, which are not part of the project."""
    folder = os.environ.get("RETRAIN_TEST_REVIEWS")
    if not folder:
        pytest.skip("RETRAIN_TEST_REVIEWS does not name the folder of the Naver reviews")
    return Path(folder)


def _execute(postgres: Running, statement: sql.Composed) -> None:
    with closing(psycopg2.connect(postgres.dsn("postgres"))) as session:
        session.autocommit = True  # CREATE and DROP DATABASE refuse to run in a transaction
        session.cursor().execute(statement)
