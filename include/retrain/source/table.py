"""Read the user's table, and never write to it."""

from collections.abc import Callable, Iterator, Sequence
from contextlib import closing, contextmanager
from datetime import UTC, datetime, timedelta
from typing import Any, NamedTuple

import psycopg2
import pyarrow as pa
from psycopg2 import sql
from psycopg2.extensions import connection

from retrain.source.columns import ALSO, KEY_ORDER, NUMBERS, SINCE, TAKEN_AT, TEXT, names_to_bytes
from retrain.source.count_plan import CountPlan, described, explained, is_bounded_by, leaves, reads_all
from retrain.source.hidden import hides_rows
from retrain.source.layout import Layout, Within, names_there, relation_of
from retrain.source.session import PATIENCE, reading, source_error
from retrain.source.stream import selected
from retrain.spec.source import SnapshotSpec, SourceSpec

# Relations that can have an index, by their kind in pg_class: tables, materialised views, partitioned tables.
_PARTITIONED = "p"
_INDEXABLE = {"r", "m", _PARTITIONED}

FIRST_MONDAY = datetime(1970, 1, 5, tzinfo=UTC)


class Cohort(NamedTuple):
    """The labelled rows of some time, as they are now."""

    rows: int
    digest: str
    """Another one where a row came or went, or a label was corrected."""


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
        *,
        patience: int | None = None,
    ) -> None:
        """connect: opens a connection to the database. query: text of the query file, where the spec names one.

        snapshot: limits which rows are read; all by default. patience: seconds to wait for a lock of somebody else's.
        """
        self._connect = connect
        self._spec = source
        self._limits = snapshot or SnapshotSpec()
        self.key = source.key
        self.relation = relation_of(source.table, query)
        self.name = source.table or source.query or ""
        self._patience = patience or PATIENCE

    def count_labelled(self, after: datetime | None, at_most: int) -> int:
        """Count labelled rows, up to `at_most`; where `after` is given, only those with a later label time."""
        with self.transaction() as cursor:
            cursor.execute(self._count(self.layout(cursor), after, at_most))
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
        age = f"(extract(epoch FROM now() - {which}) * 1000000)::bigint"
        statement = sql.SQL(f"SELECT {age} FROM {{}} WHERE {{}} AND {condition}")  # noqa: S608 - our own text
        with self.transaction() as cursor:
            layout = self.layout(cursor)
            cursor.execute(statement.format(self.relation, layout.labelled, time=layout.time))
            (microseconds,) = cursor.fetchone()
        return None if microseconds is None else timedelta(microseconds=microseconds)

    def count_plan(self) -> CountPlan:
        """Return the plan by which new rows are counted; the count itself is not run."""
        with self.transaction() as cursor:
            layout = self.layout(cursor)
            rows = explained(cursor, sql.SQL("SELECT 1 FROM {}").format(self.relation))["Plan Rows"]
            indexable = self._kind(cursor) in _INDEXABLE
            if indexable:
                # PostgreSQL scans a small table even where it has the index; this makes the plan show the index.
                cursor.execute("SET LOCAL enable_seqscan = off")
            plan = explained(cursor, self._count(layout, datetime.now(UTC), at_most=1000))
            return CountPlan(
                scans=described(plan),
                rows=int(rows),
                indexed=self._is_bounded(cursor, layout, plan) if indexable else not any(map(reads_all, leaves(plan))),
                remedy=self._remedy(cursor, layout),
            )

    @contextmanager
    def labelled(
        self,
        also: Sequence[str] = (),
        at_most: int | None = None,
        within: Within | None = None,
        *,
        unlabelled: bool = False,
    ) -> Iterator[pa.RecordBatchReader]:
        """Read every labelled row in the order of keys, in batches: columns `key` (text), `label`, `label_time` (UTC or
        null), then the features, then the columns of `also` that are not features. Where the spec has a group column,
        `retrain.group` (text) comes before the features.

        Integer keys are in numeric order, other keys in the byte order of their text. The schema's metadata says which
        (`KEY_ORDER`), when the rows were read (`TAKEN_AT`), which columns are not features (`ALSO`), and, where not all
        rows are read, after which label time they begin (`SINCE`). at_most: read some rows only, whichever come first.
        within: read the rows of these times, whatever the spec's limits are. unlabelled: those without a label instead.
        """
        also = [name for name in dict.fromkeys([*self._spec.also_read, *also]) if name not in self._spec.features]
        with closing(self.session()) as session:
            with reading(session, self.name) as cursor:
                layout = self.layout(cursor, also, within)
                since = None if within else self._since(cursor, layout)
                now = _time(cursor, sql.SQL("now()"))
            condition = sql.SQL("NOT ({})").format(layout.labelled) if unlabelled else layout.labelled
            if since is not None:
                condition = _both(condition, layout.later_than(since))
            statement = sql.SQL("SELECT {} FROM {} WHERE {} ORDER BY {}").format(
                sql.SQL(", ").join(
                    sql.SQL("{} AS {}").format(expression, sql.Identifier(f"c{position}"))
                    for position, (expression, _) in enumerate(layout.columns.values())
                ),
                self.relation if at_most is None else self._some(layout, at_most),
                condition if within is None else _both(condition, layout.within(within)),
                layout.key_order,
            )
            metadata = {KEY_ORDER: NUMBERS if layout.key_is_number else TEXT}
            for name, time in ((TAKEN_AT, now), (SINCE, since)):
                if time is not None:
                    metadata[name] = time.isoformat().encode()
            if also:
                metadata[ALSO] = names_to_bytes(also)
            schema = pa.schema([(name, type_) for name, (_, type_) in layout.columns.items()], metadata)
            with selected(session, statement, schema, self.name) as reader:
                yield reader

    def cohorts(self, within: Within, length: timedelta) -> dict[datetime, Cohort]:
        """Return the labelled rows of these times by cohort, of those that have any: by when it begins.

        Cohorts of a length begin at whole multiples of it after the first Monday of 1970 (UTC).
        """
        with self.transaction() as cursor:
            layout = self.layout(cursor, within=within)
            spec = self._spec
            statement = sql.SQL(
                "SELECT {place} AS place, count(*), "
                "sum(hashtextextended(concat_ws(chr(31), {key}::text, {label}::text), 0)::numeric)::text "
                "FROM {relation} WHERE {labelled} AND {within} GROUP BY place ORDER BY place"
            ).format(
                place=place_of(layout.time_in(within.column), length),
                key=layout.identifier(spec.key),
                label=layout.identifier(spec.label),
                relation=self.relation,
                labelled=layout.labelled,
                within=layout.within(within),
            )
            cursor.execute(statement)
            return {FIRST_MONDAY + place * length: Cohort(rows, digest) for place, rows, digest in cursor.fetchall()}

    def about(self) -> list[str]:
        """Return what is good to know about how the table is read, a sentence each."""
        with self.transaction() as cursor:
            layout = self.layout(cursor, self._spec.also_read)
            notes = []
            if (assumed := layout.zone_is_assumed) is not None:
                name = self._spec.label_time
                notes.append(f"{name} is a {assumed}, read as one of UTC; write source.time_zone if it is not")
            for name, type_ in layout.read_as_text(cursor):
                notes.append(f"feature {name} is a {type_}, which a model gets as text; cast it in a query file")
        return notes

    def are_text(self) -> dict[str, bool]:
        """Return whether each feature, and each column of `also_read`, is read as text; else it is read as numbers."""
        with self.transaction() as cursor:
            columns = self.layout(cursor, self._spec.also_read).columns
        return {name: pa.types.is_string(columns[name][1]) for name in (*self._spec.features, *self._spec.also_read)}

    def hides_rows(self) -> bool:
        """Return whether row-level security keeps some rows of the table from this role; False for a query file.

        A policy for each row (`USING (true)`) hides none, unless a restrictive one is beside it.
        """
        if self._spec.table is None:
            return False
        with self.transaction() as cursor:
            return hides_rows(cursor, self.relation)

    def holds(self, column: str, value: str) -> bool:
        """Return whether a labelled row has this value. value: spelled (`retrain.labels`)."""
        with self.transaction() as cursor:
            layout = self.layout(cursor)
            condition = _both(layout.labelled, layout.is_value(column, value))
            cursor.execute(sql.SQL("SELECT 1 FROM {} WHERE {} LIMIT 1").format(self.relation, condition))
            return cursor.fetchone() is not None

    def _some(self, layout: Layout, at_most: int) -> sql.Composable:
        columns = sql.SQL(", ").join(sql.Identifier(name) for name in dict.fromkeys(layout.there.values()))
        return sql.SQL("(SELECT {} FROM {} WHERE {} LIMIT {}) AS sampled").format(
            columns, self.relation, layout.labelled, sql.Literal(at_most)
        )

    def now(self) -> datetime:
        """Return the time by the database's clock."""
        with self.transaction() as cursor:
            cursor.execute("SELECT (extract(epoch FROM clock_timestamp()) * 1000000)::bigint")
            (microseconds,) = cursor.fetchone()
        return datetime.fromtimestamp(microseconds / 1_000_000, UTC)

    def readable(self, columns: Sequence[str]) -> set[str]:
        """Return which of these columns are there, and may be read by this role."""
        with self.transaction() as cursor:
            found = set(columns) & set(names_there(cursor, self._spec.table, self.relation))
            if self._spec.table is None:
                return found  # the query selects them
            cursor.execute(
                "SELECT name FROM unnest(%s) AS name WHERE has_column_privilege(%s, name, 'SELECT')",
                (list(found), self.relation.as_string(cursor)),
            )
            return {name for (name,) in cursor.fetchall()}

    def layout(self, cursor: Any, also: Sequence[str] = (), within: Within | None = None) -> Layout:
        return Layout.of(cursor, self._spec, self.name, self.relation, also, within=within)

    def _since(self, cursor: Any, layout: Layout) -> datetime | None:
        """Return the label time after which rows are read, by the database's clock; None where all rows are read."""
        begin: datetime | None = None
        if self._limits.window is not None:
            begin = _time(cursor, sql.SQL("now() - {}").format(sql.Literal(self._limits.window)))
        if self._limits.max_rows is None:
            return begin
        first_too_many = sql.SQL(
            "(SELECT {time} FROM {} WHERE {} AND {column} IS NOT NULL ORDER BY {column} DESC OFFSET {} LIMIT 1)"
        ).format(
            self.relation,
            layout.labelled,
            sql.Literal(self._limits.max_rows),
            time=layout.time,
            column=layout.identifier(self._spec.label_time or ""),
        )
        return max((time for time in (begin, _time(cursor, first_too_many)) if time is not None), default=None)

    def _count(self, layout: Layout, after: datetime | None, at_most: int) -> sql.Composable:
        rows = sql.SQL("SELECT 1 FROM {} WHERE {}").format(self.relation, layout.labelled)
        if self._spec.label_time is not None:
            column = layout.identifier(self._spec.label_time)
            if self._limits.window is not None:
                begin = sql.SQL("now() - {}").format(sql.Literal(self._limits.window))
                rows += sql.SQL(" AND {} > {}").format(column, layout.bound(begin))
            if after is not None:
                # ORDER BY makes the planner use the index. Without it, it assumes that new rows are spread over the
                # table and scans from the beginning for as many as LIMIT says, while they are at the end.
                rows += sql.SQL(" AND {} ORDER BY {}").format(layout.later_than(after), column)
        return sql.SQL("SELECT count(*) FROM ({} LIMIT {}) AS counted").format(rows, sql.Literal(at_most))

    def _is_bounded(self, cursor: Any, layout: Layout, plan: dict[str, Any]) -> bool:
        if self._spec.label_time is None:
            return False
        cursor.execute("SELECT quote_ident(%s)", (layout.there[self._spec.label_time],))
        (column,) = cursor.fetchone()
        return all(is_bounded_by(leaf, column) for leaf in leaves(plan))

    def _kind(self, cursor: Any) -> str | None:
        """Return the kind of the relation in `pg_class`, a letter (table, view, …); None for a query file."""
        if self._spec.table is None:
            return None
        cursor.execute("SELECT relkind FROM pg_class WHERE oid = %s::regclass", (self.relation.as_string(cursor),))
        (kind,) = cursor.fetchone()
        return str(kind)

    def _remedy(self, cursor: Any, layout: Layout) -> str:
        kind = self._kind(cursor)
        if kind not in _INDEXABLE:
            return "Retrain cannot see which index it needs; index the columns that its label and label time come from"
        if self._spec.label_time is None:
            return "without source.label_time every labelled row is counted each time; name the column that holds it"
        # An index of labelled rows only is smaller, and answers from itself: no row of the table is looked up.
        index = sql.SQL("CREATE INDEX{} ON {} ({}) WHERE {}").format(
            # PostgreSQL cannot build the index of a partitioned table concurrently.
            sql.SQL("" if kind == _PARTITIONED else " CONCURRENTLY"),
            self.relation,
            layout.identifier(self._spec.label_time),
            layout.labelled,
        )
        return f"run {index.as_string(cursor)}"

    def session(self) -> connection:
        try:
            return self._connect()
        except psycopg2.Error as error:
            raise source_error(error, self.name) from error

    @contextmanager
    def transaction(self) -> Iterator[Any]:
        with closing(self.session()) as session, reading(session, self.name, self._patience) as cursor:
            yield cursor


def place_of(time: sql.Composable, length: timedelta) -> sql.Composable:
    """Return the number of the cohort of this length that a time is in, from 0 at `FIRST_MONDAY`."""
    return sql.SQL("floor((extract(epoch FROM {}) - {}) / {})::bigint").format(
        time, sql.Literal(FIRST_MONDAY.timestamp()), sql.Literal(length.total_seconds())
    )


def _both(one: sql.Composable, other: sql.Composable) -> sql.Composable:
    return sql.SQL("{} AND {}").format(one, other)


def _time(cursor: Any, expression: sql.Composable) -> datetime | None:
    """Return a time that PostgreSQL computes, cut to the years that Python knows."""
    cursor.execute(sql.SQL("SELECT (extract(epoch FROM {}) * 1000000)::bigint").format(expression))
    (microseconds,) = cursor.fetchone()
    if microseconds is None:
        return None
    try:
        return _EPOCH + timedelta(microseconds=microseconds)
    except OverflowError:
        return datetime.max.replace(tzinfo=UTC) if microseconds > 0 else datetime.min.replace(tzinfo=UTC)


_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
