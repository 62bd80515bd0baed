"""A first step that several candidates have in common: found by what it is, fitted once, and given to each of them."""

import random
from collections.abc import Mapping
from pathlib import Path
from typing import Any, Self

import joblib
import numpy as np
import pandas as pd
import scipy.sparse as sp
from numpy.typing import NDArray
from sklearn.base import BaseEstimator, TransformerMixin, clone
from sklearn.pipeline import Pipeline

from retrain.models.files import load_skops, skops
from retrain.spec.candidates import CandidateSpec

Array = Any
"""A dense or sparse table of numbers, of shape (rows, columns)."""

STEP, FITTED, TRAIN, VALIDATION = "step", "fitted", "train", "validation"
"""The files of a step: itself, what `fit_transform` gave for the training rows, what `transform` gives for them where
that is something else, and for the validation rows.
"""


def key_of(candidate: CandidateSpec, estimator: Any) -> str | None:
    """Return what tells the first step of a candidate's estimator from others; None where it is not to be shared.

    It is where the rows that it learns from are others, as with early stopping; where it draws random numbers without a
    seed; and where nobody can say what it is, as with a lambda.
    """
    alone = candidate.early_stopping is not None or candidate.stream
    if alone or not isinstance(estimator, Pipeline) or len(estimator.steps) < 2 or estimator.memory is not None:
        return None
    step = estimator.steps[0][1]
    if not hasattr(step, "fit_transform") or not _is_seeded(step):
        return None
    try:
        return str(joblib.hash(clone(step)))
    except Exception:  # what the user's class does when it is pickled
        return None


def _is_seeded(step: Any) -> bool:
    return all(isinstance(value, int) for name, value in step.get_params().items() if name.endswith("random_state"))


# ── the files


def write(step: Any, arrays: dict[str, Array], folder: Path, trust: tuple[str, ...]) -> dict[str, Path] | None:
    """Write a fitted step and its arrays, without pickle; return the files. None where they cannot be written so."""
    files = {STEP: folder / f"{STEP}.skops"}
    try:
        skops().dump(step, files[STEP])
        load_skops(files[STEP], trust)
        for name, array in arrays.items():
            files[name] = _written(array, folder / name)
    except Exception:  # skops names many kinds, and which of them does not matter: candidates then fit their own
        return None
    return files


def _written(array: Array, path: Path) -> Path:
    if sp.issparse(array):
        path = path.with_suffix(".npz")
        sp.save_npz(path, array, compressed=False)
        return path
    if not isinstance(array, np.ndarray) or array.dtype.kind not in "biuf":
        raise TypeError(type(array).__name__)
    path = path.with_suffix(".npy")
    np.save(path, array, allow_pickle=False)
    return path


def _load_array(path: Path) -> Array:
    return sp.load_npz(path) if path.suffix == ".npz" else np.load(path, allow_pickle=False)


class Known(TransformerMixin, BaseEstimator):  # type: ignore[misc]
    """A fitted step that stands for itself in a pipeline, and reads what it gave for a DataFrame that it knows.

    It reads anew each time: what follows may change an array in place.
    """

    key: str
    _learnt: tuple[pd.DataFrame, Path]
    _seen: list[tuple[pd.DataFrame, Path]]

    def __init__(self, step: Any) -> None:
        self.step = step

    @classmethod
    def of(
        cls,
        key: str,
        files: Mapping[str, Path],
        trust: tuple[str, ...],
        train: pd.DataFrame,
        validation: pd.DataFrame,
    ) -> Self:
        """Return the step in these files, which knows its answer for these very DataFrames. key: see `key_of`."""
        known = cls(load_skops(files[STEP], trust))
        known.key = key
        known._learnt = (train, files[FITTED])
        known._seen = [(train, files.get(TRAIN, files[FITTED])), (validation, files[VALIDATION])]
        return known

    def fit(self, X: Any, y: Any = None) -> Self:  # noqa: N803 - scikit-learn's name
        self.fit_transform(X, y)
        return self

    def fit_transform(self, X: Any, y: Any = None, **keywords: Any) -> Array:  # noqa: N803
        rows, file = self._learnt
        if X is rows and not keywords:
            return _load_array(file)
        self.step, self._seen = clone(self.step), []
        return self.step.fit_transform(X, y, **keywords)

    def transform(self, X: Any) -> Array:  # noqa: N803
        for rows, file in self._seen:
            if X is rows:
                return _load_array(file)
        return self.step.transform(X)

    def get_feature_names_out(self, names: Any = None) -> NDArray[Any]:
        """Return the names of the step's columns."""
        return np.asarray(self.step.get_feature_names_out(names))


def put(candidate: CandidateSpec, estimator: Any, known: Known) -> None:
    """Put the known step in place of the first one of a candidate's estimator, if it is that one."""
    if key_of(candidate, estimator) == known.key:
        estimator.steps[0] = (estimator.steps[0][0], known)


def put_back(estimator: Any) -> None:
    """Put the step itself where one that is known stands."""
    if isinstance(estimator, Pipeline) and isinstance(estimator.steps[0][1], Known):
        estimator.steps[0] = (estimator.steps[0][0], estimator.steps[0][1].step)


def drawn() -> tuple[Any, ...]:
    """Return the state of the common generators, to see whether something has drawn from them."""
    kind, keys, *rest = np.random.get_state(legacy=True)
    return (random.getstate(), kind, np.asarray(keys).tobytes(), *rest)
