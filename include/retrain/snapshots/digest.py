"""Digest of rows in a fixed order, independent of how they are cut into batches.

The seal lists a digest for each column, and the digest of the rows is that of the seal. So one column can be checked
without reading the others.
"""

import json
from collections.abc import Iterator
from hashlib import sha256

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc


class Digest:
    """SHA-256 over the values of each column, and over which of them are null.

    The lengths of values are hashed apart from their bytes, so that two values cannot be confused with another two
    whose bytes, joined, are the same.
    """

    def __init__(self, schema: pa.Schema) -> None:
        self._types = {name: str(schema.field(name).type) for name in sorted(schema.names)}
        self._parts = {name: (sha256(), sha256()) for name in self._types}

    def update(self, batch: pa.RecordBatch) -> None:
        """Add a batch of the same columns, in any order."""
        for name, parts in self._parts.items():
            for part, data in zip(parts, _bytes(batch.column(name)), strict=True):
                part.update(data)

    def seal(self) -> str:
        """Return name, type and digests of each column as JSON: equal for equal rows."""
        digests = {name: [part.hexdigest() for part in parts] for name, parts in self._parts.items()}
        return json.dumps([[name, type_, *digests[name]] for name, type_ in self._types.items()])


def is_part(seal: str, whole: str) -> bool:
    """Return whether `seal` is that of some of the columns that `whole` seals, with the same rows."""
    sealed = json.loads(whole or "[]")
    return all(each in sealed for each in json.loads(seal))


def digest_of(seal: str) -> str:
    """Return the digest of a seal: 128 bits, in hex."""
    return sha256(seal.encode()).hexdigest()[:32]


def _bytes(column: pa.Array) -> Iterator[memoryview]:
    """Yield two buffers: the length of each text (-1 for null), or whether each value is present; then the values."""
    if pa.types.is_string(column.type):
        yield pc.fill_null(pc.binary_length(column), -1).to_numpy().data
        texts = pc.fill_null(column, "")
        _, offsets, data = texts.buffers()
        ends = np.frombuffer(offsets, np.int32, len(texts) + 1, texts.offset * 4) if len(texts) else [0, 0]
        yield memoryview(data or b"")[ends[0] : ends[-1]]
        return
    yield column.is_valid().cast(pa.uint8()).to_numpy().data
    if pa.types.is_boolean(column.type):
        column = column.cast(pa.uint8())
    elif pa.types.is_timestamp(column.type):
        column = column.cast(pa.int64())
    yield pc.fill_null(column, 0).to_numpy().data
