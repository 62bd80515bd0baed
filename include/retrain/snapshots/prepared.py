"""Files that are made from a snapshot for one cycle: each is named by its digest, and read only if it has that."""

import shutil
from collections.abc import Callable
from contextlib import suppress
from hashlib import file_digest
from pathlib import Path

from pyarrow import fs

from retrain.errors import SnapshotError
from retrain.records import Snapshot
from retrain.snapshots.places import folder_of
from retrain.snapshots.store import SnapshotStore
from retrain.text import one_line

_FOLDER = "prepared"


def put(store: SnapshotStore, snapshot: Snapshot, file: Path) -> str:
    """Store a file and return its URI. Raises SnapshotError where it cannot be written."""
    with file.open("rb") as content:
        digest = file_digest(content, "sha256").hexdigest()
    uri = f"{_folder(store, snapshot)}/{snapshot.id}/{digest}{file.suffix}"
    try:
        store.files.create_dir(store.path(uri.rpartition("/")[0]), recursive=True)
        with file.open("rb") as content, store.files.open_output_stream(store.path(uri)) as there:
            shutil.copyfileobj(content, there, 1 << 20)
    except OSError as error:
        raise SnapshotError(f"{uri}: cannot be written: {one_line(error)}") from error
    return uri


def get(store: SnapshotStore, uri: str, folder: Path) -> Path | None:
    """Copy a file into a folder and return its path; None where it is gone, or another one by its digest."""
    name = uri.rpartition("/")[2]
    try:
        with store.files.open_input_stream(store.path(uri)) as there, (folder / name).open("wb") as here:
            shutil.copyfileobj(there, here, 1 << 20)
    except OSError:
        return None
    with (folder / name).open("rb") as content:
        whole = file_digest(content, "sha256").hexdigest() == name.partition(".")[0]
    return folder / name if whole else None


def drop(store: SnapshotStore, snapshot: Snapshot) -> None:
    """Delete what was made from a snapshot. What is gone is no error."""
    _delete(store, snapshot, lambda name: name == snapshot.id)


def drop_others(store: SnapshotStore, snapshot: Snapshot) -> None:
    """Delete what was made from all other snapshots of the model."""
    _delete(store, snapshot, lambda name: name != snapshot.id)


def _delete(store: SnapshotStore, snapshot: Snapshot, which: Callable[[str], bool]) -> None:
    with suppress(OSError):
        found = store.files.get_file_info(fs.FileSelector(store.path(_folder(store, snapshot)), allow_not_found=True))
        for each in found:
            if which(each.base_name):
                store.files.delete_dir(each.path)


def _folder(store: SnapshotStore, snapshot: Snapshot) -> str:
    return f"{store.uri}/{folder_of(snapshot.model)}/{_FOLDER}"
