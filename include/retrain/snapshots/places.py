"""Where snapshots are: a file system by its URI, and a folder for each model."""

from hashlib import blake2b

import fsspec
from pyarrow import fs

_ARROWS = {"file", "s3", "gs", "gcs", "hdfs", "viewfs", "abfs", "abfss"}
"""URI schemes that Arrow reads without fsspec, which is faster."""


def file_system(uri: str) -> tuple[fs.FileSystem, str]:
    """Return a file system and the path in it. What they raise for a URI that names no place comes through."""
    scheme, found, _ = uri.partition("://")
    if not found or scheme in _ARROWS:
        files, root = fs.FileSystem.from_uri(uri)
        return files, str(root)
    known, root = fsspec.core.url_to_fs(uri)
    return fs.PyFileSystem(fs.FSSpecHandler(known)), str(root)


def folder_of(model: str) -> str:
    """Return a folder name for a model: readable, short enough for any file system, and different for each model."""
    plain = "".join(character if character.isalnum() or character in "-_" else "_" for character in model)[:60]
    return plain if plain == model else f"{plain}-{blake2b(model.encode(), digest_size=4).hexdigest()}"
