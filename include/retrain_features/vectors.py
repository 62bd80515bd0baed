"""Vectors by the key of what they were made of, kept in blocks: one file each, named by the SHA-256 of what it holds.

A file that was damaged, or not written to its end, has another digest and is as good as missing. Two writers write
two files, or the same one. Files are read one at a time, and no code is in them.
"""

import hashlib
import io
import logging
from collections.abc import Iterator

import numpy as np
from numpy.typing import NDArray

from retrain_features.folders import SUFFIX, Folder

KEY = 32
"""Bytes of a key."""
Vectors = NDArray[np.float32]
_log = logging.getLogger(__name__)


def read(folder: Folder) -> Iterator[tuple[list[bytes], Vectors]]:
    """Yield the keys and the vectors of each block that is whole."""
    for name in folder.names():
        try:
            content = folder.read(name)
        except OSError as error:
            _log.warning("%s cannot be read, and counts as missing: %s", name, error)
            continue
        if hashlib.sha256(content).hexdigest() + SUFFIX != name:
            _log.warning("%s is damaged, and counts as missing; it may be deleted", name)
            continue
        block = np.load(io.BytesIO(content), allow_pickle=False)
        yield [each.tobytes() for each in block["key"]], block["vector"]


def write(folder: Folder, keys: list[bytes], vectors: Vectors) -> None:
    """Keep some vectors as a block. Raises OSError."""
    block = np.empty(len(keys), dtype=[("key", "u1", (KEY,)), ("vector", "<f4", vectors.shape[1:])])
    block["key"] = np.frombuffer(b"".join(keys), dtype=np.uint8).reshape(-1, KEY)
    block["vector"] = vectors
    content = io.BytesIO()
    np.save(content, block, allow_pickle=False)
    folder.write(hashlib.sha256(content.getvalue()).hexdigest() + SUFFIX, content.getvalue())
