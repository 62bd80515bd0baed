"""How long the rows of snapshots are kept, and how a person's rows are erased from them."""

from collections.abc import Collection
from dataclasses import dataclass

from retrain.ledger.ledger import Ledger
from retrain.live import predicted
from retrain.records import Snapshot
from retrain.snapshots import prepared
from retrain.snapshots.store import SnapshotStore
from retrain.spec.spec import Spec


def drop_old(spec: Spec, *, snapshots: SnapshotStore, ledger: Ledger) -> list[Snapshot]:
    """Delete the files of old snapshots and return those snapshots.

    Kept are the newest `snapshot.keep`, those that Production and its rollback target were trained on (DESIGN rule 11),
    and the last consumed ones, which say which rows are new and which rows each holdout round has. If it is killed, the
    next call continues.
    """
    kept = ledger.kept_snapshots(spec.model)
    needed = {file.snapshot for file in ledger.model_files_in_use() if file.model == spec.model}
    needed |= {each.id for each in kept[: spec.snapshot.keep]}
    for split_version in {None, *(each.split_version for each in kept[:1])}:
        last = ledger.last_consumed(spec.model, split_version)
        needed |= {last.id} if last else set()
    old = [each for each in kept if each.id not in needed]
    for each in old:
        snapshots.delete(each.uri)
        ledger.drop_snapshot(each)
    return old


@dataclass(frozen=True)
class Forgotten:
    """A snapshot that rows were erased from."""

    snapshot: Snapshot
    rows: int
    """How many were erased."""
    versions: tuple[str, ...]
    """Versions that were trained on it before: they can no longer be reproduced."""


def forget(model: str, keys: Collection[str], *, snapshots: SnapshotStore, ledger: Ledger) -> list[Forgotten]:
    """Erase the rows of these keys from every kept snapshot of the model, and from the predictions for later rows;
    return the snapshots that held any.

    If it is killed, the next call continues; when all is done, a call does nothing. Raises SnapshotError if a file is
    gone or changed.
    """
    forgotten = []
    for before in ledger.kept_snapshots(model):
        after = snapshots.without(before, keys)
        if after != before:
            ledger.replace_snapshot(after, before.rows - after.rows)
            prepared.drop(snapshots, before)
            forgotten.append(Forgotten(after, before.rows - after.rows, tuple(ledger.versions_of(after))))
    for score in ledger.cohorts(model):
        uri = predicted.without(snapshots, model, score.uri, keys) if score.uri else ""
        if uri != score.uri:
            ledger.save_cohort(score.model_copy(update={"uri": uri}))
            snapshots.delete(score.uri)
    for trial, _ in ledger.trials(model):
        for look in ledger.trial_looks(trial.id):
            uris = tuple(predicted.without(snapshots, model, uri, keys) for uri in look.uris)
            if uris != look.uris:
                ledger.replace_trial_files(look.model_copy(update={"uris": uris}))
                for uri in {*look.uris} - {*uris}:
                    snapshots.delete(uri)
    for uri in ledger.erased_files(model):
        snapshots.delete(uri)
        ledger.erased(model, uri)
    return forgotten
