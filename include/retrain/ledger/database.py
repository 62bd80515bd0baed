"""The database that holds Retrain's schema: transactions, the lock of a model, and the migrations.

Each method of the ledger is one transaction, and each lock ends with its transaction, so that all of it works through a
transaction-pooling proxy. Statements call the schema `retrain`, and are run in the one that `RETRAIN_SCHEMA` names.
"""

import json
from collections.abc import Callable, Iterator
from contextlib import closing, contextmanager
from datetime import datetime
from pathlib import Path
from typing import Any, cast

import psycopg2
from psycopg2.extensions import connection

from retrain.errors import LedgerError, NotInLedgerError
from retrain.ledger import rights
from retrain.ledger.rights import RUNTIME_ROLE
from retrain.ledger.schema import cursor_in, schema_name
from retrain.text import one_line, sql_name

MIGRATIONS = Path(__file__).parent / "migrations"
_BREAKING = ".breaking"
_BEFORE_RELEASE = "0001_ledger"
"""Name of the first migration in schemas that are older than the first release."""


class Database:
    """Transactions and migrations. Every method raises LedgerError if the database cannot be reached."""

    def __init__(self, connect: Callable[[], connection], *, patience: int = 300, schema: str | None = None) -> None:
        """connect: opens a connection to the database. schema: None for the one that `RETRAIN_SCHEMA` names.

        patience: seconds after which a process that holds a model's lock and does nothing loses it. It must be more
        than the calls to MLflow of one change of Production take together. Raises SettingsError if the schema's name
        is not a plain one.
        """
        self._connect = connect
        self._patience = patience
        self.schema = schema_name(schema)
        self._cursor = cursor_in(self.schema)

    def migrate(self, runtime_role: str | None = None) -> list[str]:
        """Bring the schema up to date, as its owner, or as a role that may create it. Returns the migrations that ran.

        runtime_role: the role of tasks, which gets the rights that they need; None for `retrain_task`, if it is there.
        Raises LedgerError if it is not.
        """
        with self._transaction() as cursor:
            # If two processes migrate at once, the second one waits and finds nothing to do.
            cursor.execute("SELECT pg_advisory_xact_lock(hashtext(%s))", (f"{self.schema}/migrate",))
            cursor.execute("SELECT 1 FROM pg_namespace WHERE nspname = %s", (self.schema,))
            if cursor.fetchone() is None:  # looked up: IF NOT EXISTS, too, needs the right to create one
                cursor.execute(f"CREATE SCHEMA {sql_name(self.schema)}")
            cursor.execute("CREATE TABLE IF NOT EXISTS retrain.migrations (name text PRIMARY KEY)")
            done = _done(cursor)
            self._refuse_old(done)
            pending = [file for file in _migration_files() if file.stem not in done]
            for file in pending:
                cursor.execute(file.read_text(encoding="utf-8"))
                cursor.execute("INSERT INTO retrain.migrations VALUES (%s)", (file.stem,))
            self._give_rights(cursor, runtime_role)
        return [file.stem for file in pending]

    def _give_rights(self, cursor: Any, role: str | None) -> None:
        cursor.execute("SELECT 1 FROM pg_roles WHERE rolname = %s", (role or RUNTIME_ROLE,))
        if cursor.fetchone() is not None:
            for statement in rights.of_runtime(role or RUNTIME_ROLE, self.schema):
                cursor.execute(statement)
        elif role is not None:
            raise LedgerError(
                f"role {role}: is not there; make it (`retrain migrate --sql` prints how), or name another"
            )

    def make_schema(self, name: str) -> None:
        """Make another schema beside this one, for tables of others, unless it is there.

        Raises LedgerError where this role may not.
        """
        with self._transaction() as cursor:
            cursor.execute("SELECT 1 FROM pg_namespace WHERE nspname = %s", (name,))
            if cursor.fetchone() is not None:
                return
            cursor.execute("SELECT has_database_privilege(current_database(), 'CREATE') AS may")
            if not cursor.fetchone()["may"]:
                raise LedgerError(
                    f"schema {name}: is not there, and this role may not make it; let an administrator run what "
                    "`retrain migrate --sql` prints"
                )
            cursor.execute(f"CREATE SCHEMA {sql_name(name)}")

    def grant_schema(self, name: str, runtime_role: str | None = None) -> None:
        """Let the role of tasks read and write all rows of that schema. runtime_role: as in `migrate`."""
        role = runtime_role or RUNTIME_ROLE
        with self._transaction() as cursor:
            cursor.execute("SELECT 1 FROM pg_roles WHERE rolname = %s", (role,))
            if cursor.fetchone() is not None:
                for statement in rights.of_schema(role, name):
                    cursor.execute(statement)

    def connection(self) -> connection:
        """Open a connection, for what keeps tables of its own beside these. Raises psycopg2's errors."""
        return self._connect()

    def check(self) -> None:
        """Raises LedgerError if this code cannot work with the tables: one is missing, or was changed.

        Tasks of an old version go on after a new version has migrated. So migrations only add; one that does more has
        a name that says so, `0009_what.breaking.sql`.
        """
        with self._transaction() as cursor:
            cursor.execute("SELECT to_regclass('retrain.migrations') AS found")
            exists = cursor.fetchone()["found"]
            done = _done(cursor) if exists else set()
        self._refuse_old(done)
        known = {file.stem for file in _migration_files()}
        if known - done:
            raise LedgerError(f"schema {self.schema} lacks {', '.join(sorted(known - done))}; run `retrain migrate`")
        if broken := [name for name in sorted(done - known) if name.endswith(_BREAKING)]:
            raise LedgerError(f"schema {self.schema} is newer than this code ({', '.join(broken)}); update Retrain")

    def missing_rights(self) -> list[str]:
        """Return what the runtime role should be allowed with these tables and this login is not, as `UPDATE of …`."""
        with self._transaction() as cursor:
            return [what for what, query, values in rights.asked(self.schema) if not _yes(cursor, query, values)]

    def now(self) -> datetime:
        """Return the time by the database's clock."""
        with self._transaction() as cursor:
            cursor.execute("SELECT clock_timestamp() AS now")
            return cast(datetime, cursor.fetchone()["now"])

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
                with connection.cursor(cursor_factory=self._cursor) as cursor:
                    yield cursor
        except psycopg2.Error as error:
            raise LedgerError(f"the ledger: {one_line(error)}") from error

    def _refuse_old(self, done: set[str]) -> None:
        if _BEFORE_RELEASE in done:
            raise LedgerError(
                f"schema {self.schema} is from before the first release, and its tables have other names now; back up "
                f"its database, run `DROP SCHEMA {self.schema} CASCADE` there as its owner, then `retrain migrate`: "
                "the history of Production begins anew, and what is in Production is found as a change by hand"
            )


