"""One cycle of one model: which run of a DAG it is, and where it keeps what it makes."""

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
    """What a person wrote when starting it; lands on the runs in MLflow."""
    page: str | None = None
    """Address of the run in Airflow; None where there is none."""
    api: str | None = None
    """Address of the REST API, which shows reports; None where there is none."""
    rollback: tuple[str, str | None] | None = None
    """Id of the DAG that takes a promotion of this model back, and its address in Airflow."""

    def key(self, *parts: str) -> str:
        """What a step claims before it makes something (DESIGN rule 7).

        A digest, because a run's id is anybody's text and keys go into MLflow's filters.
        """
        return hashlib.sha256(json.dumps([self.dag_id, self.run_id, *parts]).encode()).hexdigest()

    def by(self, person: str | None) -> str:
        """For the ledger: a person, who used this run to do it."""
        return f"{person or 'somebody'} in {self}"

    def __str__(self) -> str:
        return f"{self.dag_id}, run {self.run_id}"
