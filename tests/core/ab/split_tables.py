"""Tables of a split test: how they are written, named in a spec, and read."""

from datetime import UTC, datetime, timedelta

import pandas as pd
from psycopg2.extras import execute_values

from retrain.ab.units import Units
from retrain.arms import Baseline, Split
from retrain.ledger.splits import Exposure
from tests.core.source.tables import execute
from tests.core.spec.specs import spec

BEGAN = datetime(2026, 3, 2, 9, 30, tzinfo=UTC)
NOW = BEGAN + timedelta(days=30)
PHASES = (BEGAN, BEGAN + timedelta(days=8))
OWN = object()
"""Exposures are those of the ledger."""


def day(number, **more):
    """So many days after the test began."""
    return BEGAN + timedelta(days=number, **more)


def write(schema, name, columns, rows):
    """Make a table. columns: as in CREATE TABLE."""
    execute(schema, f"CREATE TABLE {name} ({columns})")
    with schema.session, schema.session.cursor() as cursor:
        execute_values(cursor, f"INSERT INTO {name} VALUES %s", [*rows])


def shown(schema, rows, columns="unit text, arm text, at timestamptz"):
    write(schema, "shown", columns, rows)


def did(schema, rows, columns="unit text, at timestamptz, value float8, per float8"):
    write(schema, "did", columns, rows)


def wanted(*, exposures=None, guardrails=(), source=None, **metric):
    """A spec with a split test whose primary metric has these fields."""
    outcome = {"table": "did", **metric.pop("outcome", {})}
    primary = {"name": "metric", "window": "7d", "outcome": outcome, **metric}
    section = {"primary": primary, "effect": 0.1, "guardrails": [*guardrails]}
    if exposures is not OWN:
        section["exposures"] = {"table": "shown"} if exposures is None else exposures
    more = {} if source is None else {"source": source}
    return spec(ab=section, **more)


def units(schema, spec, queries=None, exposures=None):
    """exposures: lists of those of the ledger."""
    return Units(schema.connect, spec, queries or {}, lambda _: iter(exposures or []))


def fixed(metric="metric", **fields):
    return Baseline(
        **{"metric": metric, "units": 9, "mean": 1.0, "deviation": 1.0, "cap": None, "weight": 0.0, **fields}
    )


def split(*baselines):
    return Split(
        id="Letters/1",
        model="Letters",
        version="2",
        identity=None,
        production="1",
        production_identity=None,
        began=BEGAN,
        ends=NOW,
        by="kim",
        why="to see",
        baselines=baselines or (fixed(),),
    )


def seen(schema, spec=None, *, queries=None, exposures=None, baselines=(), phases=PHASES, now=NOW):
    return units(schema, spec or wanted(), queries, exposures).seen(split(*baselines), phases, now)


def sums(schema, spec=None, **how):
    """Both arms' units, y and d of the primary metric, over all phases."""
    pairs = seen(schema, spec, **how).pairs[0]
    return {
        arm: tuple(sum(getattr(getattr(pair, arm), name) for pair in pairs) for name in ("units", "y", "d"))
        for arm in ("production", "staging")
    }


def in_lists(rows, size):
    """Exposures as the ledger yields them: the first of each unit and arm, in lists that part no unit."""
    first = pd.DataFrame(rows, columns=["unit", "arm", "at"]).groupby(["unit", "arm"], as_index=False)["at"].min()
    lists = [[]]
    for unit, of_unit in first.groupby("unit"):
        lists[-1] += [Exposure(unit, row.arm, row.at.to_pydatetime()) for row in of_unit.itertuples()]
        if len(lists[-1]) >= size:
            lists.append([])
    return lists
