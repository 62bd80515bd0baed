"""Tf-idf of n-grams of characters, for texts in any number: each gram is known by its hash."""

from numbers import Integral
from typing import Any, Self

import numpy as np
from numpy.typing import NDArray
from scipy.sparse import csr_matrix
from sklearn.base import BaseEstimator
from sklearn.preprocessing import normalize
from sklearn.utils.validation import check_is_fitted

from retrain_features.grams import HASHING, Counts, Grams, counted
from retrain_features.texts import TakesTexts, texts

_MOST_BUCKETS = 2**31 - 1
_LONGEST = 64
_GAP = -1
_PART = 1 << 20
"""Numbers that are multiplied at once: a copy of all would take as much memory as they do."""


class CharacterTfidf(TakesTexts, BaseEstimator):  # type: ignore[misc]
    """What `TfidfVectorizer(analyzer="char_wb")` computes, in a fraction of the time and without a vocabulary.

    The parameters are scikit-learn's, and have its meaning. Two n-grams whose hashes are equal count as one; with 2**22
    buckets and 100,000 different n-grams that meets about 1 in 40 of them. Only buckets that training has seen in
    `min_df` texts become columns, in the order of their number, so that a model on top of it stays small. Columns have
    no names: a hash does not lead back to its n-gram.

    It takes a list, a Series or an array of texts, a column of Arrow's, or a table with exactly one column.

    Parameters
    ----------
    analyzer : "char_wb" or "char"
        N-grams within words, each padded with a space on both sides; or of the text as it stands.
    ngram_range : tuple of the shortest and the longest n-gram, at most 64
    lowercase : bool
        By the Unicode of the Python that runs.
    min_df, max_df : int, a number of texts; or float, a share of them
        Buckets that occur in fewer or more texts are left out.
    n_features : int
        Buckets of the hash. Transforming needs 4 bytes for each, for a moment.
    use_idf, smooth_idf, sublinear_tf : bool
    norm : "l2", "l1" or None
    dtype : np.float64 or np.float32

    Attributes
    ----------
    buckets_ : array of shape (columns,)
        Bucket of each column, rising.
    idf_ : array of shape (columns,), where `use_idf`
    hashing_ : int
        Number of the hash that it was fitted with.

    """

    def __init__(
        self,
        *,
        analyzer: str = "char_wb",
        ngram_range: tuple[int, int] = (1, 4),
        lowercase: bool = True,
        min_df: float = 3,
        max_df: float = 1.0,
        n_features: int = 2**22,
        use_idf: bool = True,
        smooth_idf: bool = True,
        sublinear_tf: bool = False,
        norm: str | None = "l2",
        dtype: Any = np.float64,
    ) -> None:
        self.analyzer = analyzer
        self.ngram_range = ngram_range
        self.lowercase = lowercase
        self.min_df = min_df
        self.max_df = max_df
        self.n_features = n_features
        self.use_idf = use_idf
        self.smooth_idf = smooth_idf
        self.sublinear_tf = sublinear_tf
        self.norm = norm
        self.dtype = dtype

    # ── learning

    def fit(self, X: Any, y: Any = None) -> Self:  # noqa: N803, ARG002
        """Learn which buckets there are, and their idf."""
        rows = self._texts(X)
        frequencies = np.zeros(self.n_features, dtype=np.int64)
        for block in counted(rows, self._grams()):
            np.add.at(frequencies, block.buckets, 1)
        self._learn(frequencies, len(rows))
        return self

    def fit_transform(self, X: Any, y: Any = None) -> csr_matrix:  # noqa: N803, ARG002
        """Learn, and return the same texts transformed: each is read once."""
        rows = self._texts(X)
        frequencies = np.zeros(self.n_features, dtype=np.int64)
        blocks = []
        for block in counted(rows, self._grams()):
            np.add.at(frequencies, block.buckets, 1)
            blocks.append(block)
        self._learn(frequencies, len(rows))
        column_of = self._columns()
        for place, block in enumerate(blocks):  # each in place of what it is made of
            blocks[place] = _chosen(block, column_of[block.buckets])
        return self._matrix(blocks, len(rows))

    def _learn(self, frequencies: NDArray[np.int64], rows: int) -> None:
        least, most = (each if _is_int(each) else each * rows for each in (self.min_df, self.max_df))
        if most < least:
            raise ValueError(f"{_name(self)}: of {rows} texts, max_df leaves {most:g} and min_df asks for {least:g}")
        if not frequencies.any():
            raise ValueError(f"{_name(self)}: none of {rows} texts has an n-gram; look whether the column is empty")
        self.buckets_ = np.flatnonzero((frequencies >= max(least, 1)) & (frequencies <= most)).astype(np.int32)
        if not len(self.buckets_):
            raise ValueError(f"{_name(self)}: of {rows} texts no n-gram is left; lower min_df or raise max_df")
        if self.use_idf:
            smooth = int(self.smooth_idf)
            found = frequencies[self.buckets_].astype(self.dtype) + smooth
            self.idf_ = np.log((rows + smooth) / found).astype(self.dtype) + 1
        elif hasattr(self, "idf_"):
            del self.idf_
        self.hashing_ = HASHING

    # ── using what was learnt

    def transform(self, X: Any) -> csr_matrix:  # noqa: N803
        """Return tf-idf of each text, as a sparse matrix of shape (texts, columns)."""
        check_is_fitted(self, "buckets_")
        if self.hashing_ != HASHING:
            raise ValueError(
                f"{_name(self)}: was fitted with hash {self.hashing_}, and this version of the package has hash "
                f"{HASHING}; fit it again, or take the version that it was fitted with"
            )
        rows = self._texts(X)
        column_of = None
        found = []
        for block in counted(rows, self._grams()):
            if column_of is None and len(block.buckets) * 16 > self.n_features:
                column_of = self._columns()
            columns = self._searched(block.buckets) if column_of is None else column_of[block.buckets]
            found.append(_chosen(block, columns))
        return self._matrix(found, len(rows))

    def _columns(self) -> NDArray[np.int32]:
        """Return the column of each bucket: at once for many n-grams."""
        columns = np.full(self.n_features, _GAP, dtype=np.int32)
        columns[self.buckets_] = np.arange(len(self.buckets_), dtype=np.int32)
        return columns

    def _searched(self, buckets: Any) -> NDArray[np.int32]:
        """Return the column of some buckets: for few n-grams, as in a request for one text."""
        at = np.minimum(np.searchsorted(self.buckets_, buckets), len(self.buckets_) - 1)
        return np.where(self.buckets_[at] == buckets, at, _GAP).astype(np.int32)

    def _matrix(self, blocks: list[Counts], rows: int) -> csr_matrix:
        """Return counts by column as tf-idf."""
        parts = [np.empty(0, dtype=np.uint8), *(block.counts for block in blocks)]
        data = np.concatenate(parts, dtype=self.dtype, casting="same_kind")
        indices = np.concatenate([np.empty(0, dtype=np.int32), *(block.buckets for block in blocks)])
        starts = np.concatenate([[0], *(block.starts[1:] - block.starts[:-1] for block in blocks)]).cumsum()
        if len(data) <= np.iinfo(np.int32).max:
            starts = starts.astype(np.int32)
        blocks.clear()
        parts.clear()
        if self.sublinear_tf:
            np.log(data, out=data)
            data += 1
        if self.use_idf:
            for part in (slice(start, start + _PART) for start in range(0, len(data), _PART)):
                data[part] *= self.idf_[indices[part]]
        matrix = csr_matrix((data, indices, starts), shape=(rows, len(self.buckets_)), copy=False)
        matrix.has_canonical_format = True  # by the order of the hashes
        return normalize(matrix, norm=self.norm, copy=False) if self.norm and rows else matrix

    # ── what it was given

    def _texts(self, column: Any) -> list[str]:
        self._check()
        return texts(column, _name(self))

    def _grams(self) -> Grams:
        shortest, longest = self.ngram_range
        return Grams(
            self.analyzer == "char_wb", int(shortest), int(longest), int(self.n_features), bool(self.lowercase)
        )

    def _check(self) -> None:
        """Raise ValueError for a parameter that has no meaning."""
        bounds = self.ngram_range
        good = {
            "analyzer": self.analyzer in ("char_wb", "char"),
            "ngram_range": isinstance(bounds, tuple | list)
            and len(bounds) == 2
            and all(map(_is_int, bounds))
            and 1 <= bounds[0] <= bounds[1] <= _LONGEST,
            "min_df": _is_frequency(self.min_df),
            "max_df": _is_frequency(self.max_df),
            "n_features": _is_int(self.n_features) and 1 <= self.n_features <= _MOST_BUCKETS,
            "norm": self.norm in ("l1", "l2", None),
            "dtype": self.dtype in (np.float32, np.float64, "float32", "float64"),
            **{
                name: isinstance(getattr(self, name), bool | np.bool_)
                for name in ("lowercase", "use_idf", "smooth_idf", "sublinear_tf")
            },
        }
        for name, is_good in good.items():
            if not is_good:
                raise ValueError(f"{_name(self)}: {name} is {getattr(self, name)!r}, but must be {_MUST_BE[name]}")


