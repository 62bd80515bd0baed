"""How long the rows of snapshots are kept, and how a person's are erased from them."""

from collections.abc import Collection
from dataclasses import dataclass

from retrain.ledger.ledger import Ledger
from retrain.records import Snapshot
from retrain.snapshots.store import SnapshotStore
from retrain.spec.spec import Spec


def drop_old(spec: Spec, *, snapshots: SnapshotStore, ledger: Ledger) -> list[Snapshot]:
    """Delete the files of all snapshots but the newest `snapshot.keep` and those that are needed: what was dropped.

    Needed are those that Production and its rollback target were trained on (DESIGN rule 11), and those last consumed,
    which say what is new and what each round holds. Killed anywhere and run again, it goes on.
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
    versions: tuple[str, ...]
    """Trained on it as it was: they can no longer be reproduced."""


def forget(model: str, keys: Collection[str], *, snapshots: SnapshotStore, ledger: Ledger) -> list[Forgotten]:
    """Erase the rows of these keys from every snapshot of the model that is kept; those that held any.

    Killed anywhere and run again, it goes on; run when all is done, it does nothing. Raises SnapshotError where a file
    is gone or changed.
    """
    found = []
    for before in ledger.kept_snapshots(model):
        after = snapshots.without(before, keys)
        if after != before:
            ledger.replace_snapshot(after, before.rows - after.rows)
            found.append(Forgotten(after, before.rows - after.rows, tuple(ledger.versions_of(after))))
    for uri in ledger.erased_files(model):
        snapshots.delete(uri)
        ledger.erased(model, uri)
    return found
