"""Read the user's table, and never write to it."""

from collections.abc import Callable, Iterator
from contextlib import closing, contextmanager
from datetime import UTC, datetime, timedelta
from difflib import get_close_matches
from typing import Any

import psycopg2
import pyarrow as pa
from psycopg2 import sql
from psycopg2.extensions import connection

from retrain.errors import SourceMismatchError
from retrain.source.columns import GROUP, KEY_ORDER, NUMBERS, SINCE, TEXT
from retrain.source.count_plan import CountPlan, described, is_bounded_by, leaves, reads_all
from retrain.source.stream import reading, selected, source_error
from retrain.spec.source import SnapshotSpec, SourceSpec

LABEL_TIME = pa.timestamp("us", tz="UTC")

# Columns of these PostgreSQL types (by OID) keep their type; every other column is read as text.
_INTEGERS, _FLOATS, _BOOL = {20, 21, 23}, {700, 701, 1700}, 16
_TIMES = {1082, 1114, 1184}

# Relations that can have an index, by their kind in pg_class: tables, materialised views, partitioned tables.
_PARTITIONED = "p"
_INDEXABLE = {"r", "m", _PARTITIONED}


class Source:
    """The labelled rows of one spec.

    Every method raises SourceError where the table is not as the spec says, or where the database cannot be reached.
    """

    def __init__(
        self,
        connect: Callable[[], connection],
        source: SourceSpec,
        query: str | None = None,
        snapshot: SnapshotSpec | None = None,
    ) -> None:
        """connect: opens a connection to the database. query: text of the query file, where the spec names one.

        snapshot: limits which rows are read; all by default.
        """
        self._connect = connect
        self._spec = source
        self._limits = snapshot or SnapshotSpec()
        self._relation = _relation(source, query)
        self._name = source.table or source.query or ""

    def count_labelled(self, after: datetime | None, at_most: int) -> int:
        """Count labelled rows, up to `at_most`; where `after` is given, only those with a later label time."""
        with self._transaction() as cursor:
            self._columns(self._types(cursor))
            cursor.execute(self._count(after, at_most))
            row = cursor.fetchone()
        return int(row[0]) if row else 0

    def oldest_label_age(self) -> timedelta | None:
        """Return the time since the oldest label was set, by the database's clock; None where it is not known."""
        return self._label_age("min({time})", "TRUE")

    def newest_label_age(self) -> timedelta | None:
        """Return the time since the newest label was set; labels in the future are ignored."""
        return self._label_age("max({time})", "{time} <= now()")

    def _label_age(self, which: str, condition: str) -> timedelta | None:
        if self._spec.label_time is None:
            return None
        # As a number, because the format of an interval depends on the settings of the role.
        age = f"(extract(epoch FROM now() - {which}::timestamptz) * 1000000)::bigint"
        statement = sql.SQL(f"SELECT {age} FROM {{}} WHERE {{}} AND {condition}")  # noqa: S608 - our own text
        with self._transaction() as cursor:
            self._columns(self._types(cursor))
            cursor.execute(statement.format(self._relation, self._labelled, time=self._time))
            (microseconds,) = cursor.fetchone()
        return None if microseconds is None else timedelta(microseconds=microseconds)

    def count_plan(self) -> CountPlan:
        """Return the plan by which new rows are counted; the count itself is not run."""
        with self._transaction() as cursor:
            self._columns(self._types(cursor))
            rows = _explained(cursor, sql.SQL("SELECT 1 FROM {}").format(self._relation))["Plan Rows"]
            indexable = self._kind(cursor) in _INDEXABLE
            if indexable:
                # PostgreSQL scans a small table even where it has the index; this makes the plan show the index.
                cursor.execute("SET LOCAL enable_seqscan = off")
            plan = _explained(cursor, self._count(datetime.now(UTC), at_most=1000))
            return CountPlan(
                scans=described(plan),
                rows=int(rows),
                indexed=self._is_bounded(cursor, plan) if indexable else not any(map(reads_all, leaves(plan))),
                remedy=self._remedy(cursor),
            )

    @contextmanager
    def labelled(self) -> Iterator[pa.RecordBatchReader]:
        """Read every labelled row in the order of keys, in batches: columns `key` (text), `label`, `label_time` (UTC or
        null), then the features. Where the spec has a group column, `retrain.group` (text) comes before the features.

        Integer keys are in numeric order, other keys in the byte order of their text. The schema's metadata says which
        (`KEY_ORDER`), and, where not all rows are read, after which label time they begin (`SINCE`).
        """
        with closing(self._session()) as session:
            with reading(session, self._name) as cursor:
                types = self._types(cursor)
                since = self._since(cursor)
            columns, numbers = self._columns(types), types[self._spec.key] in _INTEGERS
            key = sql.Identifier(self._spec.key)
            statement = sql.SQL("SELECT {} FROM {} WHERE {} ORDER BY {}").format(
                sql.SQL(", ").join(
                    sql.SQL("{} AS {}").format(expression, sql.Identifier(f"c{position}"))
                    for position, (expression, _) in enumerate(columns.values())
                ),
                self._relation,
                self._labelled if since is None else self._labelled_after(since),
                # Integers sort as their index does; without COLLATE, text would sort by the rules of its language.
                key if numbers else sql.SQL('{}::text COLLATE "C"').format(key),
            )
            schema = pa.schema([(name, type_) for name, (_, type_) in columns.items()])
            metadata = {KEY_ORDER: NUMBERS if numbers else TEXT}
            schema = schema.with_metadata(metadata if since is None else metadata | {SINCE: since.isoformat().encode()})
            with selected(session, statement, schema, self._name) as reader:
                yield reader

    @property
    def _labelled(self) -> sql.Composable:
        return sql.SQL("{} IS NOT NULL").format(sql.Identifier(self._spec.label))

    @property
    def _time(self) -> sql.Composable:
        return sql.Identifier(self._spec.label_time or "")

    def _labelled_after(self, time: datetime) -> sql.Composable:
        return sql.SQL("{} AND {} > {}").format(self._labelled, self._time, sql.Literal(time))

    def _since(self, cursor: Any) -> datetime | None:
        """Return the label time after which rows are read, by the database's clock; None where all rows are read."""
        begin: datetime | None = None
        if self._limits.window is not None:
            cursor.execute("SELECT now() - %s", (self._limits.window,))
            (begin,) = cursor.fetchone()
        if self._limits.max_rows is None:
            return begin
        cursor.execute(
            sql.SQL(
                "SELECT {time}::timestamptz FROM {} WHERE {} AND {time} IS NOT NULL "
                "ORDER BY {time} DESC OFFSET {} LIMIT 1"
            ).format(self._relation, self._labelled, sql.Literal(self._limits.max_rows), time=self._time)
        )
        first_too_many = [time for (time,) in cursor.fetchall()]
        return max((time for time in (begin, *first_too_many) if time is not None), default=None)

    def _count(self, after: datetime | None, at_most: int) -> sql.Composable:
        rows = sql.SQL("SELECT 1 FROM {} WHERE {}").format(self._relation, self._labelled)
        if self._limits.window is not None:
            rows += sql.SQL(" AND {} > now() - {}").format(self._time, sql.Literal(self._limits.window))
        if after is not None and self._spec.label_time is not None:
            # ORDER BY makes the planner use the index. Without it, it assumes that new rows are spread over the table
            # and scans from the beginning for as many as LIMIT says, while they are at the end.
            rows += sql.SQL(" AND {time} > {} ORDER BY {time}").format(
                sql.Literal(after), time=sql.Identifier(self._spec.label_time)
            )
        return sql.SQL("SELECT count(*) FROM ({} LIMIT {}) AS counted").format(rows, sql.Literal(at_most))

    def _is_bounded(self, cursor: Any, plan: dict[str, Any]) -> bool:
        if self._spec.label_time is None:
            return False
        cursor.execute("SELECT quote_ident(%s)", (self._spec.label_time,))
        (column,) = cursor.fetchone()
        return all(is_bounded_by(leaf, column) for leaf in leaves(plan))

    def _kind(self, cursor: Any) -> str | None:
        """Return the kind of the relation in `pg_class`, a letter (table, view, …); None for a query file."""
        if self._spec.table is None:
            return None
        cursor.execute("SELECT relkind FROM pg_class WHERE oid = %s::regclass", (self._relation.as_string(cursor),))
        (kind,) = cursor.fetchone()
        return str(kind)

    def _remedy(self, cursor: Any) -> str:
        kind = self._kind(cursor)
        if kind not in _INDEXABLE:
            return "Retrain cannot see which index it needs; index the columns that its label and label time come from"
        if self._spec.label_time is None:
            return "without source.label_time every labelled row is counted each time; name the column that holds it"
        # An index of labelled rows only is smaller, and answers from itself: no row of the table is looked up.
        index = sql.SQL("CREATE INDEX{} ON {} ({}) WHERE {}").format(
            # PostgreSQL cannot build the index of a partitioned table concurrently.
            sql.SQL("" if kind == _PARTITIONED else " CONCURRENTLY"),
            self._relation,
            sql.Identifier(self._spec.label_time),
            self._labelled,
        )
        return f"run {index.as_string(cursor)}"

    def _types(self, cursor: Any) -> dict[str, int]:
        """Return the type OID of each column."""
        cursor.execute(sql.SQL("SELECT * FROM {} LIMIT 0").format(self._relation))
        return {column.name: column.type_code for column in cursor.description}

    def _columns(self, oids: dict[str, int]) -> dict[str, tuple[sql.Composable, pa.DataType]]:
        """Return the SQL expression and the Arrow type of each result column.

        Raises SourceMismatchError where a column cannot be read as the spec says.
        """
        named = [self._spec.key, self._spec.label, *self._spec.features]
        named += [name for name in (self._spec.label_time, self._spec.group) if name is not None]
        self._refuse_unknown([name for name in named if name not in oids], list(oids))
        columns: dict[str, tuple[sql.Composable, pa.DataType]] = {
            "key": _text(self._spec.key),
            "label": _class(self._spec.label, oids[self._spec.label]),
            "label_time": (sql.SQL("NULL::timestamptz"), LABEL_TIME),
        }
        if self._spec.label_time is not None:
            if oids[self._spec.label_time] not in _TIMES:
                raise SourceMismatchError(
                    f"{self._name}: {self._spec.label_time!r} is not a time; cast it in a query file"
                )
            # A time without a zone means UTC.
            columns["label_time"] = (sql.SQL("{}::timestamptz").format(self._time), LABEL_TIME)
        if self._spec.group is not None:
            columns[GROUP] = _text(self._spec.group)
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

    def _session(self) -> connection:
        try:
            return self._connect()
        except psycopg2.Error as error:
            raise source_error(error, self._name) from error

    @contextmanager
    def _transaction(self) -> Iterator[Any]:
        with closing(self._session()) as session, reading(session, self._name) as cursor:
            yield cursor


def _explained(cursor: Any, statement: sql.Composable) -> dict[str, Any]:
    cursor.execute(sql.SQL("EXPLAIN (FORMAT JSON) {}").format(statement))
    ((plans,),) = cursor.fetchall()
    plan: dict[str, Any] = plans[0]["Plan"]
    return plan


def _relation(source: SourceSpec, query: str | None) -> sql.Composable:
    if query is not None:
        # On lines of its own, so that a comment at the end of the query does not hide the closing bracket.
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
    """Read a label as the name of a class: as a float, class `1` of a numeric column would be called `1.0`."""
    return _text(name) if oid in _FLOATS else _typed(name, oid)


def _text(name: str) -> tuple[sql.Composable, pa.DataType]:
    return sql.SQL("{}::text").format(sql.Identifier(name)), pa.string()
