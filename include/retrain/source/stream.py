"""Run one SELECT and stream its rows as Arrow batches, in bounded memory.

ADBC reads PostgreSQL's binary format directly into Arrow, on a connection of its own with the same settings as the
given one. Where its driver is not installed (it has no wheel for some platforms), psycopg2 copies the rows to a
temporary file with COPY, which is slower.
"""

import logging
import re
import tempfile
from collections.abc import Generator, Iterator
from contextlib import closing, contextmanager
from typing import Any

import pyarrow as pa
from psycopg2 import sql
from psycopg2.extensions import connection, make_dsn, parse_dsn
from pyarrow import csv

from retrain import extras
from retrain.errors import SourceError, SourceMismatchError
from retrain.source.session import SETTINGS, is_lasting, reading

_BATCH = 8 << 20
"""Approximate size of a batch in bytes; a row larger than this is a batch of its own."""
_BLOCK = 64 << 20
"""Bytes that the CSV parser reads at once; a row must not be longer."""
_FIRST, _LAST = -210_866_803_200_000_000, 253_402_300_799_999_999
"""In microseconds since 1970: the first time that PostgreSQL can hold (where the driver overflows, it is earlier), and
the last of the year 9999, after which Python knows none."""
_EXAMPLES = 5

log = logging.getLogger(__name__)


@contextmanager
def selected(session: connection, statement: sql.Composable, schema: pa.Schema, name: str) -> Iterator[Any]:
    """Open a `pyarrow.RecordBatchReader` of this schema over the statement's result.

    session: its address and role are used to connect. statement: selects 64-bit integers, doubles, booleans, text and
    `timestamptz` only. name: the table or query file, for error messages. This function and the reader raise
    SourceMismatchError where a retry cannot help, otherwise SourceError.
    """
    text = statement.as_string(session)
    batches = (_by_adbc if extras.has("adbc") else _by_copy)(session, text, schema, name)
    with closing(batches):
        yield pa.RecordBatchReader.from_batches(schema, batches)


def _by_adbc(session: connection, statement: str, schema: pa.Schema, name: str) -> Generator[pa.RecordBatch]:
    # Imported here because it is slow, and counting rows does not need it.
    import adbc_driver_manager
    from adbc_driver_postgresql import StatementOptions, dbapi

    # Only what was given, not `info.dsn_parameters`, which also has the defaults of psycopg2's libpq: the driver has a
    # libpq of its own, and one that is older does not know them all.
    given = {name: value for name, value in parse_dsn(session.dsn).items() if name != "password"}
    secret = {"password": session.info.password} if session.info.password else {}
    # Arrow's text is UTF-8, whatever the encoding of the role. PostgreSQL checks that it is, also in SQL_ASCII.
    dsn = make_dsn(**{**given, **secret, "client_encoding": "UTF8"})
    try:
        with dbapi.connect(dsn) as own, own.cursor() as cursor:
            for setting in ("SET TRANSACTION ISOLATION LEVEL REPEATABLE READ READ ONLY", *SETTINGS):
                cursor.execute(setting)
            cursor.adbc_statement.set_options(**{StatementOptions.BATCH_SIZE_HINT_BYTES.value: str(_BATCH)})
            cursor.execute(statement)
            for batch in cursor.fetch_record_batch():
                yield _as(batch, schema, name)
    except (adbc_driver_manager.Error, OSError, pa.ArrowException) as error:
        if is_lasting(getattr(error, "sqlstate", None)):
            raise SourceMismatchError(f"{name}: {_server_message(error)}") from error
        # While rows are being read, the driver gives no SQLSTATE. Another one does, and says what a retry would meet.
        _require_readable(session, statement, name)
        raise SourceError(f"{name}: {_server_message(error)}") from error


def _require_readable(session: connection, statement: str, name: str) -> None:
    """Let the server compute every row and send none. Raises SourceMismatchError if it cannot."""
    try:
        with reading(session, name) as cursor:
            cursor.copy_expert(f"COPY ({statement}) TO STDOUT", _Nowhere())
    except SourceMismatchError:
        raise
    except SourceError as error:
        log.info("Asked again, the source fails like this: %s", error)


class _Nowhere:
    """A file that keeps nothing."""

    def write(self, text: Any) -> int:
        return len(text)


def _server_message(error: Exception) -> str:
    """Return PostgreSQL's message, without what the driver adds and without the query."""
    text = re.split(r"\nQuery was: |\. SQLSTATE: ", str(error))[0]
    text = re.split(r"(?:ERROR|FATAL):\s+|\[libpq\] (?:Failed to connect: )?", text)[-1]
    return " ".join(text.split())


def _as(batch: pa.RecordBatch, schema: pa.Schema, name: str) -> pa.RecordBatch:
    columns = [column.cast(field.type) for column, field in zip(batch.columns, schema, strict=True)]
    made = pa.RecordBatch.from_arrays(columns, schema=schema)
    if "label_time" in schema.names:
        _refuse_far_times(made, name)
    return made


def _refuse_far_times(batch: pa.RecordBatch, name: str) -> None:
    """Raise SourceMismatchError for a time after the year 9999, or an infinite one. The log names the keys; the message
    does not, as it goes to the team's channels.
    """
    # As above.
    import pyarrow.compute as pc

    times = batch.column("label_time").cast(pa.int64())
    far = pc.indices_nonzero(pc.or_(pc.less(times, _FIRST), pc.greater(times, _LAST)))
    if len(far):
        if "key" in batch.schema.names:
            keys = batch.column("key").take(far[:_EXAMPLES]).to_pylist()
            log.error("%s: the label time of the rows with these keys is out of range: %s", name, keys)
        raise SourceMismatchError(
            f"{name}: the label time is infinite or out of range (after the year 9999) in {len(far):,} rows or more, "
            "whose keys are in the task's log; correct them, or leave them out in a query file"
        )


def _by_copy(session: connection, statement: str, schema: pa.Schema, name: str) -> Generator[pa.RecordBatch]:
    times = {field.name for field in schema if pa.types.is_timestamp(field.type)}
    names = [f"c{position}" for position in range(len(schema))]
    # Microseconds as a number are exact, and need no date format.
    expressions = [
        f"(extract(epoch FROM {column}) * 1000000)::bigint" if field.name in times else column
        for column, field in zip(names, schema, strict=True)
    ]
    rows = f"SELECT {', '.join(expressions)} FROM ({statement}) AS selected ({', '.join(names)})"  # noqa: S608 - our own names
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
                        # With FORCE_QUOTE an empty text is written as "", a NULL as nothing.
                        quoted_strings_can_be_null=False,
                        true_values=["t"],
                        false_values=["f"],
                    ),
                )
            )
        except pa.ArrowException as error:
            raise SourceMismatchError(f"{name}: cannot be parsed: {error}") from error
