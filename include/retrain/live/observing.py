"""A model whose later rows are looked at, and the stores that this takes."""

from dataclasses import dataclass

from retrain.ledger.ledger import Ledger
from retrain.records import Verdict
from retrain.snapshots.store import SnapshotStore
from retrain.source.served import Served
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
    served: Served | None = None
    """What was served, where the spec says where it is logged."""

    @property
    def column(self) -> str:
        """The column with the times of which cohorts are made."""
        return self.spec.watch.predicted_at or self.spec.source.label_time or ""

    def verdict(self) -> Verdict | None:
        """Return the verdict that let Production in; None where a person did, and without a Production."""
        history = [each for each in self.ledger.history(self.spec.model) if each.applied_at is not None]
        return self.ledger.verdict(history[-1].verdict) if history and history[-1].verdict else None
