"""Content keys: two rows have the same one where a model cannot tell them apart."""

from hashlib import blake2b
from unicodedata import normalize

import numpy as np
import pandas as pd
import pyarrow as pa
import pyarrow.compute as pc
from numpy.typing import NDArray
from pandas.util import hash_array


def content_keys(features: pa.Table | pa.RecordBatch, salt: bytes) -> NDArray[np.int64]:
    """Return a keyed 64-bit hash (SipHash-2-4 by `pandas.util.hash_array`) of each row's normalised features, shape
    (rows,).

    Text is normalised by NFKC, lower case and single spaces, so that "같은  글" and "같은 글" are one content. Columns
    are hashed in the order of their names, so that their order in the spec does not matter.
    """
    if isinstance(features, pa.Table):
        # Batch by batch: the texts of a column may have more than 2 GiB together.
        parts = [content_keys(batch, salt) for batch in features.to_batches()]
        return np.concatenate(parts) if parts else np.empty(0, np.int64)
    first, *others = (_encoded(_normalised(features.column(name))) for name in sorted(features.schema.names))
    rows = pc.binary_join_element_wise(first, *others, _BETWEEN) if others else first
    # pandas takes the key as text: in Latin-1 each byte is one character.
    key = blake2b(salt, digest_size=16).digest().decode("latin-1")
    hashes = hash_array(rows.to_numpy(zero_copy_only=False), encoding="latin-1", hash_key=key, categorize=False)
    return hashes.view(np.int64)


def as_seen(column: pa.Array | pa.ChunkedArray) -> pa.Array | pa.ChunkedArray:
    """Return the column as a model sees it: text, or numbers as float64 with null for NaN."""
    if pa.types.is_string(column.type):
        return column
    number = column.cast(pa.float64(), safe=False)
    return pc.if_else(pc.is_nan(number), pa.scalar(None, pa.float64()), number)


def as_model_input(columns: pa.Table) -> pd.DataFrame:
    """Return the columns in the form that models take."""
    frame: pd.DataFrame = pa.table({name: as_seen(columns[name]) for name in columns.column_names}).to_pandas()
    return frame


def _normalised(column: pa.Array) -> pa.Array:
    if not pa.types.is_string(column.type):
        return pc.add(as_seen(column), 0.0)  # -0.0 becomes 0.0
    # Most texts are normal already, and checking that costs a fifth of normalising them.
    others = pc.invert(pc.fill_null(pc.match_substring_regex(column, _NORMAL), True))
    if not pc.any(others, min_count=0).as_py():
        return column
    normal = [" ".join(normalize("NFKC", text).lower().split()) for text in column.filter(others).to_pylist()]
    return pc.replace_with_mask(column, others, pa.array(normal, pa.string()))


_NORMAL = r"^$|^[가-힣!-@\[-~]+(?: [가-힣!-@\[-~]+)*$"
"""Texts that normalising does not change: Hangul syllables and ASCII without capitals, separated by single spaces."""


_NULL, _BETWEEN = pa.scalar(b"\xfe"), pa.scalar(b"\xff")
"""Bytes that do not occur in UTF-8, so that two different rows never give the same bytes."""


def _encoded(column: pa.Array) -> pa.Array:
    return pc.fill_null(column.cast(pa.string()).cast(pa.binary()), _NULL)
