"""What PostgreSQL's catalogue says of a table before any spec names it: columns, keys, rights. No row is read."""

import re
from collections.abc import Callable, Iterator
from contextlib import closing, contextmanager
from dataclasses import dataclass
from difflib import get_close_matches
from enum import StrEnum
from typing import Any

import psycopg2
from psycopg2 import errorcodes, sql
from psycopg2.extensions import connection

from retrain.errors import SourceMismatchError
from retrain.source.count_plan import explained
from retrain.source.layout import BOOL, FLOATS, INTEGERS, TIMES, ZONED
from retrain.source.session import reading, source_error
from retrain.text import printable, shorten, sql_name

SECONDS = 20
"""How long one statement may take, and how long it waits for a lock of somebody else's."""
_MOST_NAMES = 10_000
"""Tables whose names are compared with one that is not there."""
_NAME = re.compile(r'(?:("(?:[^"]|"")+"|[^".]+)\.)?("(?:[^"]|"")+"|[^".]+)')
_KINDS = {"r": "table", "p": "partitioned table", "m": "materialised view", "v": "view", "f": "foreign table"}


class Kind(StrEnum):
    """What a column is for a model. `Layout` reads it as such."""

    INTEGER = "whole number"
    NUMBER = "number"
    BOOLEAN = "boolean"
    TEXT = "text"
    TIME = "time"
    OTHER = "other"


@dataclass(frozen=True)
class TableName:
    """Name of a table as it is in the database, in capitals or not."""

    schema: str | None
    table: str

    @staticmethod
    def of(text: str) -> "TableName":
        """Read `table` or `schema.table`; a part that has a dot stands in double quotes, as in SQL."""
        match = _NAME.fullmatch(text)
        if match is None:
            raise SourceMismatchError(
                f"--table {printable(shorten(text, 80))!r}: is not a table's name; write table or schema.table, and a "
                'part that has a dot in double quotes, as in public."a.b"'
            )
        schema, table = (part and _unquoted(part) for part in match.groups())
        return TableName(schema, table or "")

    @property
    def identifier(self) -> sql.Identifier:
        return sql.Identifier(*self.parts)

    @property
    def parts(self) -> tuple[str, ...]:
        return (self.table,) if self.schema is None else (self.schema, self.table)

    @property
    def quoted(self) -> str:
        """As SQL quotes it."""
        return ".".join(map(sql_name, self.parts))

    def __str__(self) -> str:
        return printable(".".join(self.parts))


@dataclass(frozen=True)
class Column:
    name: str
    type: str
    """In PostgreSQL's words."""
    kind: Kind
    oid: int
    """Of its type, or of the type below its domain."""
    not_null: bool
    default: str
    """Its default as SQL; empty where it has none."""
    numbered: bool
    """Whether PostgreSQL numbers the rows by it."""
    refers: bool
    """Whether it is a foreign key by itself."""
    readable: bool
    """Whether this role may read it. Otherwise `kind` is not known."""

    @property
    def is_zoned(self) -> bool:
        return self.oid == ZONED


@dataclass(frozen=True)
class Catalogue:
    name: TableName
    kind: str
    """`table`, `view`, …"""
    columns: tuple[Column, ...]
    unique: tuple[tuple[str, ...], ...]
    """The columns of each unique index that holds for every row, those of the primary key first."""
    has_primary_key: bool
    rows: int
    """The planner's estimate."""
    role: str
    time_zone: str
    """Of sessions that set none."""
    utf8: bool
    """Whether the database can hold every character."""
    hides_rows: bool
    """Whether row-level security keeps some rows from this role."""

    @property
    def can_be_sampled(self) -> bool:
        return self.kind in ("table", "partitioned table", "materialised view")

    def column(self, name: str) -> Column | None:
        return next((each for each in self.columns if each.name == name), None)


@contextmanager
def bounded(connect: Callable[[], connection], name: object, seconds: int = SECONDS) -> Iterator[Any]:
    """Open a cursor that only reads, each statement for so many seconds. Raises SourceError, as `reading` does."""
    try:
        session = connect()
    except psycopg2.Error as error:
        raise source_error(error, str(name)) from error
    with closing(session), reading(session, str(name), SECONDS) as cursor:
        cursor.execute(f"SET LOCAL statement_timeout = '{seconds}s'")
        yield cursor


def took_too_long(error: BaseException) -> bool:
    """Return whether an error of ours is that of a statement of `bounded` that took too long."""
    return getattr(error.__cause__, "pgcode", None) == errorcodes.QUERY_CANCELED


def catalogue(connect: Callable[[], connection], name: TableName) -> Catalogue:
    """Look a table up. Raises SourceMismatchError where it is not there or may not be read, and else SourceError."""
    try:
        with bounded(connect, name) as cursor:
            return _catalogue(cursor, name)
    except SourceMismatchError as error:
        if getattr(error.__cause__, "pgcode", None) != errorcodes.INSUFFICIENT_PRIVILEGE or name.schema is None:
            raise
        raise SourceMismatchError(
            f"{error}; let this role read the table: GRANT USAGE ON SCHEMA {sql_name(name.schema)} and GRANT SELECT ON "
            f"{name.quoted}"
        ) from error


