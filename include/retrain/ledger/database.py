"""The database that holds schema `retrain`: transactions, the lock of a model, and the migrations.

Each method of the ledger is one transaction, and each lock ends with its transaction, so that all of it works through a
transaction-pooling proxy.
"""

import json
from collections.abc import Callable, Iterator
from contextlib import closing, contextmanager
from pathlib import Path
from typing import Any

import psycopg2
from psycopg2.extensions import connection
from psycopg2.extras import RealDictCursor

from retrain.errors import LedgerError, NotInLedgerError
from retrain.text import one_line

MIGRATIONS = Path(__file__).parent / "migrations"
TASK_ROLE = "retrain_task"
_BREAKING = ".breaking"
_BEFORE_RELEASE = "0001_ledger"
"""Name of the first migration in schemas that are older than the first release."""


class Database:
    """Transactions and migrations. Every method raises LedgerError if the database cannot be reached."""

    def __init__(self, connect: Callable[[], connection], *, patience: int = 300) -> None:
        """connect: opens a connection to the database that holds schema `retrain`.

        patience: seconds after which a process that holds a model's lock and does nothing loses it. It must be more
        than the calls to MLflow of one change of Production take together.
        """
        self._connect = connect
        self._patience = patience

    def migrate(self) -> list[str]:
        """Bring the schema up to date, as a role that may create tables. Returns the migrations that were run."""
        with self._transaction() as cursor:
            # If two processes migrate at once, the second one waits and finds nothing to do.
            cursor.execute("SELECT pg_advisory_xact_lock(hashtext('retrain.migrate'))")
            cursor.execute("CREATE SCHEMA IF NOT EXISTS retrain")
            cursor.execute("CREATE TABLE IF NOT EXISTS retrain.migrations (name text PRIMARY KEY)")
            done = _done(cursor)
            _refuse_old(done)
            pending = [file for file in _migration_files() if file.stem not in done]
            for file in pending:
                cursor.execute(file.read_text(encoding="utf-8"))
                cursor.execute("INSERT INTO retrain.migrations VALUES (%s)", (file.stem,))
            cursor.execute("SELECT 1 FROM pg_roles WHERE rolname = %s", (TASK_ROLE,))
            if cursor.fetchone():
                cursor.execute(f"GRANT USAGE ON SCHEMA retrain TO {TASK_ROLE}")
                cursor.execute(f"GRANT SELECT, INSERT, UPDATE ON ALL TABLES IN SCHEMA retrain TO {TASK_ROLE}")
        return [file.stem for file in pending]

    def check(self) -> None:
        """Raises LedgerError if this code cannot work with the tables: one is missing, or was changed.

        Tasks of an old version go on after a new version has migrated. So migrations only add; one that does more has
        a name that says so, `0009_what.breaking.sql`.
        """
        with self._transaction() as cursor:
            cursor.execute("SELECT to_regclass('retrain.migrations') AS found")
            exists = cursor.fetchone()["found"]
            done = _done(cursor) if exists else set()
        _refuse_old(done)
        known = {file.stem for file in _migration_files()}
        if known - done:
            raise LedgerError(f"schema retrain lacks {', '.join(sorted(known - done))}; run `retrain migrate`")
        if broken := [name for name in sorted(done - known) if name.endswith(_BREAKING)]:
            raise LedgerError(f"schema retrain is newer than this code ({', '.join(broken)}); update Retrain")

    def _value(self, query: str, values: Any) -> Any:
        """Return the only column of the first row; None if there is no row."""
        with self._transaction() as cursor:
            cursor.execute(query, values)
            row = cursor.fetchone()
        return None if row is None else next(iter(row.values()))

    @contextmanager
    def _transaction(self) -> Iterator[Any]:
        """Give a cursor whose rows are dictionaries. Commits when the block ends without an error."""
        try:
            with closing(self._connect()) as connection, connection:
                if connection.encoding != "UTF8":  # a setting of the role or the database
                    connection.set_client_encoding("UTF8")
                with connection.cursor(cursor_factory=RealDictCursor) as cursor:
                    yield cursor
        except psycopg2.Error as error:
            raise LedgerError(f"the ledger: {one_line(error)}") from error


def lock_model(cursor: Any, model: str) -> None:
    """Lock the model: until the transaction ends, no other process decides about it."""
    # Not FOR UPDATE: rows that refer to the model, such as a new snapshot, need not wait for a promotion.
    cursor.execute("SELECT 1 FROM retrain.models WHERE model = %s FOR NO KEY UPDATE", (model,))
    if cursor.fetchone() is None:
        raise NotInLedgerError(f"{model}: has no snapshot yet, so there is nothing to decide")


def to_json(value: dict[str, Any]) -> str:
    return json.dumps(value, ensure_ascii=False)


def _done(cursor: Any) -> set[str]:
    cursor.execute("SELECT name FROM retrain.migrations")
    return {row["name"] for row in cursor.fetchall()}


def _refuse_old(done: set[str]) -> None:
    if _BEFORE_RELEASE in done:
        raise LedgerError(
            "schema retrain is from before the first release, and its tables have other names now: back up its "
            "database, run `DROP SCHEMA retrain CASCADE` there as its owner, then `retrain migrate`; the history of "
            "Production begins anew, and what is in Production is found as a change by hand"
        )


def _migration_files() -> list[Path]:
    return sorted(MIGRATIONS.glob("*.sql"))
