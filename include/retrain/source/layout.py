"""The user's columns as they are in the database: their names and types, and how SQL reads them."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from difflib import get_close_matches
from functools import cached_property
from typing import Any, NamedTuple
from unicodedata import normalize

import pyarrow as pa
from psycopg2 import sql

from retrain.errors import SourceMismatchError
from retrain.labels import WHITE_SPACE, code
from retrain.source.columns import GROUP
from retrain.spec.source import SourceSpec

LABEL_TIME = pa.timestamp("us", tz="UTC")

# Columns of these PostgreSQL types (by OID) keep their type; every other column is read as text.
INTEGERS, FLOATS, BOOL = {20, 21, 23}, {700, 701, 1700}, 16
ZONED = 1184
TIMES = {1082, 1114, ZONED}
_TYPE_NAMES = {1082: "date", 1114: "timestamp without time zone"}


class Within(NamedTuple):
    """Rows whose time in a column is from one time up to, but without, another."""

    column: str
    since: datetime
    until: datetime


@dataclass(frozen=True)
class Layout:
    """What the spec names, in the table that is there."""

    spec: SourceSpec
    table: str
    """The table or the query file, for error messages."""
    there: dict[str, str]
    """The name in the database of each column that the spec names: Unicode has two forms of many letters."""
    types: dict[str, int]
    """OID of the type of each column that the spec names."""
    also: tuple[str, ...] = ()
    """Columns to be read beside the features."""
    utf8: bool = True
    """Whether the database can hold every character."""

    @staticmethod
    def of(
        cursor: Any,
        spec: SourceSpec,
        table: str,
        relation: sql.Composable,
        also: Sequence[str] = (),
        *,
        within: Within | None = None,
    ) -> "Layout":
        """Look the columns up. Raises SourceMismatchError where a column cannot be read as the spec says."""
        named = list(dict.fromkeys([*_named(spec), *also, *([] if within is None else [within.column])]))
        there = matched(named, names_there(cursor, spec.table, relation), table)
        # By name: a role may have the right to read these columns and no other.
        columns = sql.SQL(", ").join(sql.Identifier(there[name]) for name in named)
        cursor.execute(sql.SQL("SELECT {} FROM {} LIMIT 0").format(columns, relation))
        types = {name: column.type_code for name, column in zip(named, cursor.description, strict=True)}
        cursor.execute("SHOW server_encoding")
        layout = Layout(spec, table, there, types, tuple(also), cursor.fetchone()[0] == "UTF8")
        layout.columns  # noqa: B018 - raises what is wrong before any row is read
        return layout

    def identifier(self, name: str) -> sql.Identifier:
        return sql.Identifier(self.there[name])

    @property
    def key_is_number(self) -> bool:
        return self.types[self.spec.key] in INTEGERS

    @property
    def key_order(self) -> sql.Composable:
        key = self.identifier(self.spec.key)
        # Integers sort as their index does; without COLLATE, text would sort by the rules of its language.
        return key if self.key_is_number else sql.SQL('{}::text COLLATE "C"').format(key)

    @property
    def labelled(self) -> sql.Composable:
        """The condition that a row has a label. It serves counts, snapshots and the index that is suggested."""
        label, type_ = self.identifier(self.spec.label), self.types[self.spec.label]
        if self.spec.empty_label != "unlabelled":
            return sql.SQL("{} IS NOT NULL").format(label)
        return filled(label, type_, utf8=self.utf8)

    @cached_property
    def time(self) -> sql.Composable:
        """The label time as `timestamptz`: a time without a zone is one of the spec's `source.time_zone`."""
        name = self.spec.label_time
        return sql.SQL("NULL::timestamptz") if name is None else self.time_in(name)

    def time_in(self, name: str) -> sql.Composable:
        """Return the time in a column as `timestamptz`, as `time` does."""
        if self.types[name] not in TIMES:
            raise SourceMismatchError(f"{self.table}: {name!r} is not a time; cast it in a query file")
        return zoned(self.identifier(name), self.types[name], self.zone)

    def bound(self, time: sql.Composable, name: str | None = None) -> sql.Composable:
        """Return a time, a `timestamptz`, in the type of a column, the label time by default: so PostgreSQL finds it in
        the index.
        """
        name = name or self.spec.label_time
        return time if name is None else unzoned(time, self.types[name], self.zone)

    def within(self, times: Within) -> sql.Composable:
        """The condition that a row is of these times."""
        begin, end = (self.bound(sql.Literal(each), times.column) for each in (times.since, times.until))
        return sql.SQL("{column} >= {} AND {column} < {}").format(begin, end, column=self.identifier(times.column))

    def later_than(self, time: datetime) -> sql.Composable:
        """The condition that a row was labelled after a time."""
        column = self.identifier(self.spec.label_time or "")
        return sql.SQL("{} > {}").format(column, self.bound(sql.Literal(time)))

    @property
    def zone_is_assumed(self) -> str | None:
        """The type of a label time without a zone, in words; None where it has one, or the spec names one."""
        name = self.spec.label_time
        return None if name is None or self.spec.time_zone is not None else _TYPE_NAMES.get(self.types[name])

    @property
    def zone(self) -> str:
        return self.spec.time_zone or "UTC"

    @cached_property
    def columns(self) -> dict[str, tuple[sql.Composable, pa.DataType]]:
        """The SQL expression and the Arrow type of each column of a snapshot, by its name there."""
        spec = self.spec
        columns = {
            "key": self._text(spec.key),
            "label": self._typed(spec.label),
            "label_time": (self.time, LABEL_TIME),
        }
        if spec.group is not None:
            columns[GROUP] = self._text(spec.group)
        for name in (*spec.features, *self.also):
            if name in columns:
                raise SourceMismatchError(
                    f"{self.table}: a feature cannot be called {name!r}; rename it in a query file"
                )
            columns[name] = self._typed(name)
        return columns

    def is_value(self, name: str, value: str) -> sql.Composable:
        """The condition that a column has this value, spelled."""
        column = self.identifier(name)
        if self.types[name] in INTEGERS | FLOATS:
            place = code(value, ("0", "1"))
            try:
                number = float(value) if place is None else float(place)
            except ValueError:
                return sql.SQL("FALSE")
            return sql.SQL("{}::float8 = {}").format(column, sql.Literal(number))
        if self.types[name] == BOOL:
            classes = ("false", "true")
            place = code(value, classes)
            return sql.SQL("{}::text = {}").format(column, sql.Literal(value if place is None else classes[place]))
        text = "normalize({}::text) = {}" if self.utf8 else "{}::text = {}"
        return sql.SQL(text).format(column, sql.Literal(value))

    def read_as_text(self, cursor: Any) -> list[tuple[str, str]]:
        """Return the features that are not text and are read as text, each with its type in words."""
        cursor.execute(
            "SELECT oid, format_type(oid, NULL) FROM pg_type WHERE oid = ANY(%s) AND typcategory NOT IN ('S', 'E')",
            ([self.types[name] for name in self.spec.features],),
        )
        kept = INTEGERS | FLOATS | {BOOL}
        others = {oid: words for oid, words in cursor.fetchall() if oid not in kept}
        return [(name, others[self.types[name]]) for name in self.spec.features if self.types[name] in others]

    def _typed(self, name: str) -> tuple[sql.Composable, pa.DataType]:
        return typed(self.identifier(name), self.types[name])

    def _text(self, name: str) -> tuple[sql.Composable, pa.DataType]:
        return sql.SQL("{}::text").format(self.identifier(name)), pa.string()


