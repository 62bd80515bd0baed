"""Content keys: what two rows share when a model cannot tell them apart."""

from hashlib import blake2b
from unicodedata import normalize

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
from numpy.typing import NDArray
from pandas.util import hash_array


def content_keys(features: pa.Table | pa.RecordBatch, salt: bytes) -> NDArray[np.int64]:
    """Keyed 64-bit hash (SipHash-2-4, as `pandas.util.hash_array` spreads it) of each row's normalised features, shape
    (rows,).

    Text is normalised by NFKC, lower case and single spaces, so that "같은  글" and "같은 글" are one content. The
    columns count in the order of their names, so that a spec may list them in another order.
    """
    whole = features.combine_chunks().to_batches() if isinstance(features, pa.Table) else [features]
    if not whole:
        return np.empty(0, np.int64)
    first, *others = (_encoded(_normalised(whole[0].column(name))) for name in sorted(features.schema.names))
    rows = pc.binary_join_element_wise(first, *others, _BETWEEN) if others else first
    # The key is text to pandas: in this encoding each byte is a character.
    key = blake2b(salt, digest_size=16).digest().decode("latin-1")
    hashes = hash_array(rows.to_numpy(zero_copy_only=False), encoding="latin-1", hash_key=key, categorize=False)
    return hashes.view(np.int64)


def as_seen(column: pa.Array | pa.ChunkedArray) -> pa.Array | pa.ChunkedArray:
    """The column as a model sees it: text, or numbers as float64."""
    if pa.types.is_string(column.type):
        return column
    number = column.cast(pa.float64(), safe=False)
    return pc.if_else(pc.is_nan(number), pa.scalar(None, pa.float64()), number)


def _normalised(column: pa.Array) -> pa.Array:
    if not pa.types.is_string(column.type):
        return pc.add(as_seen(column), 0.0)  # -0.0 becomes 0.0
    # Most texts are as they should be, and to see that costs a fifth of doing it.
    others = pc.invert(pc.fill_null(pc.match_substring_regex(column, _NORMAL), True))
    if not pc.any(others, min_count=0).as_py():
        return column
    normal = [" ".join(normalize("NFKC", text).lower().split()) for text in column.filter(others).to_pylist()]
    return pc.replace_with_mask(column, others, pa.array(normal, pa.string()))


_NORMAL = r"^$|^[가-힣!-@\[-~]+(?: [가-힣!-@\[-~]+)*$"
"""Texts that normalising leaves as they are: syllables, ASCII without capitals, single spaces in between."""


_NULL, _BETWEEN = pa.scalar(b"\xfe"), pa.scalar(b"\xff")
"""Bytes that no text has in UTF-8: no two rows of values give the same."""


def _encoded(column: pa.Array) -> pa.Array:
    return pc.fill_null(column.cast(pa.string()).cast(pa.binary()), _NULL)
