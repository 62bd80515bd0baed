"""Vectors of texts by a slow encoder, which is asked once for each text: a retrain asks for new rows only."""

import hashlib
import json
import os
import pkgutil
import re
import warnings
from collections.abc import Iterator
from typing import Any, Self

import numpy as np
from sklearn.base import BaseEstimator
from sklearn.utils.validation import check_is_fitted

from retrain_features import vectors
from retrain_features.folders import Folder, opened
from retrain_features.texts import TakesTexts, texts
from retrain_features.vectors import Vectors

VARIABLE = "RETRAIN_FEATURES"
"""In the environment: the folder, where the parameter names none."""


class Cached(TakesTexts, BaseEstimator):  # type: ignore[misc]
    """A function that gives each text a vector, and a folder that keeps what it gave.

    What is kept is found by the function's name, its `params`, `version` and the text itself; whether two models, or
    two tasks at once, use one folder makes no difference. Without a folder, as where a model is served, the function
    is asked each time.

    Parameters
    ----------
    function : str
        `module:function`. It is called with a list of different texts, and returns an array of shape (texts, numbers).
    params : dict, optional
        What the function gets by name beside the texts: strings, numbers and booleans, such as the name of a model.
    version : str
        Any text. Give another one when the same name stands for other vectors.
    folder : str, optional
        Path, or a URL that fsspec knows; else the one that the environment variable RETRAIN_FEATURES names.
    batch_size : int
        Texts that the function is asked for at once. Each batch is kept as soon as it is there.

    Attributes
    ----------
    dimensions_ : int
        Numbers in each vector.

    """

    def __init__(
        self,
        function: str,
        *,
        params: dict[str, Any] | None = None,
        version: str = "1",
        folder: str | None = None,
        batch_size: int = 1024,
    ) -> None:
        self.function = function
        self.params = params
        self.version = version
        self.folder = folder
        self.batch_size = batch_size

    def fit(self, X: Any, y: Any = None) -> Self:  # noqa: N803
        """Learn how many numbers a vector has. It encodes the texts, as `fit_transform` does."""
        self.fit_transform(X, y)
        return self

    def fit_transform(self, X: Any, y: Any = None) -> Vectors:  # noqa: N803, ARG002
        """Return the vectors of the texts, of shape (texts, numbers)."""
        found = self._vectors(X, None)
        self.dimensions_ = found.shape[1]
        return found

    def transform(self, X: Any) -> Vectors:  # noqa: N803
        """Return the vectors of the texts, of shape (texts, numbers)."""
        check_is_fitted(self, "dimensions_")
        return self._vectors(X, self.dimensions_)

    def _vectors(self, column: Any, dimensions: int | None) -> Vectors:
        self._check()
        rows = texts(column, "Cached")
        different = list(dict.fromkeys(rows))
        if not rows and dimensions is None:
            raise ValueError("Cached: no texts to fit on; look whether the column is empty")
        recipe = json.dumps([self.function, self.params or {}, self.version], sort_keys=True, ensure_ascii=True)
        keys = [hashlib.sha256(f"{recipe}\n{text}".encode("utf-8", "surrogatepass")).digest() for text in different]
        where = self.folder or os.environ.get(VARIABLE)
        folder = opened(f"{where.rstrip('/')}/{hashlib.sha256(recipe.encode()).hexdigest()[:16]}") if where else None

        gathered = _Gathered(keys, dimensions, self.function)
        if folder is not None:
            for stored in vectors.read(folder):
                gathered.add(*stored, of="kept")
                if not gathered.missing:
                    break
        by_key = dict(zip(keys, different, strict=True))
        for batch in _batches(list(gathered.missing), self.batch_size):
            encoded = self._encoded([by_key[key] for key in batch])
            gathered.add(batch, encoded, of="given")
            if folder is not None:
                folder = _kept(folder, batch, encoded, str(where))
        at = {text: number for number, text in enumerate(different)}
        return gathered.found[[at[text] for text in rows]]

    def _encoded(self, batch: list[str]) -> Vectors:
        found = np.asarray(_function(self.function)(batch, **(self.params or {})))
        if found.ndim != 2 or len(found) != len(batch) or not found.shape[1]:
            raise ValueError(
                f"Cached: {self.function} returned an array of shape {found.shape} for {len(batch)} texts; it must be "
                f"({len(batch)}, numbers in a vector)"
            )
        if found.dtype.kind not in "fiu":
            raise ValueError(f"Cached: {self.function} returned {found.dtype}; it must return numbers")
        found = np.ascontiguousarray(found, dtype=np.float32)
        bad = np.flatnonzero(~np.isfinite(found).all(axis=1))
        if len(bad):
            raise ValueError(
                f"Cached: {self.function} returned a number that is infinite or none (as float32) for the text "
                f"{batch[bad[0]]!r:.60}; it must give finite numbers"
            )
        return found

    def _check(self) -> None:
        """Raise ValueError for a parameter that has no meaning."""
        named = isinstance(self.function, str) and re.fullmatch(r"[\w.]+:[\w.]+", self.function)
        if not named:
            raise ValueError(f"Cached: function is {self.function!r}, but must be `module:function`")
        if not isinstance(self.version, str):
            raise ValueError(f"Cached: version is {self.version!r}, but must be a text")
        if isinstance(self.batch_size, bool) or not isinstance(self.batch_size, int) or self.batch_size < 1:
            raise ValueError(f"Cached: batch_size is {self.batch_size!r}, but must be a whole number from 1 on")
        for name, value in (self.params or {}).items():
            if not isinstance(value, str | int | float | bool | None):
                raise ValueError(f"Cached: params[{name!r}] is {value!r}, but must be a text, a number or a boolean")


class _Gathered:
    """Vectors as they come, each in the row of its key."""

    def __init__(self, keys: list[bytes], dimensions: int | None, function: str) -> None:
        self.missing = {key: row for row, key in enumerate(keys)}
        self.found = np.empty((len(keys), dimensions or 0), dtype=np.float32)
        self._dimensions = dimensions
        self._function = function

    def add(self, keys: list[bytes], found: Vectors, of: str) -> None:
        """Take the vectors that are missing. Raises ValueError where they have another length than those before."""
        wanted = [number for number, key in enumerate(keys) if key in self.missing]
        if not wanted:
            return
        if self._dimensions is None:
            self._dimensions = found.shape[1]
            self.found = np.empty((len(self.found), self._dimensions), dtype=np.float32)
        if found.shape[1] != self._dimensions:
            raise ValueError(
                f"Cached: {self._function} has {of} vectors of {found.shape[1]} numbers, and others of "
                f"{self._dimensions}; where it now gives others than before, give it another version and fit again"
            )
        self.found[[self.missing.pop(keys[number]) for number in wanted]] = found[wanted]


def _kept(folder: Folder, keys: list[bytes], encoded: Vectors, where: str) -> Folder | None:
    """Keep vectors, and return the folder; None where it takes no files: then the model works as without one."""
    try:
        vectors.write(folder, keys, encoded)
    except OSError as error:
        warnings.warn(f"Cached: nothing is kept, because {where} cannot be written: {error}", stacklevel=2)
        return None
    return folder


def _function(name: str) -> Any:
    try:
        return pkgutil.resolve_name(name)
    except (ImportError, AttributeError) as error:
        raise ValueError(f"Cached: {name} cannot be imported: {error}; put its module on the path") from error


def _batches(keys: list[bytes], size: int) -> Iterator[list[bytes]]:
    for start in range(0, len(keys), size):
        yield keys[start : start + size]
