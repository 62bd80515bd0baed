"""How long a million late labels take to score, and in how much memory.

A table of six numbers; version 1 has been in Production for ten weeks, and the labels of one week come at once. Each of
these runs in a process of its own, whose processes count:

all        `retrain.live.observe` with `watch.at_most` above the number of rows: every row is read, asked in the sandbox
           and kept, and the score has its interval by cluster
sample     the same as shipped: of more than 100,000 rows, those of some clusters
again      after a hundredth more rows have come: only those are asked
plain      `pandas.read_sql` of the week, the version's `predict` in the process itself, scikit-learn's `f1_score`:
           without an interval, without a look at which rows the version knows, and nothing is kept

Peak memory is the greatest resident set of the process and of those that it started, in MB; by how much it grows over
a fifth of the rows says whether it is bounded. Aims: all takes at most three times as long as plain; sample grows by at
most a fifth.
"""

import argparse
import json
import tempfile
from contextlib import closing
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pandas as pd
import psycopg2
from simulation.measured import measured
from sklearn.metrics import f1_score

from retrain.cycle.context import Cycle
from retrain.cycle.evaluate import evaluate
from retrain.cycle.promote import promote
from retrain.cycle.snapshot import take_snapshot
from retrain.cycle.train import train
from retrain.ledger.ledger import Ledger
from retrain.live.observe import observe
from retrain.live.observing import Observing
from retrain.live.predict import Predicting
from retrain.models import files as model_files
from retrain.snapshots.store import SnapshotStore
from retrain.source.table import FIRST_MONDAY, Source
from retrain.spec.parse import parse
from retrain.tracker.client import ExperimentTracker
from stack import local

