"""One cycle of one model: the run of the DAG that it is, and the stores that it uses."""

import hashlib
import json
from dataclasses import dataclass

from retrain.ledger.ledger import Ledger
from retrain.snapshots.store import SnapshotStore
from retrain.spec.spec import Spec
from retrain.tracker.client import ExperimentTracker


@dataclass(frozen=True)
class Cycle:
    spec: Spec
    dag_id: str
    run_id: str
    snapshots: SnapshotStore
    ledger: Ledger
    tracker: ExperimentTracker
    note: str = ""
    """The note of the person who started it; it is shown on the runs in MLflow."""
    page: str | None = None
    """Address of the run's page in Airflow; None outside of Airflow."""
    api: str | None = None
    """Address of the REST API, which shows reports; None without it."""
    rollback: tuple[str, str | None] | None = None
    """Id of the DAG that takes back a promotion, and the address of its page in Airflow."""

    def key(self, *parts: str) -> str:
        """Return the key that a step claims before it makes something (DESIGN rule 7).

        It is a digest: anybody can choose a run's id, and keys go into MLflow's filters.
        """
        return hashlib.sha256(json.dumps([self.dag_id, self.run_id, *parts]).encode()).hexdigest()

    def by(self, person: str | None) -> str:
        """Return the author of a ledger row: the person, and the run that they used."""
        return f"{person or 'somebody'} in {self}"

    def __str__(self) -> str:
        return f"{self.dag_id}, run {self.run_id}"
