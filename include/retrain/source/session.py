"""A session that only reads, with the same settings whatever the role, the database or the user's tools have set."""

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import psycopg2
from psycopg2 import errorcodes
from psycopg2.extensions import connection

from retrain.errors import SourceError, SourceMismatchError
from retrain.text import one_line

PATIENCE = 60
"""Seconds that a query waits for a lock of somebody else's."""

SETTINGS = (
    # Each of these changes how a value is written as text, or how a query is read.
    "SET LOCAL TIME ZONE 'UTC'",
    "SET LOCAL datestyle = ISO",
    "SET LOCAL intervalstyle = postgres",
    "SET LOCAL extra_float_digits = 1",
    "SET LOCAL bytea_output = hex",
    "SET LOCAL xmlbinary = base64",
    "SET LOCAL lc_monetary = 'C'",
    "SET LOCAL lc_numeric = 'C'",
    "SET LOCAL lc_time = 'C'",
    "SET LOCAL quote_all_identifiers = off",
    "SET LOCAL standard_conforming_strings = on",
    "SET LOCAL transform_null_equals = off",
    "SET LOCAL row_security = on",
    f"SET LOCAL lock_timeout = '{PATIENCE}s'",
)

_LASTING_STATES = ("0A", "22", "25", "2F", "38", "39", "42", "P0")
"""Classes of SQLSTATE that a retry cannot help: a mistake in the query, bad data, missing rights."""
_LASTING = (psycopg2.ProgrammingError, psycopg2.DataError, psycopg2.NotSupportedError)


@contextmanager
def reading(session: connection, name: str, patience: int = PATIENCE) -> Iterator[Any]:
    """Open a psycopg2 cursor in one read-only transaction. name: the table or query file, for error messages.

    patience: seconds that a query waits for a lock of somebody else's.

    Raises SourceMismatchError where a retry cannot help, otherwise SourceError.
    """
    try:
        # Names of columns may hold letters that the encoding of the role does not have.
        if session.encoding != "UTF8":
            session.set_client_encoding("UTF8")
        session.set_session(isolation_level="REPEATABLE READ", readonly=True)
        # The plain class, whatever the connection's extra asks for: rows are tuples here.
        with session.cursor(cursor_factory=psycopg2.extensions.cursor) as cursor:
            shorter = [f"SET LOCAL lock_timeout = '{patience}s'"] if patience != PATIENCE else []
            cursor.execute("; ".join((*SETTINGS, *shorter)))
            yield cursor
        session.rollback()
    except psycopg2.Error as error:
        raise source_error(error, name, patience) from error


def source_error(error: psycopg2.Error, name: str, patience: int = PATIENCE) -> SourceError:
    """Translate an error of psycopg2 into one of ours. patience: as in `reading`."""
    if error.pgcode == errorcodes.LOCK_NOT_AVAILABLE:
        return SourceError(
            f"{name}: is locked by another session for more than {patience} s: look into pg_stat_activity for a "
            "transaction that stays open, such as an ALTER TABLE or a LOCK"
        )
    lasting = isinstance(error, _LASTING) or is_lasting(error.pgcode)
    return (SourceMismatchError if lasting else SourceError)(f"{name}: {one_line(error)}")


def is_lasting(state: str | None) -> bool:
    """Return whether an error of this SQLSTATE comes again on every try."""
    return state is not None and state.startswith(_LASTING_STATES)
