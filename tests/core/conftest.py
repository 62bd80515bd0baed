"""A model with all that its cycle needs: source table, Retrain's tables, snapshots, and a real MLflow server."""

from collections.abc import Callable
from dataclasses import dataclass, field
from itertools import count
from pathlib import Path
from typing import Any
from uuid import uuid4

import pytest

from retrain import spec, steps
from retrain.cycle import Cycle
from retrain.nouns import Candidate, Promotion, Snapshot, Verdict
from retrain.snapshot import SnapshotStore
from retrain.source import Source
from retrain.spec import Spec
from retrain.state import State
from retrain.tracker import ExperimentTracker
from stack.local import Running
from tests.conftest import Database
from tests.core import toys


@dataclass
class World:
    """One model, and the verbs on it as a test wants to say them."""

    spec: Spec
    database: Database
    snapshots: SnapshotStore
    state: State
    tracker: ExperimentTracker
    _runs: "count[int]" = field(default_factory=lambda: count(1))
    _rows: int = 0

    @property
    def model(self) -> str:
        return self.spec.model

    @property
    def source(self) -> Source:
        return Source(self.database.connect, self.spec.source)

    def feed(self, rows: int, **how: float) -> None:
        """Let `rows` more labelled rows arrive."""
        with self.database.connect() as database:
            toys.insert(database, "rows", rows, first=self._rows, **how)
        self._rows += rows

    def cycle(self, run_id: str | None = None) -> Cycle:
        """The next run of the DAG, or that of this id again."""
        run_id = run_id or f"run {next(self._runs)}"
        return Cycle(self.spec, "retrain_test", run_id, self.snapshots, self.state, self.tracker)

    def take(self) -> Snapshot:
        return steps.take(self.spec, source=self.source, snapshots=self.snapshots, state=self.state)

    def train(self, cycle: Cycle, snapshot: Snapshot) -> list[Candidate]:
        return [steps.train(cycle, candidate.name, snapshot) for candidate in self.spec.candidates]

    def judge(self, *, dry_run: bool = False) -> tuple[Cycle, Verdict]:
        """A cycle up to its verdict."""
        cycle, snapshot = self.cycle(), self.take()
        return cycle, steps.evaluate(cycle, snapshot, self.train(cycle, snapshot), dry_run=dry_run)

    def promote(self) -> Promotion:
        """A whole cycle, which must end in a promotion."""
        cycle, verdict = self.judge()
        return steps.promote(cycle, verdict)

    def told(self) -> list[str]:
        """Headlines of what waits in the outbox; they are delivered by this."""
        headlines: list[str] = []
        steps.tell(self.model, lambda _, announcement: headlines.append(announcement.headline), state=self.state)
        return headlines


@pytest.fixture
def tracker(mlflow_server: Running) -> ExperimentTracker:
    return ExperimentTracker(mlflow_server.mlflow_url)


@pytest.fixture
def world(
    mlflow_server: Running, database: Database, state: State, tracker: ExperimentTracker, tmp_path: Path
) -> Callable[..., World]:
    """Makes the model of a test; its arguments replace fields of the spec."""

    def make(**fields: Any) -> World:
        data = {
            "model": f"toy-{uuid4().hex[:8]}",
            "source": {
                "table": "rows",
                "key": "id",
                "label": "label",
                "label_time": "labelled_at",
                "features": ["a", "b"],
            },
            "threshold": {"rows": 500},
            "candidates": [
                {"name": "half", "estimator": "tests.core.toys:logistic", "params": {"columns": ["a"]}},
                {"name": "whole", "estimator": "tests.core.toys:logistic", "params": {"columns": ["a", "b"]}},
            ],
            "gate": {"metric": "accuracy", "floor": 0.7, "epoch_rows": 100},
        }
        with database.connect() as session:
            toys.create(session, "rows")
        snapshots = SnapshotStore((tmp_path / "snapshots").as_uri())
        return World(spec.parse({**data, **fields}, "toy.yaml"), database, snapshots, state, tracker)

    return make
