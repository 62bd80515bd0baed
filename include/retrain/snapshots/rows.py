"""Rows of a snapshot in memory."""

from dataclasses import dataclass, field
from datetime import datetime

import numpy as np
import pandas as pd
import pyarrow as pa
import pyarrow.compute as pc
from numpy.typing import NDArray

from retrain.records import Snapshot
from retrain.snapshots.content_keys import as_model_input
from retrain.snapshots.draft import also_in, clusters_of, features_of
from retrain.source.columns import CONTENT


@dataclass(frozen=True, eq=False)
class Rows:
    """Some rows of a snapshot, in the form that training and scoring need."""

    features: pd.DataFrame
    """Numbers and booleans are float64, with NaN for null: a column's type does not depend on which rows were read."""
    labels: pd.Series
    label_times: pa.ChunkedArray
    keys: pa.ChunkedArray
    content: NDArray[np.int64]
    """Content keys. Shape (rows,), as are the clusters."""
    clusters: NDArray[np.int64]
    snapshot: Snapshot
    """The snapshot that they were read from."""
    also: pd.DataFrame = field(default_factory=pd.DataFrame)
    """Columns that are not features, in the same form: an older version may take them."""

    @staticmethod
    def of(table: pa.Table, snapshot: Snapshot) -> "Rows":
        """Take the rows as the file has them."""
        features, also = Rows.inputs(table)
        return Rows(
            features=features,
            labels=table["label"].to_pandas(),
            label_times=table["label_time"],
            keys=table["key"],
            content=table[CONTENT].to_numpy(),
            clusters=clusters_of(table),
            snapshot=snapshot,
            also=also,
        )

    @staticmethod
    def inputs(table: pa.Table) -> tuple[pd.DataFrame, pd.DataFrame]:
        """Return the features of rows as they came from the source, and their other columns, as models take them."""
        return as_model_input(features_of(table)), as_model_input(table.select(also_in(table.schema)))

    def __len__(self) -> int:
        return len(self.content)

    def part(self, which: NDArray[np.bool_]) -> "Rows":
        """Return the rows where `which`, shape (rows,), is True."""
        return Rows(
            features=self.features[which].reset_index(drop=True),
            labels=self.labels[which].reset_index(drop=True),
            label_times=self.label_times.filter(pa.array(which)),
            keys=self.keys.filter(pa.array(which)),
            content=self.content[which],
            clusters=self.clusters[which],
            snapshot=self.snapshot,
            also=self.also[which].reset_index(drop=True) if len(self.also.columns) else self.also,
        )

    def labelled_after(self, time: datetime) -> NDArray[np.bool_]:
        """Return whether each row was labelled after `time`, shape (rows,); False where it has no label time."""
        later = pc.greater(self.label_times, pa.scalar(time, self.label_times.type))
        return np.asarray(pc.fill_null(later, False).to_numpy(), np.bool_)
