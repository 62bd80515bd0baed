"""Puts rows into a table of PostgreSQL, as the user's application would."""

import csv
import io
import warnings
import zlib
from collections.abc import Iterator
from itertools import pairwise
from pathlib import Path

import pandas as pd
from pandas.api import types
from psycopg2 import Error, sql
from psycopg2.extensions import connection

from stack.errors import StackError

_SEPARATORS = {".csv": ",", ".tsv": "\t"}


def read(file: Path, dates: str | None = None) -> pd.DataFrame:
    """Return the rows of a .csv or .tsv file, also .gz, in UTF-8 with a header line.

    dates: column with times in ISO 8601. Raises StackError if the file or that column cannot be read as such.
    """
    separator = _SEPARATORS.get(Path(file.name.removesuffix(".gz")).suffix)
    if separator is None:
        raise StackError(f"{file}: is neither .csv nor .tsv (also .gz): name a file of rows")
    try:
        rows = _parse(file, separator)
    except (OSError, ValueError, EOFError, zlib.error, pd.errors.ParserWarning) as error:
        raise StackError(f"{file}: cannot be read: {' '.join(str(error).split())}") from error
    if dates is not None and dates in rows.columns:
        try:
            rows[dates] = pd.to_datetime(rows[dates].astype("string"), format="ISO8601")
        except ValueError as error:
            reason = " ".join(str(error).split())
            raise StackError(f"{file}: column {dates!r} holds a value that is not a time: {reason}") from error
    return rows


def _parse(file: Path, separator: str) -> pd.DataFrame:
    with warnings.catch_warnings():
        # Without this a row that is longer than the header would be cut.
        warnings.simplefilter("error", pd.errors.ParserWarning)
        rows: pd.DataFrame = pd.read_csv(
            file,
            sep=separator,
            # Tab-separated text is seldom quoted: a single quotation mark in it is a character like any other.
            quoting=csv.QUOTE_NONE if separator == "\t" else csv.QUOTE_MINIMAL,
            index_col=False,
            keep_default_na=False,
            na_values=[""],
        )
    return rows


def batches(rows: pd.DataFrame, column: str, count: int) -> Iterator[pd.DataFrame]:
    """Yield the rows, sorted by a column, in `count` parts whose sizes differ by at most one."""
    ordered = rows.sort_values(column, kind="stable")
    ends = [round(len(ordered) * part / count) for part in range(count + 1)]
    for begin, end in pairwise(ends):
        yield ordered.iloc[begin:end]


def exists(database: connection, table: str) -> bool:
    with database, database.cursor() as cursor:
        cursor.execute("SELECT to_regclass(%s)", (table,))
        row = cursor.fetchone()
    return row is not None and row[0] is not None


def load(database: connection, table: str, rows: pd.DataFrame, *, key: str, index: str | None = None) -> None:
    """Append all rows or none. A table that is missing is made from the types of the rows.

    key: column of the primary key. index: column that gets an index. Raises StackError if PostgreSQL refuses.
    """
    name = sql.Identifier(*table.split("."))
    columns = [(sql.Identifier(column), _type(rows[column])) for column in rows.columns]
    text = io.StringIO()
    rows.to_csv(text, index=False, header=False, na_rep="", quoting=csv.QUOTE_NONNUMERIC)
    text.seek(0)
    try:
        with database, database.cursor() as cursor:
            cursor.execute(
                sql.SQL("CREATE TABLE IF NOT EXISTS {} ({}, PRIMARY KEY ({}))").format(
                    name,
                    sql.SQL(", ").join(sql.SQL("{} {}").format(column, sql.SQL(type_)) for column, type_ in columns),
                    sql.Identifier(key),
                )
            )
            if index is not None:
                cursor.execute(
                    sql.SQL("CREATE INDEX IF NOT EXISTS {} ON {} ({})").format(
                        sql.Identifier(f"{table.rsplit('.', maxsplit=1)[-1]}_{index}"), name, sql.Identifier(index)
                    )
                )
            cursor.copy_expert(
                sql.SQL("COPY {} ({}) FROM STDIN (FORMAT csv, FORCE_NULL ({}))").format(
                    name, *[sql.SQL(", ").join(column for column, _ in columns)] * 2
                ),
                text,
            )
    except Error as error:
        raise StackError(f"table {table}: the rows cannot be loaded: {' '.join(str(error).split())}") from error


def _type(column: pd.Series) -> str:
    if types.is_bool_dtype(column):
        return "boolean"
    if types.is_integer_dtype(column):
        return "bigint"
    if types.is_float_dtype(column):
        return "double precision"
    if types.is_datetime64_any_dtype(column):
        return "timestamptz"
    return "text"
