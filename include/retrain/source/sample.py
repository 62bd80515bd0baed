"""Some rows of a table that no spec names yet, and how many there are: each question is bounded in rows and in time."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

from psycopg2 import sql
from psycopg2.extensions import connection

from retrain.errors import SourceError
from retrain.source.catalogue import SECONDS, Catalogue, Column, Kind, bounded, took_too_long
from retrain.source.count_plan import explained
from retrain.source.layout import filled

MOST_ROWS, LEAST_ROWS, MOST_VALUES = 10_000, 1_000, 2_000_000
"""Rows that are read: so many, or of a table with many columns as many as hold so many values, but not fewer."""
LONGEST = 2_000
"""Characters of a text that are read."""
_MOST_COUNTED, _SECONDS_TO_COUNT = 5_000_000, 8
"""Tables of more rows are not counted."""
_MOST_SCANNED = 20_000_000
"""Values of a table of which each row has the same chance to be read; of a larger one, each page has."""

Connect = Callable[[], connection]


@dataclass(frozen=True)
class Counts:
    """How many rows there are: counted, or as the planner estimates them."""

    labelled: int
    unlabelled: int
    """With NULL for a label, or an empty one."""
    empty: int | None
    """With a label that is empty and not NULL; None where nobody has counted."""
    exact: bool


@dataclass(frozen=True)
class Sample:
    """Labelled rows. A time is given in seconds since 1970, a text without what is longer than `LONGEST`."""

    columns: tuple[Column, ...]
    rows: list[tuple[Any, ...]]
    """Each with a value for each column."""
    drawn: bool
    """Whether they come from all over the table, and not from its beginning."""
    labelled: int | None
    """About how many labelled rows there are, as far as this sample can tell."""


def count(connect: Connect, table: Catalogue, label: Column) -> Counts:
    """Count the rows, or let the planner estimate them where that takes too long."""
    counted = None
    if table.rows <= _MOST_COUNTED:
        statement = sql.SQL("SELECT count(*), count(*) FILTER (WHERE {}), count({}) FROM {}").format(
            _labelled(table, label), sql.Identifier(label.name), table.name.identifier
        )
        counted = _asked(connect, table, statement, _SECONDS_TO_COUNT)
    if counted is not None:
        ((rows, labelled, there),) = counted
        return Counts(labelled, rows - labelled, there - labelled, exact=True)
    labelled = min(_estimated(connect, table, label), table.rows)
    return Counts(labelled, table.rows - labelled, None, exact=False)


def classes(connect: Connect, table: Catalogue, label: Column, at_most: int) -> list[tuple[Any, int]] | None:
    """Return up to `at_most` labels with their rows, the most frequent first; None where that takes too long."""
    if table.rows > _MOST_COUNTED:
        return None
    statement = sql.SQL("SELECT {}, count(*) FROM {} WHERE {} GROUP BY 1 ORDER BY 2 DESC, 1 LIMIT {}").format(
        _value(label), table.name.identifier, _labelled(table, label), sql.Literal(at_most)
    )
    return _asked(connect, table, statement, _SECONDS_TO_COUNT)


def sample(connect: Connect, table: Catalogue, label: Column, columns: Sequence[Column], labelled: int) -> Sample:
    """Read some labelled rows. labelled: about how many there are. Raises SourceError where these take too long."""
    most = max(LEAST_ROWS, min(MOST_ROWS, MOST_VALUES // len(columns)))
    share = most / max(1, labelled)
    while table.can_be_sampled and share < 1:
        rows = _asked(connect, table, _selected(table, label, columns, 2 * most, share), SECONDS)
        if rows is None:
            break
        if len(rows) >= LEAST_ROWS:
            known = round(len(rows) / share) if len(rows) < 2 * most else None
            return Sample(tuple(columns), rows, drawn=True, labelled=known)
        # There are fewer than was estimated, before the first ANALYZE say.
        share *= min(100, most / max(1, len(rows)))
    rows = _asked(connect, table, _selected(table, label, columns, most), SECONDS)
    if rows is None:
        raise SourceError(
            f"{table.name}: {most:,} rows with a label could not be read within {SECONDS} s; name a view or a "
            "table with fewer rows"
        )
    whole = len(rows) < most
    return Sample(tuple(columns), rows, drawn=whole, labelled=len(rows) if whole else None)


def _selected(
    table: Catalogue, label: Column, columns: Sequence[Column], at_most: int, share: float | None = None
) -> sql.Composable:
    drawn: sql.Composable = sql.SQL("")
    if share is not None:
        by_row = table.rows * len(table.columns) <= _MOST_SCANNED
        # REPEATABLE: asked again, the answer is the same.
        drawn = sql.SQL(" TABLESAMPLE {} ({}) REPEATABLE (0)").format(
            sql.SQL("BERNOULLI" if by_row else "SYSTEM"), sql.Literal(100 * share)
        )
    return sql.SQL("SELECT {} FROM {}{} WHERE {} LIMIT {}").format(
        sql.SQL(", ").join(map(_value, columns)),
        table.name.identifier,
        drawn,
        _labelled(table, label),
        sql.Literal(at_most),
    )


def _estimated(connect: Connect, table: Catalogue, label: Column) -> int:
    statement = sql.SQL("SELECT 1 FROM {} WHERE {}").format(table.name.identifier, _labelled(table, label))
    with bounded(connect, table.name) as cursor:
        return int(explained(cursor, statement)["Plan Rows"])


def _asked(connect: Connect, table: Catalogue, statement: sql.Composable, seconds: int) -> list[tuple[Any, ...]] | None:
    """Return the rows of a statement; None where it takes longer."""
    try:
        with bounded(connect, table.name, seconds) as cursor:
            cursor.execute(statement)
            rows: list[tuple[Any, ...]] = cursor.fetchall()
            return rows
    except SourceError as error:
        if took_too_long(error):
            return None
        raise


def _labelled(table: Catalogue, label: Column) -> sql.Composable:
    return filled(sql.Identifier(label.name), label.oid, utf8=table.utf8)


def _value(column: Column) -> sql.Composable:
    """Return the column as Python takes it: psycopg2 does not know a time after the year 9999."""
    name = sql.Identifier(column.name)
    if column.kind is Kind.NUMBER:
        return sql.SQL("{}::float8").format(name)
    if column.kind is Kind.TIME:
        return sql.SQL("extract(epoch FROM {})::float8").format(name)
    return (
        name
        if column.kind in (Kind.INTEGER, Kind.BOOLEAN)
        else sql.SQL("left({}::text, {})").format(name, sql.Literal(LONGEST))
    )
