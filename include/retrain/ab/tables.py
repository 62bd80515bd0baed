"""A table of exposures or of outcomes: its columns as they are in the user's database, and how SQL reads them."""

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import datetime
from typing import Any, Generic, TypeVar

import psycopg2
from psycopg2 import errorcodes, sql

from retrain.errors import SourceMismatchError
from retrain.source.layout import (
    BOOL,
    FLOATS,
    INTEGERS,
    TIMES,
    ZONED,
    matched,
    names_there,
    relation_of,
    unzoned,
    zoned,
)
from retrain.source.session import source_error
from retrain.spec.ab import Exposures, OutcomeTable, UnitTable
from retrain.text import one_line, sql_name

_NUMBERS = INTEGERS | FLOATS | {BOOL}
TableT = TypeVar("TableT", bound=UnitTable)


@dataclass(frozen=True)
class Opened(Generic[TableT]):
    """A table whose columns are there, are of types that can be read, and may be read by this role."""

    table: TableT
    name: str
    """For error messages: what it is read for, and its name."""
    relation: sql.Composable
    there: dict[str, str]
    """The name in the database of each column that the spec names."""
    types: dict[str, int]
    """OID of the type of each."""
    zone: str
    """Of times without one."""

    @staticmethod
    def of(cursor: Any, table: TableT, use: str, query: str | None, zone: str) -> "Opened[TableT]":
        """Look the columns up. use: what it is read for, such as `ab.exposures`. query: text of the query file, where
        it is one.

        Raises SourceMismatchError with every fault, one a line: use, table, column, remedy.
        """
        name = f"{use}: {table.name}"
        relation = relation_of(table.table, query)
        with translated(name, table):
            there = matched(table.columns, names_there(cursor, table.table, relation), name)
            # By name: a role may have the right to read these columns and no other.
            columns = sql.SQL(", ").join(sql.Identifier(there[each]) for each in table.columns)
            cursor.execute(sql.SQL("SELECT {} FROM {} LIMIT 0").format(columns, relation))
        types = {each: column.type_code for each, column in zip(table.columns, cursor.description, strict=True)}
        opened = Opened(table, name, relation, there, types, zone)
        if faults := list(opened._faults()):
            raise SourceMismatchError("\n".join(faults))
        return opened

    def time(self) -> sql.Composable:
        """Its time, as `timestamptz`."""
        return zoned(self.column(self.table.at), self.types[self.table.at], self.zone)

    def within(self, since: datetime, until: datetime) -> sql.Composable:
        """The condition that a row is of these times, as an index on the column can answer it."""
        type_ = self.types[self.table.at]
        begin, end = (unzoned(sql.Literal(each), type_, self.zone) for each in (since, until))
        return sql.SQL("{column} >= {} AND {column} < {}").format(begin, end, column=self.column(self.table.at))

    def column(self, name: str) -> sql.Identifier:
        return sql.Identifier(self.there[name])

    def number(self, name: str) -> sql.Composable:
        """A column's number, NULL as 0; true and false as 1 and 0."""
        read = "coalesce({}::int, 0)::float8" if self.types[name] == BOOL else "coalesce({}::float8, 0)"
        return sql.SQL(read).format(self.column(name))

    @property
    def zone_is_assumed(self) -> bool:
        """Whether its times have no zone."""
        return self.types[self.table.at] != ZONED

    def _faults(self) -> Iterator[str]:
        if self.types[self.table.at] not in TIMES:
            yield f"{self.name}: {self.table.at!r} is not a time; cast it in a query file"
        if not isinstance(self.table, OutcomeTable):
            return
        for name in (self.table.value, self.table.per):
            if name is not None and self.types[name] not in _NUMBERS:
                yield f"{self.name}: {name!r} is not a number; cast it in a query file"


@contextmanager
def translated(name: str, table: UnitTable) -> Iterator[None]:
    """Raise SourceError for an error of psycopg2, or SourceMismatchError where a retry cannot help.

    name: of the table or the metric, for the message. The session's transaction is over then.
    """
    try:
        yield
    except psycopg2.Error as error:
        if error.pgcode == errorcodes.INSUFFICIENT_PRIVILEGE:
            raise SourceMismatchError(f"{name}: {one_line(error)}; {_grant(table)}") from error
        if error.pgcode in (errorcodes.UNDEFINED_TABLE, errorcodes.INVALID_SCHEMA_NAME) and table.query is None:
            raise SourceMismatchError(
                f"{name}: {one_line(error.diag.message_primary)}; correct its name in the spec, with its schema where "
                "that is not on the search path of the connection's role"
            ) from error
        raise source_error(error, name) from error


def exposures_rows(
    exposures: Opened[Exposures], since: datetime, until: datetime, *, also_untimed: bool = False
) -> sql.Composable:
    """Return a SELECT of `unit`, `arm` and `at`, one row for each exposure of these times.

    also_untimed: with those without a time.
    """
    table = exposures.table
    condition = exposures.within(since, until)
    if also_untimed:
        condition = sql.SQL("{} OR {} IS NULL").format(condition, exposures.column(table.at))
    # One collation, whatever those of the columns are: else PostgreSQL does not compare them.
    return sql.SQL(
        'SELECT {unit}::text COLLATE "C" AS unit, {arm}::text COLLATE "C" AS arm, {time} AS at FROM {relation} '
        "WHERE {condition}"
    ).format(
        unit=exposures.column(table.unit),
        arm=exposures.column(table.arm),
        time=exposures.time(),
        relation=exposures.relation,
        condition=condition,
    )


def outcomes_rows(outcomes: Opened[OutcomeTable], since: datetime, until: datetime) -> sql.Composable:
    """Return a SELECT of `unit`, `at`, `value` and `per`, one row for each outcome of these times that has a unit."""
    table = outcomes.table
    return sql.SQL(
        'SELECT {unit}::text COLLATE "C" AS unit, {time} AS at, {value} AS value, {per} AS per FROM {relation} '
        "WHERE {within} AND {unit} IS NOT NULL"
    ).format(
        unit=outcomes.column(table.unit),
        time=outcomes.time(),
        value=sql.SQL("1::float8") if table.value is None else outcomes.number(table.value),
        per=sql.SQL("0::float8") if table.per is None else outcomes.number(table.per),
        relation=outcomes.relation,
        within=outcomes.within(since, until),
    )


def _grant(table: UnitTable) -> str:
    if table.table is None:
        return "let the role of the connection read what the query names: GRANT SELECT (…) ON … TO that role"
    parts = [sql_name(part) for part in table.table.split(".")]
    schema = f"GRANT USAGE ON SCHEMA {parts[0]} and " if len(parts) > 1 else ""
    columns = ", ".join(map(sql_name, table.columns))
    return f"run {schema}GRANT SELECT ({columns}) ON {'.'.join(parts)} for the role of the connection"
