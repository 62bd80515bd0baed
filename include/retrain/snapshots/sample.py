"""Some labelled rows of the source, as a snapshot would hold them: for who asks before there is one."""

import pyarrow as pa

from retrain.records import Snapshot, Subset
from retrain.snapshots.rows import Rows
from retrain.snapshots.split import SplitVersion
from retrain.snapshots.store import SnapshotStore
from retrain.spec.spec import Spec


def take(spec: Spec, labelled: pa.RecordBatchReader, store: SnapshotStore) -> Snapshot:
    """Write labelled rows of the source into a store of the caller's, and return their snapshot."""
    version = SplitVersion(1, b"check", spec.split, spec.source.group, after_round=0)
    return store.write(
        spec.model, labelled, split_version=version, round_rows=spec.gate.round_rows, last=None, inherits=None
    )


def rows(spec: Spec, labelled: pa.RecordBatchReader, store: SnapshotStore) -> Rows:
    """Return labelled rows of the source, of all subsets, in the form that models take."""
    return store.read(take(spec, labelled, store), Subset)
