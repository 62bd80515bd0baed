"""Steps that learn nothing: what they make of a row is the same in every fit, so it is made once.

A hashing vectorizer takes most of the time of a text pipeline, and its result does not depend on the training rows.
"""

import fcntl
from collections.abc import Callable
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import joblib
import numpy as np
from scipy import sparse
from sklearn.pipeline import Pipeline

from retrain.backtest.history import History
from retrain.gate.labels import Integers
from retrain.models.steps import learns_nothing


@dataclass(frozen=True)
class Inputs:
    """What an estimator takes for the rows at some places."""

    of: Callable[[Integers], Any]
    row_bytes: float
    """Mean bytes of a row."""


_CHUNK = 20_000
"""Rows that are transformed at once."""


def cut(estimator: Any) -> tuple[Any, Any]:
    """Return the first steps of a pipeline that learn nothing, as one, and the rest; None and all where none does."""
    if not isinstance(estimator, Pipeline) or estimator.memory is not None:
        return None, estimator
    count = 0
    while count < len(estimator.steps) - 1 and learns_nothing(estimator.steps[count][1]):
        count += 1
    if not count:
        return None, estimator
    return Pipeline(estimator.steps[:count]), Pipeline(estimator.steps[count:])


def inputs_of(stateless: Any, history: History, folder: Path) -> Inputs:
    """Return the rows as the steps after `stateless` take them.

    stateless: as `cut` returns it; its result for all rows is computed once, and kept in the folder for all processes.
    """
    if stateless is None:
        features = history.features
        size = float(features.memory_usage(index=False).sum())
        return Inputs(lambda rows: features.iloc[rows].reset_index(drop=True), size / max(1, len(features)))
    made = _made(stateless, history, folder)
    parts = (made.data, made.indices) if sparse.issparse(made) else (made,)
    return Inputs(lambda rows: made[rows], sum(each.nbytes for each in parts) / max(1, len(history)))


def _made(stateless: Any, history: History, folder: Path) -> Any:
    path = folder / f"{joblib.hash(stateless)}.inputs"
    with _locked(path):
        if not (path / "whole").exists():
            path.mkdir(exist_ok=True)
            features = history.features  # here alone: as objects of Python's, they take more than what is made of them
            stateless.fit(features.head())  # learns the names of the columns, and nothing else
            parts = [
                stateless.transform(features.iloc[start : start + _CHUNK]) for start in range(0, len(features), _CHUNK)
            ]
            if sparse.issparse(parts[0]):
                whole = sparse.vstack(parts, format="csr")
                for name in ("data", "indices", "indptr"):
                    np.save(path / f"{name}.npy", getattr(whole, name))
                np.save(path / "shape.npy", np.array(whole.shape))
            else:
                np.save(path / "dense.npy", np.vstack(parts))
            (path / "whole").touch()
    if (path / "dense.npy").exists():
        return np.load(path / "dense.npy", mmap_mode="r")
    data, indices, indptr = (np.load(path / f"{name}.npy", mmap_mode="r") for name in ("data", "indices", "indptr"))
    # Made without its checks, which would read all of it.
    found = sparse.csr_matrix(tuple(np.load(path / "shape.npy").tolist()), dtype=data.dtype)
    found.data, found.indices, found.indptr = data, indices, indptr
    return found


@contextmanager
def _locked(path: Path) -> Any:
    with path.with_suffix(".lock").open("w") as file:
        fcntl.flock(file, fcntl.LOCK_EX)
        yield
