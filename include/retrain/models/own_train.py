"""A user's own training function: what it is given, and what it must return."""

import os
import time
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pyarrow as pa
from numpy.typing import NDArray

from retrain.errors import EstimatorError
from retrain.models.boosters import Log
from retrain.models.function import described_error, function_of
from retrain.models.saved_model import SavedModel
from retrain.spec.candidates import CandidateSpec

LABEL = "label"
"""Name of the column of labels in `Given.batches`; a feature of this name stands before it."""
_BATCH = 65_536
_NEARLY = 0.9
"""Share of the time limit after which a function is asked to stop."""


class Given:
    """The n rows to learn from: the function's argument `snapshot`."""

    def __init__(
        self,
        features: pd.DataFrame | None,
        labels: pd.Series,
        uri: str | None = None,
        filters: tuple[tuple[str, str, list[str]], ...] = (),
        stream: Callable[[int], Iterator[pd.DataFrame]] | None = None,
    ) -> None:
        """features: None where they are to be read only when they are wanted, from `stream`: features by so many."""
        self._features, self._stream = features, stream
        self.labels = labels
        """Shape (n,)."""
        self.uri = uri
        """Of the snapshot's Parquet file, for what reads by itself; None in a backtest and in `check`."""
        self.filters = filters
        """Which rows of the file these are, as pyarrow and pandas take filters."""

    def __len__(self) -> int:
        return len(self.labels)

    @property
    def features(self) -> pd.DataFrame:
        """All of them in memory. Shape (n, columns)."""
        if self._features is None:
            self._features = pd.concat(self._parts(_BATCH), ignore_index=True)
        return self._features

    def batches(self, rows: int = _BATCH) -> Iterator[pa.RecordBatch]:
        """Yield features and label as Arrow batches of so many rows."""
        start = 0
        for part in self._parts(rows):
            labels = self.labels.iloc[start : start + len(part)].to_numpy()
            yield pa.RecordBatch.from_pandas(part.assign(**{LABEL: labels}), preserve_index=False)
            start += len(part)

    def _parts(self, rows: int) -> Iterator[pd.DataFrame]:
        if self._features is None and self._stream is not None:
            return self._stream(rows)
        return (self.features.iloc[start : start + rows] for start in range(0, len(self), rows))


@dataclass(frozen=True, eq=False)
class Context:
    """What the function can tell and ask: its argument `context`."""

    folder: Path
    """An empty folder for its files, which is deleted when the model is stored."""
    weights: NDArray[np.float64] | None = None
    """Of the rows, where the candidate has `sample_weight`. Shape (n,)."""
    _log: Log | None = None
    _ends: float = field(default=float("inf"))
    """When its time is nearly over, by `time.monotonic`."""

    @staticmethod
    def within(seconds: float, folder: Path, weights: NDArray[np.float64] | None, log: Log | None) -> "Context":
        """Return the context of a function that has so many seconds from now on."""
        return Context(folder, weights, log, time.monotonic() + _NEARLY * seconds)

    def log(self, step: int, metrics: Mapping[str, float] | None = None, **named: float) -> None:
        """Log metrics of a step, from 0; they are on the run within seconds."""
        if self._log is not None:
            self._log(step, {**(metrics or {}), **named})

    @property
    def stop(self) -> bool:
        """Whether to come to an end: the time limit is near. Past it, nothing of the work is kept."""
        return time.monotonic() > self._ends


def train(candidate: CandidateSpec, given: Given, context: Context) -> Any:
    """Return the model that the candidate's own function has trained; `SavedModel` where it has returned a folder.

    Raises EstimatorError where it has none.
    """
    function = function_of(candidate)
    where = f"candidate {candidate.name!r}: {candidate.train}"
    try:
        model = function(given, dict(candidate.params), context)
    except Exception as error:
        raise EstimatorError(f"{where} failed on {len(given):,} rows: {described_error(error)}") from error
    if isinstance(model, str | os.PathLike):
        return _saved(where, Path(model), context)
    if not callable(getattr(model, "predict", None)):
        raise EstimatorError(f"{where} returned {type(model).__name__}, which has no predict; return the fitted model")
    return model


def _saved(where: str, folder: Path, context: Context) -> SavedModel:
    if not folder.resolve().is_relative_to(context.folder.resolve()):
        raise EstimatorError(
            f"{where} returned the path {str(folder)!r}, which is not in context.folder; save it there"
        )
    if not (folder / "MLmodel").is_file():
        raise EstimatorError(
            f"{where} returned the folder {folder.name!r}, which has no MLmodel; save the model there by MLflow, as "
            "with mlflow.xgboost.save_model(model, folder)"
        )
    return SavedModel(f"{where} returned the folder {folder.name!r}", folder)
