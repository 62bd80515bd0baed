"""A model whose later rows are looked at, and the stores that this takes."""

from dataclasses import dataclass

from retrain.ledger.ledger import Ledger
from retrain.snapshots.store import SnapshotStore
from retrain.source.table import Source
from retrain.spec.spec import Spec
from retrain.tracker.client import ExperimentTracker


@dataclass(frozen=True)
class Observing:
    spec: Spec
    source: Source
    snapshots: SnapshotStore
    ledger: Ledger
    tracker: ExperimentTracker

    @property
    def column(self) -> str:
        """The column with the times of which cohorts are made."""
        return self.spec.watch.predicted_at or self.spec.source.label_time or ""