def _catalogue(cursor: Any, name: TableName) -> Catalogue:
    cursor.execute(
        "SELECT c.oid, c.relkind, current_user, current_setting('server_encoding') = 'UTF8', "
        "row_security_active(c.oid) FROM pg_class AS c WHERE c.oid = to_regclass(%s)",
        (name.quoted,),
    )
    found = cursor.fetchone()
    if found is None or found[1] not in _KINDS:
        raise SourceMismatchError(f"{name}: there is no such table; {_nearest(cursor, name)}")
    oid, kind, role, utf8, hides_rows = found
    columns = tuple(_columns(cursor, oid, name, role))
    cursor.execute("SELECT reset_val FROM pg_settings WHERE name = 'TimeZone'")
    (zone,) = cursor.fetchone()
    cursor.execute(
        "SELECT i.indisprimary, ARRAY(SELECT a.attname::text FROM unnest(i.indkey::int2[]) WITH ORDINALITY AS k (n, p) "
        "JOIN pg_attribute AS a ON a.attrelid = i.indrelid AND a.attnum = k.n WHERE k.p <= i.indnkeyatts ORDER BY k.p) "
        "FROM pg_index AS i WHERE i.indrelid = %s AND i.indisunique AND i.indisvalid AND i.indpred IS NULL "
        "AND i.indexprs IS NULL ORDER BY i.indisprimary DESC, i.indexrelid",
        (oid,),
    )
    unique = cursor.fetchall()
    return Catalogue(
        name=name,
        kind=_KINDS[kind],
        columns=columns,
        unique=tuple(tuple(names) for _, names in unique),
        has_primary_key=any(primary for primary, _ in unique),
        rows=int(explained(cursor, sql.SQL("SELECT 1 FROM {}").format(name.identifier))["Plan Rows"]),
        role=role,
        time_zone=str(zone),
        utf8=utf8,
        hides_rows=hides_rows,
    )


def _columns(cursor: Any, oid: int, name: TableName, role: str) -> Iterator[Column]:
    cursor.execute(
        "SELECT a.attname, format_type(a.atttypid, a.atttypmod), a.attnotnull, "
        "coalesce(pg_get_expr(d.adbin, d.adrelid), ''), a.attidentity <> '', "
        "EXISTS (SELECT FROM pg_constraint AS f WHERE f.conrelid = a.attrelid AND f.contype = 'f' "
        "AND f.conkey = ARRAY[a.attnum]), has_column_privilege(a.attrelid, a.attnum, 'SELECT') "
        "FROM pg_attribute AS a LEFT JOIN pg_attrdef AS d ON d.adrelid = a.attrelid AND d.adnum = a.attnum "
        "WHERE a.attrelid = %s AND a.attnum > 0 AND NOT a.attisdropped ORDER BY a.attnum",
        (oid,),
    )
    rows = cursor.fetchall()
    readable = [row[0] for row in rows if row[-1]]
    if not readable:
        raise SourceMismatchError(
            f"{name}: role {role!r} may not read any of its columns; run GRANT SELECT ON {name.quoted} TO "
            f"{sql_name(role)}"
        )
    # A row's description says which type is below a domain.
    names = sql.SQL(", ").join(map(sql.Identifier, readable))
    cursor.execute(sql.SQL("SELECT {} FROM {} LIMIT 0").format(names, name.identifier))
    oids = {name: column.type_code for name, column in zip(readable, cursor.description, strict=True)}
    cursor.execute("SELECT oid, typcategory FROM pg_type WHERE oid = ANY(%s)", (list(set(oids.values())),))
    texts = {type_ for type_, category in cursor.fetchall() if category in ("S", "E")}
    for column, type_, not_null, default, identity, refers, may_read in rows:
        base = oids.get(column, 0)
        numbered = identity or default.startswith("nextval(")
        yield Column(column, type_, _kind(base, texts), base, not_null, default, numbered, refers, may_read)


def _kind(oid: int, texts: set[int]) -> Kind:
    kinds = ((INTEGERS, Kind.INTEGER), (FLOATS, Kind.NUMBER), ({BOOL}, Kind.BOOLEAN), (TIMES, Kind.TIME))
    return next((kind for oids, kind in (*kinds, (texts, Kind.TEXT)) if oid in oids), Kind.OTHER)


def _nearest(cursor: Any, name: TableName) -> str:
    """Return names of tables that are like this one, for a message."""
    cursor.execute(
        "SELECT n.nspname, c.relname, pg_table_is_visible(c.oid) FROM pg_class AS c "
        "JOIN pg_namespace AS n ON n.oid = c.relnamespace WHERE c.relkind = ANY(%s) AND n.nspname !~ '^pg_' "
        "AND n.nspname <> 'information_schema' AND NOT c.relispartition ORDER BY 1, 2 LIMIT %s",
        (list(_KINDS), _MOST_NAMES),
    )
    known = dict[str, str]()
    for schema, table, visible in cursor.fetchall():
        whole = f"{schema}.{table}"
        known.setdefault(whole.casefold(), whole)
        known.setdefault(table.casefold(), table if visible else whole)
    wanted = ".".join(name.parts).casefold()
    close = get_close_matches(wanted, known, n=3) or get_close_matches(name.table.casefold(), known, n=3)
    if not close:
        return "this role sees " + (f"{len(known):,} names, and none is like it" if known else "no table at all")
    return f"did you mean {' or '.join(dict.fromkeys(repr(known[each]) for each in close))}?"


def _unquoted(part: str) -> str:
    return part[1:-1].replace('""', '"') if part.startswith('"') else part
