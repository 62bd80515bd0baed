"""Reads the user's table. Never writes to it."""

import tempfile
from collections.abc import Callable, Iterator
from contextlib import closing, contextmanager
from datetime import datetime
from difflib import get_close_matches
from typing import Any

import psycopg2
import pyarrow as pa
from psycopg2 import sql
from psycopg2.extensions import connection
from pyarrow import csv

from retrain import spec
from retrain.errors import SourceError, SourceMismatchError

LABEL_TIME = pa.timestamp("us", tz="UTC")

# Type OIDs of PostgreSQL that keep their type; everything else is read as text.
_INTEGERS, _FLOATS, _BOOL = {20, 21, 23}, {700, 701, 1700}, 16
_TIMES = {1082, 1114, 1184}
_BLOCK = 64 << 20
"""Bytes that are parsed at once: no row may be longer."""


class Source:
    """The labelled rows of one spec.

    Every method raises SourceError when the table is not as the spec says, or cannot be reached.
    """

    def __init__(self, connect: Callable[[], connection], source: spec.Source, query: str | None = None) -> None:
        """connect: opens a connection to the database. query: text of the spec's query file, where it names one."""
        self._connect = connect
        self._spec = source
        self._relation = _relation(source, query)
        self._name = source.table or source.query

    def count_labelled(self, after: datetime | None, at_most: int) -> int:
        """Labelled rows, those with a label time after `after` where it is given; counts to `at_most`, not beyond."""
        condition = sql.SQL("{} IS NOT NULL").format(sql.Identifier(self._spec.label))
        if after is not None and self._spec.label_time is not None:
            condition += sql.SQL(" AND {} > {}").format(sql.Identifier(self._spec.label_time), sql.Literal(after))
        statement = sql.SQL("SELECT count(*) FROM (SELECT 1 FROM {} WHERE {} LIMIT {}) AS counted").format(
            self._relation, condition, sql.Literal(at_most)
        )
        with self._transaction() as cursor:
            self._columns(cursor)
            cursor.execute(statement)
            row = cursor.fetchone()
        return int(row[0]) if row else 0

    def read_labelled(self) -> pa.Table:
        """Every labelled row: columns `key` (text), `label`, `label_time` (UTC or null), then the features.

        Where the spec has a group column, `retrain.group` (text) comes before the features.
        """
        with self._transaction() as cursor, tempfile.TemporaryFile() as file:
            columns = self._columns(cursor)
            statement = sql.SQL(
                "COPY (SELECT {} FROM {} WHERE {} IS NOT NULL) TO STDOUT (FORMAT csv, FORCE_QUOTE *, ENCODING 'UTF8')"
            )
            cursor.copy_expert(
                statement.format(
                    sql.SQL(", ").join(expression for expression, _ in columns.values()),
                    self._relation,
                    sql.Identifier(self._spec.label),
                ),
                file,
            )
            # An empty CSV has no columns to infer from, so pyarrow refuses it.
            if file.tell() == 0:
                return pa.table({name: pa.array([], type_) for name, (_, type_) in columns.items()})
            file.seek(0)
            return self._parse(file, {name: type_ for name, (_, type_) in columns.items()})

    def _columns(self, cursor: Any) -> dict[str, tuple[sql.Composable, pa.DataType]]:
        """How each column of the result is selected, and its type; what cannot be read as the spec says is refused."""
        cursor.execute(sql.SQL("SELECT * FROM {} LIMIT 0").format(self._relation))
        oids = {column.name: column.type_code for column in cursor.description}
        named = [self._spec.key, self._spec.label, *self._spec.features]
        named += [name for name in (self._spec.label_time, self._spec.group) if name is not None]
        self._refuse_unknown([name for name in named if name not in oids], list(oids))
        columns: dict[str, tuple[sql.Composable, pa.DataType]] = {
            "key": _text(self._spec.key),
            "label": _class(self._spec.label, oids[self._spec.label]),
            "label_time": (sql.SQL("NULL"), LABEL_TIME),
        }
        if self._spec.label_time is not None:
            if oids[self._spec.label_time] not in _TIMES:
                raise SourceMismatchError(
                    f"{self._name}: {self._spec.label_time!r} is no time; cast it in a query file"
                )
            # Microseconds as a number: exact, and no date format to agree on. A time without a zone means UTC.
            when = sql.SQL("(extract(epoch FROM {}::timestamptz) * 1000000)::bigint")
            columns["label_time"] = (when.format(sql.Identifier(self._spec.label_time)), LABEL_TIME)
        if self._spec.group is not None:
            # With a dot, so that a feature may be called "group".
            columns["retrain.group"] = _text(self._spec.group)
        for name in self._spec.features:
            if name in columns:
                raise SourceMismatchError(
                    f"{self._name}: a feature cannot be called {name!r}; rename it in a query file"
                )
            columns[name] = _typed(name, oids[name])
        return columns

    def _refuse_unknown(self, unknown: list[str], known: list[str]) -> None:
        if not unknown:
            return
        lines = []
        for name in unknown:
            close = get_close_matches(name, known, n=1)
            hint = f"did you mean {close[0]!r}?" if close else f"it has {', '.join(known)}"
            lines.append(f"{self._name}: there is no column {name!r}; {hint}")
        raise SourceMismatchError("\n".join(lines))

    def _parse(self, file: Any, types: dict[str, pa.DataType]) -> pa.Table:
        on_the_wire = {name: pa.int64() if name == "label_time" else type_ for name, type_ in types.items()}
        try:
            table = csv.read_csv(
                file,
                read_options=csv.ReadOptions(column_names=list(types), block_size=_BLOCK),
                parse_options=csv.ParseOptions(newlines_in_values=True),
                convert_options=csv.ConvertOptions(
                    column_types=on_the_wire,
                    null_values=[""],
                    strings_can_be_null=True,
                    # FORCE_QUOTE tells an empty text ("") from a NULL (nothing).
                    quoted_strings_can_be_null=False,
                    true_values=["t"],
                    false_values=["f"],
                ),
            )
        except pa.ArrowException as error:
            raise SourceMismatchError(f"{self._name}: cannot be parsed: {error}") from error
        return table.cast(pa.schema(list(types.items())))

    @contextmanager
    def _transaction(self) -> Iterator[Any]:
        """A cursor in one read-only transaction, in which the role's own settings do not change what is read."""
        try:
            with closing(self._connect()) as connection:
                connection.set_session(isolation_level="REPEATABLE READ", readonly=True)
                with connection.cursor() as cursor:
                    cursor.execute("SET LOCAL TIME ZONE 'UTC'; SET LOCAL datestyle = ISO")
                    yield cursor
        except psycopg2.Error as error:
            # A table that is missing or closed to us, a query with a mistake in it.
            kind = SourceMismatchError if isinstance(error, psycopg2.ProgrammingError) else SourceError
            raise kind(f"{self._name}: {' '.join(str(error).split())}") from error


def _relation(source: spec.Source, query: str | None) -> sql.Composable:
    if query is not None:
        # On lines of its own, so that a comment at its end does not swallow the bracket.
        return sql.SQL("(\n{}\n) AS source").format(sql.SQL(query))
    return sql.Identifier(*(source.table or "").split("."))


def _typed(name: str, oid: int) -> tuple[sql.Composable, pa.DataType]:
    column = sql.Identifier(name)
    if oid in _INTEGERS:
        return column, pa.int64()
    if oid in _FLOATS:
        return sql.SQL("{}::float8").format(column), pa.float64()
    if oid == _BOOL:
        return column, pa.bool_()
    return _text(name)


def _class(name: str, oid: int) -> tuple[sql.Composable, pa.DataType]:
    """A label is a name: as a float, the class `1` of a numeric column would be called `1.0`."""
    return _text(name) if oid in _FLOATS else _typed(name, oid)


def _text(name: str) -> tuple[sql.Composable, pa.DataType]:
    return sql.SQL("{}::text").format(sql.Identifier(name)), pa.string()
