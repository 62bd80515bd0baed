"""A model with a split test, and the stores that this takes."""

from dataclasses import dataclass

from retrain.ab.section import section_of
from retrain.ab.units import Units
from retrain.ledger.ledger import Ledger
from retrain.production.registry import Registry
from retrain.snapshots.store import SnapshotStore
from retrain.spec.ab import SplitTest
from retrain.spec.spec import Spec
from retrain.tracker.client import ExperimentTracker


@dataclass(frozen=True)
class Testing:
    spec: Spec
    units: Units
    """Reads exposures and outcomes."""
    ledger: Ledger
    tracker: ExperimentTracker
    snapshots: SnapshotStore

    @property
    def registry(self) -> Registry:
        """Changes Production, once the version is proved to load and to score rows."""
        return Registry(self.ledger, self.tracker, self.snapshots, self.spec.trust)

    @property
    def wanted(self) -> SplitTest:
        """The spec's section. Raises SplitTestError where it has none."""
        return section_of(self.spec)
