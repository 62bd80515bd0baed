"""The SQL that sums exposures and outcomes in the user's database. What comes back is as small as days and arms."""

from collections.abc import Sequence
from datetime import datetime

from psycopg2 import sql

from retrain.ab.moments import PRODUCTS
from retrain.spec.ab import Kind, Measured

_VALUES = ("y", "d", "y_before", "d_before")


def exposed(shown: sql.Composable, production: str, staging: str) -> sql.Composable:
    """Return a SELECT of each unit: its first exposure and that one's arm, and what is strange about it.

    shown: a SELECT of `unit`, `arm` and `at`. production, staging: values of `arm`; exposures to both at one moment
    count as Production's. `first` is NULL for rows without a unit, and for units that no arm is known of.
    """
    return sql.SQL(
        "SELECT unit, CASE WHEN unit IS NOT NULL THEN least(p, s) END AS first, coalesce(s < p, p IS NULL) AS staging, "
        "p IS NOT NULL AND s IS NOT NULL AS crossed, incomplete, strange, example FROM (SELECT unit, "
        "min(at) FILTER (WHERE arm = {production}) AS p, min(at) FILTER (WHERE arm = {staging}) AS s, "
        "count(*) FILTER (WHERE unit IS NULL OR arm IS NULL OR at IS NULL) AS incomplete, "
        "count(*) FILTER (WHERE {strange}) AS strange, min(arm) FILTER (WHERE {strange}) AS example "
        "FROM ({shown}) AS shown GROUP BY unit) AS seen"
    ).format(
        shown=shown,
        production=sql.Literal(production),
        staging=sql.Literal(staging),
        strange=sql.SQL("arm NOT IN ({}, {}) AND unit IS NOT NULL AND at IS NOT NULL").format(
            sql.Literal(production), sql.Literal(staging)
        ),
    )


def days(
    exposed: sql.Composable, began: Sequence[datetime], metrics: Sequence[Measured], until: datetime
) -> sql.Composable:
    """Return a SELECT of units by day (UTC, NULL for those not used), phase and arm.

    Columns: day, phase, staging, units, crossed, incomplete, strange, example, and for each metric how many units have
    matured by `until`.
    """
    matured = [
        sql.SQL("count(*) FILTER (WHERE first + {} <= {})").format(sql.Literal(each.window), sql.Literal(until))
        for each in metrics
    ]
    return sql.SQL(
        "SELECT date_trunc('day', first) AS day, {phase} AS phase, staging, count(first), "
        "count(*) FILTER (WHERE crossed AND first IS NOT NULL), sum(incomplete)::bigint, sum(strange)::bigint, "
        "min(example), {matured} FROM ({exposed}) AS exposed GROUP BY 1, 2, 3"
    ).format(phase=_phase(began), matured=sql.SQL(", ").join(matured), exposed=exposed)


def sums(
    metric: Measured,
    outcomes: sql.Composable,
    exposed: sql.Composable,
    *,
    cap: float | None,
    began: Sequence[datetime],
    until: datetime,
) -> sql.Composable:
    """Return a SELECT of sums by phase and arm, over the exposed units that have a row in `outcomes`.

    outcomes: a SELECT of `unit`, `at`, `value`, `per`. Columns: phase, staging, outcomes before the first exposure,
    those after the window, values that are not finite; then what `Moments.of` reads, of units matured by `until`.
    """
    first = sql.SQL("e.first")
    return sql.SQL(
        "WITH per_unit AS (SELECT e.first, e.staging, {values}, "
        "count(*) FILTER (WHERE o.at >= {since} AND o.at < e.first) AS early, "
        "count(*) FILTER (WHERE o.at >= e.first + {window}) AS late "
        "FROM ({outcomes}) AS o JOIN ({exposed}) AS e ON o.unit = e.unit WHERE e.first IS NOT NULL "
        "GROUP BY e.unit, e.first, e.staging) "
        "SELECT {phase} AS phase, staging, sum(early)::bigint, sum(late)::bigint, sum(infinite)::bigint, {moments} "
        "FROM per_unit GROUP BY 1, 2"
    ).format(
        values=_values(metric, first),
        since=sql.Literal(began[0]),
        window=sql.Literal(metric.window),
        outcomes=outcomes,
        exposed=exposed,
        phase=_phase(began),
        moments=_moments(
            sql.Literal(cap),
            sql.SQL("FILTER (WHERE first + {} <= {})").format(sql.Literal(metric.window), sql.Literal(until)),
        ),
    )