def zoned(column: sql.Composable, type_: int, zone: str) -> sql.Composable:
    """Return a column's time as `timestamptz`. type_: its OID, one of `TIMES`. zone: of a time without one."""
    if type_ == ZONED:
        return column
    return sql.SQL("({}::timestamp AT TIME ZONE {})").format(column, sql.Literal(zone))


def unzoned(time: sql.Composable, type_: int, zone: str) -> sql.Composable:
    """Return a `timestamptz` in the type of a column, as PostgreSQL finds it in an index. The reverse of `zoned`."""
    if type_ == ZONED:
        return time
    return sql.SQL("({}::timestamptz AT TIME ZONE {})").format(time, sql.Literal(zone))


def typed(column: sql.Composable, type_: int) -> tuple[sql.Composable, pa.DataType]:
    """Return the SQL expression by which a column is read, and its Arrow type. type_: its OID."""
    if type_ in INTEGERS:
        return sql.SQL("{}::bigint").format(column), pa.int64()
    if type_ in FLOATS:
        return sql.SQL("{}::float8").format(column), pa.float64()
    if type_ == BOOL:
        return column, pa.bool_()
    return sql.SQL("{}::text").format(column), pa.string()


def filled(column: sql.Composable, type_: int, *, utf8: bool) -> sql.Composable:
    """The condition that a column holds something: it is not NULL, not NaN, and not a text of nothing but white space.

    type_: its OID. utf8: as in `Layout`.
    """
    condition = sql.SQL("{} IS NOT NULL").format(column)
    if type_ in INTEGERS or type_ == BOOL:
        return condition
    if type_ in FLOATS:
        return sql.SQL("{} AND {} <> 'NaN'").format(condition, column)
    blank = WHITE_SPACE if utf8 else "".join(each for each in WHITE_SPACE if each.isascii())
    return sql.SQL("{} AND btrim({}::text, {}) <> ''").format(condition, column, sql.Literal(blank))