def _yes(cursor: Any, query: str, values: tuple[str, ...]) -> bool:
    cursor.execute(query, values)
    return bool(cursor.fetchone()["may"])


def add_model(cursor: Any, model: str) -> None:
    """Make the row of a model, unless it is there: who adopts a Production, or takes a first snapshot."""
    cursor.execute("INSERT INTO retrain.models (model) VALUES (%s) ON CONFLICT DO NOTHING", (model,))


def lock_model(cursor: Any, model: str) -> None:
    """Lock the model: until the transaction ends, no other process decides about it."""
    # Not FOR UPDATE: rows that refer to the model, such as a new snapshot, need not wait for a promotion.
    cursor.execute("SELECT 1 FROM retrain.models WHERE model = %s FOR NO KEY UPDATE", (model,))
    if cursor.fetchone() is None:
        raise NotInLedgerError(f"{model}: has no snapshot and no adopted version yet, so there is nothing to decide")


def to_json(value: dict[str, Any]) -> str:
    return json.dumps(value, ensure_ascii=False)


def _done(cursor: Any) -> set[str]:
    cursor.execute("SELECT name FROM retrain.migrations")
    return {row["name"] for row in cursor.fetchall()}


def _migration_files() -> list[Path]:
    return sorted(MIGRATIONS.glob("*.sql"))