def arrivals(shown: sql.Composable, since: datetime) -> sql.Composable:
    """Return a SELECT of the day, from 0 at `since`, and how many units were first exposed on it, to any arm."""
    return sql.SQL(
        "SELECT floor(extract(epoch FROM first - {since}) / 86400)::int AS day, count(*) FROM "
        "(SELECT unit, min(at) AS first FROM ({shown}) AS shown WHERE unit IS NOT NULL GROUP BY unit) AS seen "
        "GROUP BY 1 ORDER BY 1"
    ).format(since=sql.Literal(since), shown=shown)


def history_of_exposed(metric: Measured, outcomes: sql.Composable, shown: sql.Composable) -> sql.Composable:
    """Return a SELECT of one row over units as if a test of one arm had begun before. shown: as in `exposed`.

    Columns: units that were exposed, the cap, values that are not finite; then what `Moments.of` reads, of the units
    with a row in `outcomes`.
    """
    return sql.SQL(
        "WITH exposed AS MATERIALIZED "
        "(SELECT unit, min(at) AS first FROM ({shown}) AS shown WHERE unit IS NOT NULL GROUP BY unit), "
        "per_unit AS (SELECT {values} FROM ({outcomes}) AS o JOIN exposed AS e ON o.unit = e.unit "
        "GROUP BY e.unit, e.first) {history}"
    ).format(
        shown=shown,
        values=_values(metric, sql.SQL("e.first")),
        outcomes=outcomes,
        history=_history(metric, sql.SQL("(SELECT count(*) FROM exposed)")),
    )


def history_of_outcomes(metric: Measured, outcomes: sql.Composable, first: datetime) -> sql.Composable:
    """Return the same over the units with a row in `outcomes`, as if each had been exposed at the time `first`."""
    return sql.SQL("WITH per_unit AS (SELECT {values} FROM ({outcomes}) AS o GROUP BY o.unit) {history}").format(
        values=_values(metric, sql.Literal(first)),
        outcomes=outcomes,
        history=_history(metric, sql.SQL("count(y)")),
    )


def _history(metric: Measured, units: sql.Composable) -> sql.Composable:
    quantile = metric.quantile
    cap = (
        sql.SQL("max(NULL::float8)")
        if quantile is None
        else sql.SQL("percentile_disc({}) WITHIN GROUP (ORDER BY y) FILTER (WHERE y > 0)").format(sql.Literal(quantile))
    )
    return sql.SQL(
        "SELECT {units}, cap, coalesce(sum(infinite), 0)::bigint, {moments} "
        "FROM (SELECT {cap} AS cap FROM per_unit) AS limits LEFT JOIN per_unit ON true GROUP BY cap"
    ).format(units=units, cap=cap, moments=_moments(sql.SQL("cap"), sql.SQL("")))


def _values(metric: Measured, first: sql.Composable) -> sql.Composable:
    """Return the expressions of a unit's four values, over its outcomes `o`, and of how many are not finite."""
    after = sql.SQL("o.at >= {first} AND o.at < {first} + {window}").format(
        first=first, window=sql.Literal(metric.window)
    )
    before: sql.Composable = sql.SQL("FALSE")
    if metric.before is not None:
        before = sql.SQL("o.at >= {first} - {before} AND o.at < {first}").format(
            first=first, before=sql.Literal(metric.before)
        )
    value = "sum(o.value)" if metric.kind is not Kind.BINARY else "max((o.value <> 0)::int)"
    return sql.SQL(
        f"coalesce({value} FILTER (WHERE {{after}}), 0)::float8 AS y, "
        "coalesce(sum(o.per) FILTER (WHERE {after}), 0)::float8 AS d, "
        f"coalesce({value} FILTER (WHERE {{before}}), 0)::float8 AS y_before, "
        "coalesce(sum(o.per) FILTER (WHERE {before}), 0)::float8 AS d_before, "
        "count(*) FILTER (WHERE o.value IN ({strange}) OR o.per IN ({strange})) AS infinite"
    ).format(after=after, before=before, strange=sql.SQL("'NaN', 'Infinity', '-Infinity'"))


def _moments(cap: sql.Composable, which: sql.Composable) -> sql.Composable:
    """Return the expressions of what `Moments.of` reads, of the rows in `per_unit`; y counts up to the cap."""
    capped = {"y": "least(y, {cap})", "y_before": "least(y_before, {cap})"}
    values = [capped.get(name, name) for name in _VALUES]
    terms = [*values, *(f"{values[one]} * {values[other]}" for one, other in PRODUCTS)]
    return sql.SQL(", ".join(f"coalesce(sum({term}) {{which}}, 0)" for term in terms)).format(cap=cap, which=which)


def _phase(began: Sequence[datetime]) -> sql.Composable:
    """Return the expression of the phase in which `first` is: the last one that had begun."""
    return sql.SQL("greatest(width_bucket(first, {}) - 1, 0)").format(sql.Literal(list(began)))
