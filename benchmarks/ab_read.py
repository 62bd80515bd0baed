"""How long a look at a split test reads exposures and outcomes, and in how much memory.

A table of exposures with five rows for each two units, and one of outcomes with a tenth as many rows, over four weeks.
One metric: an amount, cut at a cap, with the week before a unit's first exposure. Each of these runs in a process of
its own, whose processes count, but for PostgreSQL's:

neither    `retrain.ab.units.Units.seen`; no table has an index
both       the same; both have one on unit, and one on time
tenth      as `neither`, over a tenth of the rows
own        exposures are the ledger's, in a database of their own, and are sent to that of the outcomes in parts:
           of at most a million units, which an API would have been asked for
plain      what a notebook does: `pandas.read_sql` of both tables, a sort, two groupings and a merge. Over a million
           exposures; `seen` is ours over the same rows, and both must find the same sums

Aims: memory over all rows is at most 500 MB, and at most 1.2 times that over a tenth.
"""

import argparse
import json
import tempfile
import time
from collections.abc import Iterator
from contextlib import closing
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pandas as pd
import psycopg2
from simulation.measured import measured

from retrain.ab.units import Units
from retrain.arms import Baseline, Split
from retrain.ledger.ledger import Ledger
from retrain.spec.parse import parse
from stack import local

AIM_MB, AIM_GROWTH = 500, 1.2
BEGAN, WINDOW = datetime(2026, 3, 2, tzinfo=UTC), timedelta(days=7)
NOW, PHASES = BEGAN + timedelta(days=35), (BEGAN, BEGAN + timedelta(days=7), BEGAN + timedelta(days=14))
CAP, WEIGHT, MILLION, TEST = 50.0, 0.4, 1_000_000, "letters/1"
_TABLES = """
DROP TABLE IF EXISTS shown, did;
CREATE UNLOGGED TABLE shown AS
SELECT unit, CASE WHEN hashint8(unit) & 1 = 0 THEN 'staging' ELSE 'production' END AS arm,
       '{began}'::timestamptz + random() * interval '28 days' AS at
FROM (SELECT (random() * {units})::bigint AS unit FROM generate_series(1, {rows})) AS drawn;
CREATE UNLOGGED TABLE did AS
SELECT (random() * {units})::bigint AS unit, '{began}'::timestamptz + (random() * 42 - 7) * interval '1 day' AS at,
       round((5 / (random() + 0.01))::numeric, 2)::float8 AS value
FROM generate_series(1, {outcomes});
ANALYZE shown; ANALYZE did
"""
_INDEXES = """
CREATE INDEX ON shown (unit); CREATE INDEX ON shown (at); CREATE INDEX ON did (unit); CREATE INDEX ON did (at)
"""
_OWN = """
INSERT INTO retrain.models (model) VALUES ('letters');
INSERT INTO retrain.splits (id, model, body, began) VALUES ('{test}', 'letters', '{{}}', '{began}');
INSERT INTO retrain.exposures (split, unit, arm, at)
SELECT '{test}', unit::text, min(arm), min(at) FROM shown WHERE unit < {most} GROUP BY unit
"""


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--rows", type=int, default=50_000_000, help="exposures")
    parser.add_argument("--short", action="store_true", help="a million exposures")
    arguments = parser.parse_args()
    rows = MILLION if arguments.short else arguments.rows
    with (
        tempfile.TemporaryDirectory(prefix="retrain-") as folder,
        local.running(Path(folder) / "home", services=("postgres", "retrain-migrate")) as stack,
    ):
        found = _all(stack.dsn("retrain"), rows)
    growth = round(found["neither"]["mb"] / found["tenth"]["mb"], 2)
    met = {"mb": max(found[name]["mb"] for name in ("neither", "both")) <= AIM_MB, "growth": growth <= AIM_GROWTH}
    print(
        json.dumps(
            {
                "name": "ab_read",
                "rows": rows,
                **found,
                "growth_over_a_tenth": growth,
                "aim": f"mb <= {AIM_MB}; growth <= {AIM_GROWTH}",
                "met": met,
            }
        )
    )


