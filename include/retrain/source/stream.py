"""Runs one SELECT and gives its rows as Arrow batches, in bounded memory.

By ADBC, which reads PostgreSQL's binary format straight into Arrow, on a connection of its own with the settings of the
one it is given. Where there is no wheel of its driver, by psycopg2's COPY to a temporary file, which is slower.
"""

import re
import tempfile
from collections.abc import Generator, Iterator
from contextlib import closing, contextmanager
from importlib.util import find_spec
from typing import Any

import psycopg2
import pyarrow as pa
from psycopg2 import sql
from psycopg2.extensions import connection, make_dsn
from pyarrow import csv

from retrain.errors import SourceError, SourceMismatchError

# What no retry can help, by the class of PostgreSQL's SQLSTATE: a mistake in the query, its data, a lack of rights.
_LASTING_STATES = ("0A", "22", "25", "42")
_LASTING = (psycopg2.ProgrammingError, psycopg2.DataError, psycopg2.NotSupportedError)
_BATCH = 8 << 20
"""Bytes, about; of rows that are larger, a batch holds one."""
_BLOCK = 64 << 20
"""Bytes that the parser of CSV takes at once; no row may be longer."""
_FIRST_TIME = -210_866_803_200_000_000
"""PostgreSQL's first, in microseconds since 1970."""
_SETTINGS = "SET LOCAL TIME ZONE 'UTC'; SET LOCAL datestyle = ISO"
"""So that the role's own settings do not change what is read."""


@contextmanager
def reading(session: connection, name: str) -> Iterator[Any]:
    """A psycopg2 cursor in one read-only transaction. name: of what is read, for errors.

    Raises SourceMismatchError for what no retry can help, SourceError for the rest.
    """
    try:
        session.set_session(isolation_level="REPEATABLE READ", readonly=True)
        with session.cursor() as cursor:
            cursor.execute(_SETTINGS)
            yield cursor
        session.rollback()
    except psycopg2.Error as error:
        raise told(error, name) from error


def told(error: psycopg2.Error, name: str) -> SourceError:
    """The error of ours for one of psycopg2's."""
    kind = SourceMismatchError if isinstance(error, _LASTING) else SourceError
    return kind(f"{name}: {' '.join(str(error).split())}")


@contextmanager
def selected(session: connection, statement: sql.Composable, schema: pa.Schema, name: str) -> Iterator[Any]:
    """What the statement gives, as a `pyarrow.RecordBatchReader` of this schema.

    session: where to connect, and as whom. statement: gives 64-bit whole numbers, doubles, booleans, text and
    `timestamptz`. name: of what is read, for errors. The reader's own errors, and those on the way to it, are
    SourceMismatchError where no retry can help, and otherwise SourceError.
    """
    text = statement.as_string(session)
    batches = (_by_adbc if _has_adbc() else _by_copy)(session, text, schema, name)
    with closing(batches):
        yield pa.RecordBatchReader.from_batches(schema, batches)


def _has_adbc() -> bool:
    return find_spec("adbc_driver_postgresql") is not None


def _by_adbc(session: connection, statement: str, schema: pa.Schema, name: str) -> Generator[pa.RecordBatch]:
    # Here, because it takes long, and who counts rows does not need it.
    import adbc_driver_manager
    from adbc_driver_postgresql import StatementOptions, dbapi

    # The role's own encoding is of no use: Arrow's text is UTF-8. That it is, PostgreSQL sees to, also in SQL_ASCII.
    secret = {"password": session.info.password} if session.info.password else {}
    dsn = make_dsn(**{**session.info.dsn_parameters, **secret, "client_encoding": "UTF8"})
    try:
        with dbapi.connect(dsn) as own, own.cursor() as cursor:
            for setting in ("SET TRANSACTION ISOLATION LEVEL REPEATABLE READ READ ONLY", *_SETTINGS.split("; ")):
                cursor.execute(setting)
            cursor.adbc_statement.set_options(**{StatementOptions.BATCH_SIZE_HINT_BYTES.value: str(_BATCH)})
            cursor.execute(statement)
            for batch in cursor.fetch_record_batch():
                yield _as(batch, schema, name)
    except (adbc_driver_manager.Error, OSError, pa.ArrowException) as error:
        # In the middle of the rows the driver tells no SQLSTATE: that is tried again.
        state = getattr(error, "sqlstate", None) or ""
        kind = SourceMismatchError if state.startswith(_LASTING_STATES) else SourceError
        raise kind(f"{name}: {_message(error)}") from error


def _message(error: Exception) -> str:
    """PostgreSQL's own words, without those of the driver and without the query."""
    words = re.split(r"\nQuery was: |\. SQLSTATE: ", str(error))[0]
    words = re.split(r"(?:ERROR|FATAL):\s+|\[libpq\] (?:Failed to connect: )?", words)[-1]
    return " ".join(words.split())


def _as(batch: pa.RecordBatch, schema: pa.Schema, name: str) -> pa.RecordBatch:
    columns = [column.cast(field.type) for column, field in zip(batch.columns, schema, strict=True)]
    for column in columns:
        if pa.types.is_timestamp(column.type):
            _refuse_overflow(column, name)
    return pa.RecordBatch.from_arrays(columns, schema=schema)


def _refuse_overflow(times: pa.Array, name: str) -> None:
    """The driver counts from 1970 without looking whether 64 bits hold that: what they do not hold turns negative."""
    if times.cast(pa.int64()).fill_null(0).to_numpy().min(initial=0) < _FIRST_TIME:
        raise SourceMismatchError(f"{name}: a time is infinite, or out of range; leave its row out in a query file")


def _by_copy(session: connection, statement: str, schema: pa.Schema, name: str) -> Generator[pa.RecordBatch]:
    times = {field.name for field in schema if pa.types.is_timestamp(field.type)}
    places = [f"c{place}" for place in range(len(schema))]
    # Microseconds as a number: exact, and no date format to agree on.
    parts = [
        f"(extract(epoch FROM {place}) * 1000000)::bigint" if field.name in times else place
        for place, field in zip(places, schema, strict=True)
    ]
    rows = f"SELECT {', '.join(parts)} FROM ({statement}) AS selected ({', '.join(places)})"  # noqa: S608 - names of ours
    with tempfile.TemporaryFile() as file:
        with reading(session, name) as cursor:
            cursor.copy_expert(f"COPY ({rows}) TO STDOUT (FORMAT csv, FORCE_QUOTE *, ENCODING 'UTF8')", file)
        if file.tell() == 0:
            return  # an empty CSV has no columns, so pyarrow refuses it
        file.seek(0)
        try:
            yield from (
                _as(batch, schema, name)
                for batch in csv.open_csv(
                    file,
                    read_options=csv.ReadOptions(column_names=schema.names, block_size=_BLOCK),
                    parse_options=csv.ParseOptions(newlines_in_values=True),
                    convert_options=csv.ConvertOptions(
                        column_types={each.name: pa.int64() if each.name in times else each.type for each in schema},
                        null_values=[""],
                        strings_can_be_null=True,
                        # FORCE_QUOTE tells an empty text ("") from a NULL (nothing).
                        quoted_strings_can_be_null=False,
                        true_values=["t"],
                        false_values=["f"],
                    ),
                )
            )
        except pa.ArrowException as error:
            raise SourceMismatchError(f"{name}: cannot be parsed: {error}") from error
