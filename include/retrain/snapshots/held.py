"""What a snapshot holds, to tell later rows from those that a model was made from, or judged on."""

from dataclasses import dataclass
from typing import Self

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
from numpy.typing import NDArray

from retrain.records import Snapshot
from retrain.snapshots.content_keys import content_keys
from retrain.snapshots.draft import features_of
from retrain.snapshots.split import SplitVersion, distinct
from retrain.snapshots.store import SnapshotStore
from retrain.source.columns import CONTENT, GROUP


@dataclass(frozen=True, eq=False)
class Held:
    """The keys and clusters of all rows of a snapshot, in any subset."""

    split_version: SplitVersion | None
    """None where nothing is known: then nothing is held."""
    keys: pa.Array
    clusters: NDArray[np.int64]
    """Sorted and distinct."""

    @classmethod
    def of(cls, snapshots: SnapshotStore, snapshot: Snapshot, split_version: SplitVersion) -> Self:
        """Read them. Raises SnapshotError where the file is missing or changed. Memory: its keys, and 64 bits a row."""
        column = GROUP if split_version.split.by == "group" else CONTENT
        table = snapshots.table(snapshot, ["key", column])
        return cls(split_version, table["key"].combine_chunks(), distinct(table[column].to_numpy()))

    @classmethod
    def nothing(cls) -> Self:
        return cls(None, pa.array([], pa.string()), np.empty(0, np.int64))

    @property
    def needs(self) -> tuple[str, ...]:
        """The user's columns from which a row's cluster follows, beside the features."""
        return () if self.split_version is None else self.split_version.columns

    def clusters_of(self, rows: pa.RecordBatch) -> NDArray[np.int64]:
        """Return the cluster of each row of `Source.labelled`, as it would be in the snapshot: shape (rows,).

        Where a column is gone that the content of a row follows from, that of its features.
        """
        version = self.split_version
        salt = b"" if version is None else version.salt
        if version is not None and version.split.by == "group" and GROUP in rows.schema.names:
            return content_keys(rows.select([GROUP]), salt)
        wanted = () if version is None else version.columns
        whole = wanted and {*wanted} <= {*rows.schema.names}
        return content_keys(rows.select(list(wanted)) if whole else features_of(rows), salt)

    def has(self, keys: pa.Array, clusters: NDArray[np.int64]) -> NDArray[np.bool_]:
        """Return which rows are held, by their key or their cluster: shape (rows,)."""
        by_key = pc.is_in(keys, self.keys).to_numpy(zero_copy_only=False)
        if not len(self.clusters):
            return np.asarray(by_key, np.bool_)
        place = np.searchsorted(self.clusters, clusters).clip(max=len(self.clusters) - 1)
        return np.asarray(by_key | (self.clusters[place] == clusters), np.bool_)
