"""A digest of rows in a fixed order, however they come in batches."""

from collections.abc import Iterator
from hashlib import blake2b

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc


class Digest:
    """BLAKE2b (RFC 7693) over the values of each column, and over which of them there are.

    No two tables of rows have one digest: a value's length is counted apart from its bytes, so that none can slide into
    the next one, and the columns' names and types count.
    """

    def __init__(self, schema: pa.Schema) -> None:
        self._types = {name: schema.field(name).type for name in sorted(schema.names)}
        self._parts = {name: [blake2b(digest_size=16) for _ in range(2)] for name in self._types}

    def update(self, batch: pa.RecordBatch) -> None:
        """batch: of the same columns, in whatever order."""
        for name, parts in self._parts.items():
            for part, data in zip(parts, _bytes(batch.column(name)), strict=True):
                part.update(data)

    def hexdigest(self) -> str:
        """128 bits."""
        whole = blake2b(repr([(name, str(type_)) for name, type_ in self._types.items()]).encode(), digest_size=16)
        for parts in self._parts.values():
            for part in parts:
                whole.update(part.digest())
        return whole.hexdigest()


def _bytes(column: pa.Array) -> Iterator[memoryview]:
    """Of each value its length, or whether there is one; and the values, one after the other."""
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
