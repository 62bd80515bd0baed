"""What some rows of a table of exposures or of outcomes tell before a test begins."""

from dataclasses import dataclass
from typing import Any

from psycopg2 import sql

from retrain.ab.tables import Opened, TableT, translated
from retrain.source.hidden import hides_rows
from retrain.source.layout import FLOATS
from retrain.spec.ab import Exposures, OutcomeTable

SAMPLE = 10_000
"""Rows that are read."""


@dataclass(frozen=True)
class Sampled:
    name: str
    """What the table is read for, and its name."""
    rows: int
    """At most `SAMPLE`."""
    incomplete: int
    """Rows without a unit or a time, or, of exposures, without an arm."""
    infinite: int
    """Rows with a number that is NaN or infinite."""
    strange_arm: str | None
    """An arm that the spec does not name."""
    zone_is_assumed: bool
    """Whether its times have no zone."""
    hidden: bool
    """Whether row-level security keeps some rows from this role."""


def sample(cursor: Any, opened: Opened[TableT]) -> Sampled:
    """Look at some rows, whichever come first. Raises SourceError where they cannot be read."""
    table = opened.table
    needed, numbers = [table.unit, table.at], list[str]()
    arm: sql.Composable = sql.SQL("NULL")
    if isinstance(table, OutcomeTable):
        numbers = [each for each in (table.value, table.per) if each is not None and opened.types[each] in FLOATS]
    if isinstance(table, Exposures):
        needed.append(table.arm)
        arm = sql.SQL("min({arm}::text) FILTER (WHERE {arm}::text NOT IN ({}, {}))").format(
            sql.Literal(table.production), sql.Literal(table.staging), arm=opened.column(table.arm)
        )
    statement = sql.SQL(
        "SELECT count(*), count(*) FILTER (WHERE {incomplete}), count(*) FILTER (WHERE {infinite}), {arm} "
        "FROM (SELECT {columns} FROM {relation} LIMIT {most}) AS sampled"
    ).format(
        incomplete=_any("{} IS NULL", [opened.column(each) for each in needed]),
        infinite=_any("{}::float8 IN ('NaN', 'Infinity', '-Infinity')", [opened.column(each) for each in numbers]),
        arm=arm,
        columns=sql.SQL(", ").join(opened.column(each) for each in table.columns),
        relation=opened.relation,
        most=sql.Literal(SAMPLE),
    )
    with translated(opened.name, table):
        cursor.execute(statement)
        rows, incomplete, infinite, strange_arm = cursor.fetchone()
        hidden = table.table is not None and hides_rows(cursor, opened.relation)
    return Sampled(
        name=opened.name,
        rows=rows,
        incomplete=incomplete,
        infinite=infinite,
        strange_arm=strange_arm,
        zone_is_assumed=opened.zone_is_assumed,
        hidden=hidden,
    )


_UNITS = 1_000
"""Units with an outcome that are looked up among those exposed."""


@dataclass(frozen=True)
class Met:
    """How far outcomes and exposures are about the same units."""

    name: str
    """Of the outcomes."""
    units: int
    """Different ones of the sample, at most `_UNITS`."""
    exposed: int
    """Those of them that have an exposure, whenever."""


def met(cursor: Any, exposures: Opened[Exposures], outcomes: Opened[OutcomeTable]) -> Met:
    """Look some units with an outcome up among the exposures. Raises SourceError where they cannot be read."""
    statement = sql.SQL(
        'WITH units AS MATERIALIZED (SELECT DISTINCT unit FROM (SELECT {unit}::text COLLATE "C" AS unit '
        "FROM {relation} WHERE {unit} IS NOT NULL LIMIT {rows}) AS sampled LIMIT {most}) "
        "SELECT (SELECT count(*) FROM units), count(*) FROM units WHERE EXISTS "
        '(SELECT 1 FROM {shown} AS shown WHERE shown.{shown_unit}::text COLLATE "C" = units.unit)'
    ).format(
        unit=outcomes.column(outcomes.table.unit),
        relation=outcomes.relation,
        rows=sql.Literal(SAMPLE),
        most=sql.Literal(_UNITS),
        shown=exposures.relation,
        shown_unit=exposures.column(exposures.table.unit),
    )
    with translated(outcomes.name, outcomes.table):
        cursor.execute(statement)
        units, exposed = cursor.fetchone()
    return Met(outcomes.name, units, exposed)


def _any(condition: str, columns: list[sql.Identifier]) -> sql.Composable:
    return sql.SQL(" OR ").join([sql.SQL("FALSE"), *(sql.SQL(condition).format(each) for each in columns)])
