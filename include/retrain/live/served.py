"""What was served of later rows, as the predictions that are scored; and whether the version says the same now."""

from collections.abc import Iterator
from dataclasses import dataclass
from typing import NamedTuple

import numpy as np
import pandas as pd
import pyarrow as pa
import pyarrow.compute as pc
from numpy.typing import NDArray

from retrain.errors import SourceMismatchError
from retrain.gate.labels import Floats, classes_in, encode, spell
from retrain.gate.predictions import RawPredictions
from retrain.live.predict import Predicting
from retrain.live.predicted import Predicted
from retrain.records import VersionId
from retrain.snapshots.rows import Rows
from retrain.snapshots.split import position
from retrain.source.layout import Within
from retrain.source.served import Served
from retrain.spec.served import ServedSpec
from retrain.spec.spec import Spec
from retrain.spec.task import Task

_ASKED = 2_000
"""Rows of a cohort for which the version is asked as well."""
_SCORE, _NUMBER = 0.01, 0.001
"""A served score differs by more than the first; a served number by more than this share of it: logs are rounded, and
another library's floats end otherwise."""


@dataclass(frozen=True)
class ServedRows:
    predicted: Predicted | None
    """With what was served; None without a row."""
    asked: int
    """Rows for which the version was asked what it says now."""
    skewed: int
    """Those for which it says something else."""


class _Sample(NamedTuple):
    """Rows for which the version is asked as well, batch by batch."""

    parts: list[Predicted]
    features: list[pd.DataFrame]
    also: list[pd.DataFrame]


def served_rows(log: Served, predicting: Predicting, version: VersionId, within: Within, labelled: int) -> ServedRows:
    """Return what a version has served of the labelled rows of some time that it does not know.

    labelled: as in `Predicting.predicted`. Raises SourceMismatchError where the log holds what cannot be scored.
    """
    spec, found = predicting.spec, log.rows(within)
    found = found.filter(pc.equal(found["version"], version.number))
    parts, sample = list[Predicted](), _Sample([], [], [])
    for rows, clusters, said in _matched(predicting, version, within, labelled, found):
        part = predicting.unasked(rows, clusters)
        part = part.with_predictions(_raw(spec, log.spec, said, part.labels))
        parts.append(part)
        some = position(clusters) < _ASKED / max(labelled, 1)
        if some.any():
            features, also = Rows.inputs(rows)
            sample.parts.append(part.part(some))
            sample.features.append(features[some])
            sample.also.append(also[some] if len(also.columns) else also)
    if not parts:
        return ServedRows(None, 0, 0)
    predicted = Predicted.joined(parts)
    if not sample.parts:
        return ServedRows(predicted, 0, 0)
    now = predicting.ask(version, pd.concat(sample.features), pd.concat(sample.also))
    differs = _differs(spec, Predicted.joined(sample.parts).predictions, now)
    return ServedRows(predicted, len(differs), int(differs.sum()))


def _matched(
    predicting: Predicting, version: VersionId, within: Within, labelled: int, found: pa.Table
) -> Iterator[tuple[pa.Table, NDArray[np.int64], pa.Table]]:
    """Yield the rows for which something was served, with their clusters and what it was."""
    keys = found["key"].combine_chunks()
    for rows, clusters in predicting.rows(version, within, labelled):
        place = pc.index_in(rows["key"].combine_chunks(), value_set=keys)
        there = place.is_valid()
        if there.true_count:
            yield rows.filter(there), clusters[there.to_numpy(zero_copy_only=False)], found.take(place.drop_null())


def _raw(spec: Spec, predictions: ServedSpec, said: pa.Table, labels: NDArray[np.generic]) -> RawPredictions:
    values = said["prediction"].to_numpy(zero_copy_only=False)
    if spec.task is not Task.CLASSIFICATION:
        return RawPredictions(_numbers(predictions, values))
    classes = spell(values)
    if predictions.score is None:
        return RawPredictions(classes)
    return _with_score(spec, predictions, classes, said["score"].to_numpy(zero_copy_only=False), labels)


def _numbers(predictions: ServedSpec, values: NDArray[np.generic]) -> Floats:
    if values.dtype.kind not in "iuf":
        raise SourceMismatchError(
            f"{predictions.name}: {predictions.prediction!r} is not a number, and the model predicts numbers; cast it "
            "in a query file"
        )
    numbers = values.astype(np.float64)
    if not np.isfinite(numbers).all():
        strange = int((~np.isfinite(numbers)).sum())
        raise SourceMismatchError(
            f"{predictions.name}: {predictions.prediction!r} is infinite or NaN in {strange:,} rows; leave them out in "
            "a query file"
        )
    return numbers


def _with_score(
    spec: Spec, predictions: ServedSpec, classes: NDArray[np.str_], scores: Floats, labels: NDArray[np.generic]
) -> RawPredictions:
    """Return the predictions with the probabilities of both classes."""
    positive = spec.gate.positive or ""
    if not ((scores >= 0) & (scores <= 1)).all():
        raise SourceMismatchError(
            f"{predictions.name}: {predictions.score!r} is not between 0 and 1 in some rows, so it is not the "
            f"probability of {positive!r}; leave them out in a query file, or remove predictions.score"
        )
    known = classes_in(labels)
    others = sorted({*known, *classes_in(classes)} - {positive})
    others = [each for each in others if encode([each], (positive,))[0] < 0] or [f"not {positive}"]
    if len(others) > 1:
        raise SourceMismatchError(
            f"{predictions.name}: there are classes {', '.join(others)} beside {positive!r}, and {predictions.score!r} "
            "is the probability of one of two; remove predictions.score"
        )
    return RawPredictions(classes, (others[0], positive), np.column_stack([1 - scores, scores]))


def _differs(spec: Spec, served: RawPredictions, now: RawPredictions) -> NDArray[np.bool_]:
    """Return for which rows a version says something else now than was served; shape (n,) both."""
    if spec.task is not Task.CLASSIFICATION:
        numbers = now.labels.astype(np.float64)
        apart = np.abs(served.labels.astype(np.float64) - numbers)
        return np.asarray(apart > _NUMBER * np.maximum(np.abs(numbers), 1e-9), np.bool_)
    classes = classes_in(now.labels) if not now.classes else now.classes
    differs = encode(served.labels, classes) != encode(now.labels, classes)
    positive = spec.gate.positive
    if served.probabilities is not None and now.probabilities is not None and positive is not None:
        was, is_now = (each.among(classes, positive).scores for each in (served, now))
        if was is not None and is_now is not None:
            differs |= np.abs(was - is_now) > _SCORE
    return np.asarray(differs, np.bool_)