AIM_TIMES, AIM_GROWTH = 3.0, 1.2
WEEK = timedelta(days=7)
FEATURES = list("abcdef")
_ROWS = """
INSERT INTO letters
SELECT i, CASE WHEN (a + b + 0.5 * e > 1.25) <> (random() < 0.1) THEN 'yes' ELSE 'no' END, a, b, c, d, e, f, {time}
FROM (SELECT i, random() AS a, random() AS b, random() AS c, random() AS d, random() AS e, random() AS f
      FROM generate_series({first}::bigint, {last}::bigint) i) AS dice
"""


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--rows", type=int, default=1_000_000, help="late labels")
    parser.add_argument("--short", action="store_true", help="100,000 late labels")
    arguments = parser.parse_args()
    rows = 100_000 if arguments.short else arguments.rows
    services = ("postgres", "retrain-migrate", "mlflow")
    with (
        tempfile.TemporaryDirectory(prefix="retrain-") as folder,
        local.running(Path(folder) / "home", services=services) as stack,
    ):
        where = (stack.dsn("retrain"), (Path(folder) / "snapshots").as_uri(), stack.mlflow_url)
        _in_production(where)
        fewer = {name: _late(where, rows // 5, name, at_most) for name, at_most in (("sample", None), ("all", rows))}
        found = {name: _late(where, rows, name, at_most) for name, at_most in (("sample", None), ("all", rows))}
        _insert(where[0], rows // 100, first=20_000_000)
        found["again"] = measured(_observe, where, rows * 2)
        found["plain"] = measured(_plain, where)
    times = found["all"]["seconds"] / found["plain"]["seconds"]
    growth = {name: round(found[name]["mb"] / fewer[name]["mb"], 2) for name in fewer}
    print(
        json.dumps(
            {
                "name": "later",
                "rows": rows,
                **found,
                "times_plain": round(times, 2),
                "growth_over_a_fifth": growth,
                "aim": f"times_plain <= {AIM_TIMES}; growth of sample <= {AIM_GROWTH}",
                "met": {"times_plain": times <= AIM_TIMES, "growth": growth["sample"] <= AIM_GROWTH},
            }
        )
    )


Where = tuple[str, str, str]
"""Where the database, the snapshots and MLflow are."""


def _late(where: Where, rows: int, name: str, at_most: int | None) -> dict[str, Any]:
    """Let so many labels come in the last week, and score them from nothing."""
    with closing(psycopg2.connect(where[0])) as connection, connection:
        connection.cursor().execute("DELETE FROM letters WHERE id >= 10000000; DELETE FROM retrain.cohorts")
    _insert(where[0], rows, first=10_000_000)
    found = measured(_observe, where, at_most)
    print(f"{name} {rows:,}: {found}", flush=True)
    return found


def _insert(dsn: str, rows: int, *, first: int, late: bool = True) -> None:
    week = f"'{_last_week().isoformat()}'::timestamptz + random() * interval '6 days'"
    statement = _ROWS.format(first=first, last=first + rows - 1, time=week if late else "now() - interval '80 days'")
    with closing(psycopg2.connect(dsn)) as connection, connection:
        connection.cursor().execute(statement)


def _last_week() -> datetime:
    return FIRST_MONDAY + ((datetime.now(UTC) - FIRST_MONDAY) // WEEK - 1) * WEEK


def _in_production(where: Where) -> None:
    columns = ", ".join(f"{each} float8" for each in FEATURES)
    with closing(psycopg2.connect(where[0])) as connection, connection:
        cursor = connection.cursor()
        cursor.execute(f"CREATE TABLE letters (id bigint PRIMARY KEY, label text, {columns}, labelled_at timestamptz)")
        cursor.execute("CREATE INDEX ON letters (labelled_at)")
    _insert(where[0], 20_000, first=1, late=False)
    observing = _observing(where, None)
    cycle = Cycle(observing.spec, "later", "run 1", observing.snapshots, observing.ledger, observing.tracker)
    snapshot = take_snapshot(
        observing.spec, source=observing.source, snapshots=observing.snapshots, ledger=observing.ledger
    )
    promote(cycle, evaluate(cycle, snapshot, [train(cycle, snapshot, "linear")], dry_run=False))
    with closing(psycopg2.connect(where[0])) as connection, connection:
        connection.cursor().execute("UPDATE retrain.promotions SET applied_at = now() - interval '70 days'")


def _observing(where: Where, at_most: int | None) -> Observing:
    dsn, snapshots, mlflow = where
    source = {
        "table": "letters",
        "key": "id",
        "label": "label",
        "label_time": "labelled_at",
        "features": FEATURES,
    }
    spec = parse(
        {
            "model": "letters",
            "source": source,
            "candidates": [{"name": "linear", "estimator": "simulation.histories:logistic"}],
            "watch": {} if at_most is None else {"at_most": at_most},
        },
        "later.yaml",
    )

    def connect() -> Any:
        return psycopg2.connect(dsn)

    return Observing(
        spec, Source(connect, spec.source), SnapshotStore(snapshots), Ledger(connect), ExperimentTracker(mlflow)
    )


def _observe(where: Where, at_most: int | None) -> dict[str, Any]:
    observing = _observing(where, at_most)
    with Predicting(observing) as predicting:
        scores, _ = observe(observing, predicting)
    return {"scored": sum(each.rows for each in scores), "score": scores[-1].score}


def _plain(where: Where) -> dict[str, Any]:
    observing = _observing(where, None)
    file = observing.ledger.model_file_of_version("letters", "1")
    if file is None:
        raise SystemExit("version 1 is not in the ledger")
    with tempfile.TemporaryDirectory() as folder, closing(psycopg2.connect(where[0])) as connection:
        path = observing.tracker.download_model(file.uri, Path(folder))
        model = model_files.load(file.uri, path, file.digest, ())
        since = _last_week()
        statement = "SELECT * FROM letters WHERE labelled_at >= %s AND labelled_at < %s"
        rows = pd.read_sql(statement, connection, params=(since, since + WEEK))
        predicted = model.predict(rows[FEATURES])
    return {"scored": len(rows), "score": float(f1_score(rows["label"], predicted, average="macro"))}


if __name__ == "__main__":
    main()
