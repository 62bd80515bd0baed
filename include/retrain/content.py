"""Content keys: what two rows share when a model cannot tell them apart."""

from hashlib import blake2b
from unicodedata import is_normalized, normalize

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
from numpy.typing import NDArray


def content_keys(features: pa.Table | pa.RecordBatch, salt: bytes) -> NDArray[np.int64]:
    """Keyed 64-bit hash (BLAKE2b, RFC 7693) of each row's normalised features, shape (rows,).

    Text is normalised by NFKC, lower case and single spaces, so that "같은  글" and "같은 글" are one content. The
    columns count in the order of their names, so that a spec may list them in another order.
    """
    columns = [_encoded(_normalised(features.column(name))) for name in sorted(features.schema.names)]
    encoded = pc.binary_join_element_wise(*columns, "").cast(pa.binary())
    hashes = [blake2b(row, digest_size=8, key=salt).digest() for row in encoded.to_pylist()]
    return np.frombuffer(b"".join(hashes), np.dtype("<i8"))


def as_seen(column: pa.Array | pa.ChunkedArray) -> pa.Array | pa.ChunkedArray:
    """The column as a model sees it: text, or numbers as float64."""
    if pa.types.is_string(column.type):
        return column
    number = column.cast(pa.float64(), safe=False)
    return pc.if_else(pc.is_nan(number), pa.scalar(None, pa.float64()), number)


def _normalised(column: pa.Array | pa.ChunkedArray) -> pa.Array | pa.ChunkedArray:
    if not pa.types.is_string(column.type):
        return pc.add(as_seen(column), 0.0)  # -0.0 becomes 0.0
    return pa.array([None if text is None else _normal(text) for text in column.to_pylist()], pa.string())


def _normal(text: str) -> str:
    # To ask costs a tenth of doing it, and most texts are as they should be.
    text = (text if is_normalized("NFKC", text) else normalize("NFKC", text)).lower()
    # The only space that is printable is the plain one.
    spaced = not text.isprintable() or "  " in text or text[:1] == " " or text[-1:] == " "
    return " ".join(text.split()) if spaced else text


def _encoded(column: pa.Array | pa.ChunkedArray) -> pa.Array | pa.ChunkedArray:
    """Length, colon, value: no two rows of values give the same bytes. A null has no length."""
    text = column.cast(pa.string())
    length = pc.binary_length(text).cast(pa.string())
    return pc.fill_null(pc.binary_join_element_wise(length, text, ":"), "-")
