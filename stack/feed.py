"""Puts rows into a table of PostgreSQL, as an application of the user's would."""

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
    """The rows of a .csv or .tsv file, also .gz, in UTF-8 with a header line.

    dates: column that holds times as ISO 8601 writes them. Raises StackError where the file is none of these.
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
            said = " ".join(str(error).split())
            raise StackError(f"{file}: column {dates!r} holds what is no time: {said}") from error
    return rows


def _parse(file: Path, separator: str) -> pd.DataFrame:
    with warnings.catch_warnings():
        # A row that is longer than the header would be cut.
        warnings.simplefilter("error", pd.errors.ParserWarning)
        rows: pd.DataFrame = pd.read_csv(
            file,
            sep=separator,
            # Tab-separated text is seldom quoted: a lone quotation mark in it is a character like any other.
            quoting=csv.QUOTE_NONE if separator == "\t" else csv.QUOTE_MINIMAL,
            index_col=False,
            keep_default_na=False,
            na_values=[""],
        )
    return rows


def batches(rows: pd.DataFrame, column: str, count: int) -> Iterator[pd.DataFrame]:
    """The rows in the order of a column, in `count` parts of as many rows each, give or take one."""
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
    """Append rows, all or none; the table is made where it is missing, from the types of the rows.

    key: column of the primary key. index: column that gets an index. Raises StackError where PostgreSQL refuses.
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
