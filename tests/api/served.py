"""The API in a process of its own, for tests that measure it: `python -m tests.api.served MLFLOW DSN PORT`."""

import sys
from pathlib import Path

import psycopg2
import uvicorn

from retrain.ledger.ledger import Ledger
from retrain.snapshots.store import SnapshotStore
from retrain.spec.files import SpecFolder
from retrain.tracker.client import ExperimentTracker
from retrain_airflow.api.app import DEADLINE
from retrain_airflow.api.backend import Backend
from tests.api.conftest import NoScheduler, _no_source, mounted


def main(mlflow: str, dsn: str, port: int) -> None:
    tracker = ExperimentTracker(mlflow, deadline=DEADLINE)
    ledger = Ledger(lambda: psycopg2.connect(dsn))
    backend = Backend(
        tracker_at=lambda _: tracker,
        ledger_at=lambda _: ledger,
        snapshots=lambda _: SnapshotStore(Path("unused").absolute().as_uri()),
        source=_no_source,
        specs=lambda: SpecFolder((), ()),
        scheduler=NoScheduler(),
    )
    uvicorn.run(mounted(backend), port=port, log_level="error", access_log=False)


if __name__ == "__main__":
    main(sys.argv[1], sys.argv[2], int(sys.argv[3]))
