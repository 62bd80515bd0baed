"""One cycle through Airflow's scheduler against the same verbs called in one Python process, on the same rows.

The two take turns on one stack: the same table, the same MLflow server, one model each. What is measured is the wall
time: from the trigger to the end of the run, and from the first verb to the last. In each round both get the rows of
the table as they are. The first round is not counted, because both begin cold.

The rows are film reviews if RETRAIN_TEST_REVIEWS names their folder, otherwise the sample's cover letters.
"""

import argparse
import json
import os
import statistics
import tempfile
import time
from collections.abc import Sequence
from contextlib import closing
from pathlib import Path

import pandas as pd
import psycopg2
import yaml

from retrain.cycle.context import Cycle
from retrain.cycle.evaluate import evaluate
from retrain.cycle.promote import may_promote, promote
from retrain.cycle.sense import sense
from retrain.cycle.snapshot import take_snapshot
from retrain.cycle.train import train
from retrain.ledger.ledger import Ledger
from retrain.messages import outbox
from retrain.snapshots.store import SnapshotStore
from retrain.source.table import Source
from retrain.spec import files as spec_files
from retrain.spec.files import SpecFile
from retrain.tracker.client import ExperimentTracker
from stack import feed, local
from stack.airflow_api import AirflowApi
from stack.home import PROJECT
from stack.local import Running
from stack.samples import cover_letters

AIM_SECONDS = 10
SPECS = PROJECT / "include" / "specs"


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--rows", type=int, default=100_000)
    parser.add_argument("--rounds", type=int, default=4)
    parser.add_argument("--short", action="store_true", help="2,000 rows, 3 rounds")
    arguments = parser.parse_args()
    rows, rounds = (2_000, 3) if arguments.short else (arguments.rows, arguments.rounds)
    with tempfile.TemporaryDirectory(prefix="retrain-") as folder:
        spec, frame = _material(rows)
        specs = Path(folder) / "specs"
        scheduled, direct = (_twin(spec, specs, name) for name in ("scheduled", "direct"))
        with local.running(Path(folder) / "home", env={"RETRAIN_SPECS": str(specs)}) as stack:
            with closing(psycopg2.connect(stack.dsn("source"))) as connection:
                feed.load(connection, spec.path.stem, frame, key=spec.spec.source.key)
            with closing(AirflowApi(stack)) as api:
                api.wait_for_dag(scheduled.dag_id)
                seconds = [(_through_airflow(api, scheduled), _in_one_process(stack, direct)) for _ in range(rounds)]
    for number, (airflow, process) in enumerate(seconds):
        print(f"round {number}: {airflow:.1f} s through Airflow, {process:.1f} s in one process")
    _report(len(frame), seconds[1:])


def _material(rows: int) -> tuple[SpecFile, pd.DataFrame]:
    reviews = os.environ.get("RETRAIN_TEST_REVIEWS")
    if reviews:
        file = spec_files.load(SPECS / "reviews.yaml")
        dated = feed.read(Path(reviews) / "reviews-2003-2010.tsv.gz", dates=file.spec.source.label_time)
        return file, dated.head(rows)
    return spec_files.load(SPECS / "cover_letters.yaml"), cover_letters.generate(rows, seed=1)


def _twin(file: SpecFile, specs: Path, name: str) -> SpecFile:
    """The same spec for another model, which runs by hand only."""
    data = yaml.safe_load(file.path.read_text(encoding="utf-8")) | {"model": name, "schedule": None}
    specs.mkdir(exist_ok=True)
    path = specs / f"{name}.yaml"
    path.write_text(yaml.safe_dump(data, allow_unicode=True), encoding="utf-8")
    if file.sql is not None and file.spec.source.query is not None:
        (specs / file.spec.source.query).write_text(file.sql, encoding="utf-8")
    return spec_files.load(path)


def _through_airflow(api: AirflowApi, file: SpecFile) -> float:
    begun = time.monotonic()
    run = api.trigger(file.dag_id, ignore_threshold=True)
    for _ in api.follow(file.dag_id, run, patience=1800):
        pass
    taken = time.monotonic() - begun
    if api.result(file.dag_id, run, "evaluate") is None:
        raise SystemExit(f"the run has no verdict: its state is {api.state(file.dag_id, run)}")
    return taken


def _in_one_process(stack: Running, file: SpecFile) -> float:
    spec = file.spec
    source = Source(lambda: psycopg2.connect(stack.dsn("source")), spec.source, file.sql)
    ledger = Ledger(lambda: psycopg2.connect(stack.dsn("retrain")))
    snapshots = SnapshotStore(stack.env["RETRAIN_SNAPSHOTS_URI"])
    begun = time.monotonic()
    cycle = Cycle(spec, file.dag_id, f"at {begun}", snapshots, ledger, ExperimentTracker(stack.mlflow_url))
    sense(spec, source=source, ledger=ledger)
    snapshot = take_snapshot(spec, source=source, snapshots=snapshots, ledger=ledger)
    candidates = [train(cycle, snapshot, candidate.name) for candidate in spec.candidates]
    verdict = evaluate(cycle, snapshot, candidates, dry_run=False)
    if may_promote(cycle, verdict):
        promote(cycle, verdict)
    outbox.send(spec.model, [], ledger=ledger)
    return time.monotonic() - begun


def _report(rows: int, seconds: Sequence[tuple[float, float]]) -> None:
    airflow, process = (statistics.median(column) for column in zip(*seconds, strict=True))
    added = statistics.median(one - other for one, other in seconds)
    print(
        json.dumps(
            {
                "name": "cycle",
                "ratio": round(airflow / process, 2),
                "rows": rows,
                "through_airflow_seconds": round(airflow, 1),
                "in_one_process_seconds": round(process, 1),
                "added_seconds": round(added, 1),
                "aim": f"added_seconds <= {AIM_SECONDS}",
                "met": added <= AIM_SECONDS,
            }
        )
    )


if __name__ == "__main__":
    main()