def _all(dsn: str, rows: int) -> dict[str, Any]:
    found: dict[str, Any] = {}

    def measure(name: str, act: Any) -> None:
        found[name] = measured(act, dsn)
        print(f"{name}: {found[name]}", flush=True)

    _fill(dsn, min(rows, MILLION))
    measure("plain", _plain)
    measure("seen", _seen)
    if abs(found["plain"]["y"] - found["seen"]["y"]) > 1e-6 * abs(found["plain"]["y"]):
        raise SystemExit("pandas and Retrain do not find the same sums")
    _fill(dsn, rows // 10)
    measure("tenth", _seen)
    _fill(dsn, rows)
    measure("neither", _seen)
    _execute(dsn, _OWN.format(test=TEST, most=MILLION, began=BEGAN.isoformat()))
    measure("own", _own)
    _execute(dsn, _INDEXES)
    measure("both", _seen)
    return found


def _fill(dsn: str, rows: int) -> None:
    begun = time.monotonic()
    began = BEGAN.isoformat()
    _execute(dsn, _TABLES.format(rows=rows, units=rows * 2 // 5, outcomes=rows // 10, began=began))
    print(f"{rows:,} exposures written in {time.monotonic() - begun:.0f} s", flush=True)


def _execute(dsn: str, statement: str) -> None:
    with closing(psycopg2.connect(dsn)) as connection, connection:
        connection.cursor().execute(statement)


def _units(dsn: str, *, own: bool) -> Units:
    metric = {
        "name": "paid",
        "kind": "amount",
        "window": "7d",
        "before": "7d",
        "outcome": {"table": "did", "value": "value"},
    }
    spec = parse(
        {
            "model": "letters",
            "source": {"table": "letters", "key": "id", "label": "label", "features": ["a"]},
            "candidates": [{"name": "linear", "estimator": "simulation.histories:logistic"}],
            "ab": {"effect": 0.1, "primary": metric, **({} if own else {"exposures": {"table": "shown"}})},
        },
        "ab_read.yaml",
    )

    def connect() -> Any:
        return psycopg2.connect(dsn)

    return Units(connect, spec, {}, Ledger(connect).exposures if own else _none)


def _none(_: str) -> Iterator[Any]:
    return iter(())


def _seen(dsn: str, *, own: bool = False) -> dict[str, Any]:
    baseline = Baseline(metric="paid", units=1, mean=0.0, deviation=1.0, cap=CAP, weight=WEIGHT)
    split = Split(
        id=TEST,
        model="letters",
        version="2",
        identity=None,
        production="1",
        production_identity=None,
        began=BEGAN,
        ends=NOW,
        by="kim",
        why="to measure",
        baselines=(baseline,),
    )
    found = _units(dsn, own=own).seen(split, PHASES, NOW)
    return {"units": found.counts.matured, "y": round(sum(pair.staging.y for pair in found.pairs[0]), 3)}


def _own(dsn: str) -> dict[str, Any]:
    return _seen(dsn, own=True)


def _plain(dsn: str) -> dict[str, Any]:
    with closing(psycopg2.connect(dsn)) as connection:
        shown = pd.read_sql("SELECT unit, arm, at FROM shown", connection)
        did = pd.read_sql("SELECT unit, at, value FROM did", connection)
    first = shown.sort_values("at").groupby("unit").first().rename(columns={"at": "first"})
    first = first[first["first"] + WINDOW <= NOW]
    rows = did.merge(first[["first"]], left_on="unit", right_index=True)
    past = rows["at"] - rows["first"]
    for name, since in (("y", timedelta(0)), ("before", -WINDOW)):
        within = rows[(past >= since) & (past < since + WINDOW)]
        first[name] = within.groupby("unit")["value"].sum().clip(upper=CAP)
    first = first.fillna({"y": 0.0, "before": 0.0})
    first["phase"] = sum((first["first"] >= began).astype(int) for began in PHASES[1:])
    mean = first.groupby("phase")["before"].transform("mean")
    y = first["y"] - WEIGHT * (first["before"] - mean)
    return {"units": len(first), "y": round(float(y[first["arm"] == "staging"].sum()), 3)}


if __name__ == "__main__":
    main()
