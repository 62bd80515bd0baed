"""Where studies are: Optuna's own tables, in a schema of their own beside Retrain's.

Of their own, as Optuna keeps the version of its tables in `alembic_version`, a name that Airflow and MLflow use, too.
"""

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import psycopg2
from psycopg2.extensions import TRANSACTION_STATUS_IDLE, connection, cursor

from retrain import extras
from retrain.errors import LedgerError, MissingExtraError
from retrain.ledger.ledger import Ledger
from retrain.ledger.rights import studies_in
from retrain.text import one_line, sql_name

try:
    import optuna
    import sqlalchemy.exc
    from optuna.exceptions import StorageInternalError
    from optuna.storages import RDBStorage
except ModuleNotFoundError as error:
    raise MissingExtraError(f"search needs an extra; {extras.remedy('tune')}") from error

optuna.logging.set_verbosity(optuna.logging.WARNING)

_URL = "postgresql+psycopg2://"
"""Where to connect is what the ledger's connection says."""
_WAIT = 60
"""Seconds that a statement waits for a lock."""


def schema_of(ledger: Ledger) -> str:
    """Return the name of the schema of the studies."""
    return studies_in(ledger.schema)


def migrate(ledger: Ledger, runtime_role: str | None = None) -> None:
    """Make Optuna's tables unless they are there, as their owner, and give the role of tasks its rights.

    Raises LedgerError where they are of a version of Optuna's that this one does not know.
    """
    schema = schema_of(ledger)
    ledger.make_schema(schema)
    _opened(ledger, creates=True).engine.dispose()
    ledger.grant_schema(schema, runtime_role)


@contextmanager
def storage(ledger: Ledger) -> Iterator[RDBStorage]:
    """Give Optuna's storage for as long as the block runs. Raises LedgerError where it cannot be reached."""
    with _translated():
        opened = _opened(ledger, creates=False)
        try:
            yield opened
        finally:
            opened.engine.dispose()


def _opened(ledger: Ledger, *, creates: bool) -> RDBStorage:
    with _translated():
        opened = RDBStorage(
            _URL,
            engine_kwargs={
                "creator": lambda: _in_schema(ledger.connection(), schema_of(ledger)),
                # One, and not a second within it: two that each hold one of a proxy's two would wait for each other.
                "pool_size": 1,
                "max_overflow": 1 if creates else 0,
            },
            # Optuna's own check holds a connection while it waits for another one.
            skip_compatibility_check=True,
            skip_table_creation=not creates,
        )
        here, there = opened.get_head_version(), opened.get_current_version()
    if here != there:
        opened.engine.dispose()
        raise LedgerError(
            f"the studies: their tables are of version {there}, and Optuna {optuna.__version__} works with {here}; "
            f"run `DROP SCHEMA {sql_name(schema_of(ledger))} CASCADE` as their owner, then `retrain "
            "migrate`: studies of ended cycles are lost, what they have found is in MLflow"
        )
    return opened


@contextmanager
def _translated() -> Iterator[None]:
    try:
        yield
    except (StorageInternalError, sqlalchemy.exc.SQLAlchemyError, psycopg2.Error) as error:
        cause = error.__cause__ or error
        missing = isinstance(getattr(cause, "orig", cause), psycopg2.errors.UndefinedTable)
        remedy = "; run `retrain migrate` where the extra tune is installed" if missing else ""
        raise LedgerError(f"the studies: {one_line(getattr(cause, 'orig', None) or cause)}{remedy}") from error


def _in_schema(opened: connection, schema: str) -> connection:
    """Return the connection, all of whose transactions look for tables in this schema alone.

    Each says so itself: behind a proxy that pools transactions, what a session has set is of whoever comes next.
    """
    path = f"SET LOCAL search_path TO {sql_name(schema)}; SET LOCAL lock_timeout TO '{_WAIT}s'"

    class InSchema(cursor):
        def execute(self, query: Any, vars: Any = None) -> None:
            self._begin()
            super().execute(query, vars)

        def executemany(self, query: Any, vars_list: Any) -> None:
            self._begin()
            super().executemany(query, vars_list)

        def _begin(self) -> None:
            if not self.connection.autocommit and self.connection.info.transaction_status == TRANSACTION_STATUS_IDLE:
                super().execute(path)

    opened.cursor_factory = InSchema
    return opened