def relation_of(table: str | None, query: str | None) -> sql.Composable:
    """Return what stands behind FROM. query: text of the query file, where the spec names one."""
    if query is not None:
        # On lines of its own, so that a comment at the end of the query does not hide the closing bracket.
        return sql.SQL("(\n{}\n) AS source").format(sql.SQL(query))
    return sql.Identifier(*(table or "").split("."))


def names_there(cursor: Any, table: str | None, relation: sql.Composable) -> list[str]:
    """Return the names of all columns. table: as a spec names it; None for a query file."""
    if table is None:
        cursor.execute(sql.SQL("SELECT * FROM {} LIMIT 0").format(relation))
        return [column.name for column in cursor.description]
    # From the catalogue: it shows columns that the role may not read.
    cursor.execute(
        "SELECT attname FROM pg_attribute WHERE attrelid = %s::regclass AND attnum > 0 AND NOT attisdropped "
        "ORDER BY attnum",
        (relation.as_string(cursor),),
    )
    return [name for (name,) in cursor.fetchall()]


def _named(spec: SourceSpec) -> list[str]:
    others = [name for name in (spec.label_time, spec.group) if name is not None]
    return [spec.key, spec.label, *others, *spec.features]


def matched(named: Sequence[str], known: Sequence[str], table: str) -> dict[str, str]:
    """Return the name in the database of each column. Raises SourceMismatchError for one that is not there."""
    there, faults = {}, []
    for name in named:
        alike = [each for each in known if normalize("NFC", each) == normalize("NFC", name)]
        if name in known or len(alike) == 1:
            there[name] = name if name in known else alike[0]
        elif alike:
            faults.append(
                f"{table}: {len(alike)} columns are called {name!r}, in different forms of Unicode; rename one"
            )
        else:
            close = get_close_matches(name, known, n=1)
            hint = f"did you mean {close[0]!r}?" if close else f"it has {', '.join(known)}"
            faults.append(f"{table}: there is no column {name!r}; {hint}")
    if faults:
        raise SourceMismatchError("\n".join(faults))
    return there
