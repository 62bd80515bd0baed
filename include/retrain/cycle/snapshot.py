"""The verb `snapshot`: every labelled row as it is now, stored.

It takes what it uses by keyword, as `sense` does, and no run. Not called `snapshot`: that is the noun it returns.
"""

import logging

from retrain.cycle import retention
from retrain.ledger.ledger import Ledger
from retrain.messages import texts
from retrain.records import Snapshot
from retrain.snapshots.store import SnapshotStore
from retrain.source.table import Source
from retrain.spec.spec import Spec

log = logging.getLogger(__name__)


def take_snapshot(spec: Spec, *, source: Source, snapshots: SnapshotStore, ledger: Ledger) -> Snapshot:
    """Store every labelled row as it is now, with the subset of each; then delete the rows of old snapshots.

    Raises SourceError if the table cannot be read.
    """
    hashed = ledger.split_columns(spec.model)
    split_version = ledger.begin_model(
        spec.model,
        spec.split,
        spec.source.group,
        columns=spec.source.features,
        lost={*hashed} - {*spec.source.features} - source.readable(hashed) if hashed else (),
        announcement=texts.of_split_version,
    )
    with source.labelled(also=split_version.columns) as rows:
        snapshot = snapshots.write(
            spec.model,
            rows,
            split_version=split_version,
            round_rows=spec.gate.round_rows,
            last=ledger.last_consumed(spec.model),
            inherits=ledger.last_consumed(spec.model, split_version.number),
        )
    # Taken again by a step that runs again, it is the same one.
    snapshot = snapshot.model_copy(update={"taken_at": ledger.save_snapshot(snapshot).taken_at})
    for old in retention.drop_old(spec, snapshots=snapshots, ledger=ledger):
        log.info(
            "%s: the rows of snapshot %s were deleted; snapshot.keep is %s.", spec.model, old.id, spec.snapshot.keep
        )
    return snapshot
