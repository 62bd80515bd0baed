"""The database that holds schema `retrain`: transactions, the lock of a model, and the migrations.

One method of the ledger is one transaction, and every lock is a row lock inside of one, so that all of it works through
a transaction-pooling proxy.
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

MIGRATIONS = Path(__file__).parent / "migrations"
TASK_ROLE = "retrain_task"
_BREAKING = ".breaking"
_OF_BEFORE = "0001_ledger"
"""First migration of the tables as they were before the first release."""


class Database:
    """Every method raises LedgerError where the database cannot be reached."""

    def __init__(self, connect: Callable[[], connection], *, patience: int = 300) -> None:
        """connect: opens a connection to the database that holds schema `retrain`.

        patience: seconds for which a model stays locked by a process that does nothing; more than all calls to MLflow
        take that belong to one change of Production.
        """
        self._connect = connect
        self._patience = patience

    def migrate(self) -> list[str]:
        """Bring the schema up to date, as a role that may create. Returns the migrations that were run."""
        with self._transaction() as cursor:
            # Two who migrate at once: the second waits, and finds nothing to do.
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
        """Raises LedgerError where this code cannot work with the tables: something is missing, or was changed.

        Tasks of an old version run on while a new one has migrated already: migrations add, and one that does more
        says so in its name, `0009_what.breaking.sql`.
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
        """The one column of the first row; None where there is no row."""
        with self._transaction() as cursor:
            cursor.execute(query, values)
            row = cursor.fetchone()
        return None if row is None else next(iter(row.values()))

    @contextmanager
    def _transaction(self) -> Iterator[Any]:
        """A cursor whose rows are dictionaries; what it did is kept when the block ends without an error."""
        try:
            with closing(self._connect()) as connection, connection:  # noqa: SIM117 - commits before it closes
                with connection.cursor(cursor_factory=RealDictCursor) as cursor:
                    yield cursor
        except psycopg2.Error as error:
            raise LedgerError(f"the ledger: {' '.join(str(error).split())}") from error


def lock_model(cursor: Any, model: str) -> None:
    """Keep others from deciding about this model until the transaction ends."""
    # Not FOR UPDATE: rows that refer to the model, a new snapshot say, need not wait for a promotion.
    cursor.execute("SELECT 1 FROM retrain.models WHERE model = %s FOR NO KEY UPDATE", (model,))
    if cursor.fetchone() is None:
        raise NotInLedgerError(f"{model}: has no snapshot yet, so there is nothing to decide")


def to_json(value: dict[str, Any]) -> str:
    return json.dumps(value, ensure_ascii=False)


def _done(cursor: Any) -> set[str]:
    cursor.execute("SELECT name FROM retrain.migrations")
    return {row["name"] for row in cursor.fetchall()}


def _refuse_old(done: set[str]) -> None:
    if _OF_BEFORE in done:
        raise LedgerError(
            "schema retrain is from before the first release, and its tables have other names now: back up its "
            "database, run `DROP SCHEMA retrain CASCADE` there as its owner, then `retrain migrate`; the history of "
            "Production begins anew, and what is in Production is found as a change by hand"
        )


def _migration_files() -> list[Path]:
    return sorted(MIGRATIONS.glob("*.sql"))
