"""The rows of a snapshot batch by batch: of all of them, no more than labels and a weight are in memory at once."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import pandas as pd
import pyarrow as pa
import pyarrow.compute as pc

from retrain.gate.predictions import RawPredictions
from retrain.models import training
from retrain.models.steps import BATCH
from retrain.records import Snapshot, Subset
from retrain.snapshots.rows import Rows
from retrain.snapshots.store import SnapshotStore
from retrain.source.columns import SUBSET
from retrain.spec.task import Task


@dataclass(frozen=True, eq=False)
class Stream:
    """The rows of some subsets of a snapshot, batch by batch, as often as they are wanted."""

    snapshots: SnapshotStore
    snapshot: Snapshot
    subsets: Sequence[Subset]
    task: Task

    def __iter__(self) -> Iterator[Rows]:
        return self.snapshots.batches(self.snapshot, self.subsets, BATCH)

    def features(self, rows: int) -> Iterator[pd.DataFrame]:
        """Yield the features alone, of so many rows at once."""
        return (each.features for each in self.snapshots.batches(self.snapshot, self.subsets, rows))

    def columns(self, names: Sequence[str]) -> pd.DataFrame:
        """Return a few columns of all rows."""
        table = self.snapshots.table(self.snapshot, [SUBSET, *names])
        wanted = pa.array([subset.value for subset in self.subsets], pa.string())
        found: pd.DataFrame = table.filter(pc.is_in(table[SUBSET], wanted)).select(names).to_pandas()
        return found

    def predictions(self, model: Any, *, probabilities: bool, every: int = 1) -> tuple[pd.Series, RawPredictions]:
        """Return the labels of the rows, as they are stored, and what the model predicts for them.

        every: 1 for all; with k, one of k rows.
        """
        some = (rows if every == 1 else rows.part(np.arange(len(rows)) % every == 0) for rows in self)
        parts = [
            (rows.labels, training.predict(model, rows.features, self.task, probabilities=probabilities))
            for rows in some
        ]
        labels, predictions = zip(*parts, strict=True)
        return pd.concat(labels, ignore_index=True), RawPredictions.joined(predictions)

    def first(self) -> tuple[pd.DataFrame, pd.Series]:
        """Return the features and labels of some rows, as an estimator learns them."""
        rows = next(iter(self))
        return rows.features, training.targets(self.task, rows.labels)