_MUST_BE = {
    "analyzer": '"char_wb" or "char"',
    "ngram_range": f"two whole numbers from 1 to {_LONGEST}, the smaller first",
    "min_df": "a number of texts (an int from 1 on) or a share of them (a float from 0.0 to 1.0)",
    "max_df": "a number of texts (an int from 1 on) or a share of them (a float from 0.0 to 1.0)",
    "n_features": f"a whole number from 1 to {_MOST_BUCKETS}",
    "norm": '"l1", "l2" or None',
    "dtype": "np.float64 or np.float32",
    **dict.fromkeys(("lowercase", "use_idf", "smooth_idf", "sublinear_tf"), "True or False"),
}


def _chosen(block: Counts, columns: NDArray[np.int32]) -> Counts:
    """Return the counts by column, without those that have none."""
    known = np.flatnonzero(columns != _GAP)
    return Counts(np.searchsorted(known, block.starts), columns[known], block.counts[known])


def _is_int(value: Any) -> bool:
    return isinstance(value, Integral) and not isinstance(value, bool)


def _is_frequency(value: Any) -> bool:
    if _is_int(value):
        return bool(value >= 1)
    return isinstance(value, float | np.floating) and bool(0 <= value <= 1)


def _name(estimator: Any) -> str:
    return type(estimator).__name__
