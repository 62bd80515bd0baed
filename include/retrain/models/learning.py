"""How an estimator learns: keywords of its last step, weights, rows that stop it early, metrics by step."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import NDArray
from sklearn.base import is_classifier
from sklearn.pipeline import Pipeline
from sklearn.utils.class_weight import compute_sample_weight

from retrain.errors import EstimatorError
from retrain.models.boosters import Lesson, Log, Part, must_be_taught, teacher_of
from retrain.models.steps import by_growing, grows, in_passes, refuse_unstreamable
from retrain.spec.candidates import BALANCED, CandidateSpec

_SHOWN = 5_000
"""Rows of each kind that metrics by step are measured on: more would slow a fit down."""


@dataclass(frozen=True, eq=False)
class Options:
    """What a fit gets beside its n rows."""

    keywords: Mapping[str, Any] = field(default_factory=dict)
    """Of the last step's `fit`."""
    weights: NDArray[np.float64] | None = None
    """Of the rows. Shape (n,)."""
    stops: NDArray[np.bool_] | None = None
    """Which rows say when to stop; they are not learnt from. Shape (n,)."""
    passes: int | None = None
    """Of `partial_fit` over the rows; None: `fit`."""
    stream: bool = False
    """Whether these are in the order in which `cycle.streaming` reads rows."""


PLAIN = Options()


@dataclass(frozen=True, eq=False)
class Watch:
    """What a fit tells while it runs."""

    log: Log
    features: pd.DataFrame
    labels: pd.Series
    """Rows that it does not learn from, on which it is measured."""


def options_of(
    candidate: CandidateSpec, labels: pd.Series, columns: pd.DataFrame, clusters: NDArray[np.int64]
) -> Options:
    """Return what a candidate's fit gets. columns: all of the rows, by name. clusters: see `snapshots.store`.

    Raises EstimatorError where the weights of the rows are not weights.
    """
    stops = None
    if candidate.early_stopping is not None:
        # Another part of the hash than the one that has decided the subset.
        mixed = (clusters.astype(np.uint64) ^ np.uint64(0x9E3779B97F4A7C15)) * np.uint64(0xBF58476D1CE4E5B9)
        stops = (mixed >> np.uint64(11)).astype(np.float64) / 2.0**53 < candidate.early_stopping
    passes = candidate.passes or (1 if candidate.stream else None)
    return Options(candidate.fit, _weights(candidate, labels, columns), stops, passes, candidate.stream)


def _weights(candidate: CandidateSpec, labels: pd.Series, columns: pd.DataFrame) -> NDArray[np.float64] | None:
    if candidate.sample_weight is None:
        return None
    if candidate.sample_weight == BALANCED:
        return np.asarray(compute_sample_weight(BALANCED, labels), np.float64)
    found = np.asarray(pd.to_numeric(columns[candidate.sample_weight], errors="coerce"), np.float64)
    wrong = ~np.isfinite(found) | (found < 0)
    if wrong.any() or not found.any():
        what = f"{int(wrong.sum()):,} of {len(found):,} are not numbers from 0 up" if wrong.any() else "all are 0"
        raise EstimatorError(
            f"candidate {candidate.name!r}: sample_weight = {candidate.sample_weight!r}: {what}; correct the column, "
            "or leave these rows out in the source's query"
        )
    return found


def learn(estimator: Any, features: pd.DataFrame, labels: pd.Series, options: Options, watch: Watch | None) -> None:
    """Fit in place. What the estimator raises comes through.

    Raises EstimatorError where rows should stop one that cannot be stopped by rows, or passes are asked of one that
    does not learn in parts.
    """
    if options.stream:
        refuse_unstreamable(estimator)
    last = estimator.steps[-1][1] if isinstance(estimator, Pipeline) else estimator
    teach = _teacher(last, options, watch)
    if teach is None:
        keywords = dict(options.keywords)
        if options.weights is not None:
            keywords["sample_weight"] = options.weights
        before = f"{estimator.steps[-1][0]}__" if isinstance(estimator, Pipeline) else ""
        estimator.fit(features, labels, **{f"{before}{name}": each for name, each in keywords.items()})
        return
    head, weights, stopping = _Head(estimator), options.weights, None
    if options.stops is not None:
        learns, stopping = ~options.stops, (features[options.stops], labels[options.stops])
        features, labels = features[learns], labels[learns]
        weights = None if weights is None else weights[learns]
    lesson = Lesson(head.fitted(features, labels), labels, weights, options.keywords)
    learnt = labels.unique()

    def part(features: pd.DataFrame, labels: pd.Series, most: int | None = None) -> Part:
        """Return rows as the last step takes them, without classes that it has not learnt: it would not take these."""
        known = np.arange(len(labels)) if not is_classifier(last) else np.flatnonzero(labels.isin(learnt))
        return head.transformed(features.iloc[known[:most]]), labels.iloc[known[:most]]

    if stopping is not None:
        lesson.stops = part(*stopping)
    if watch is not None:
        lesson.log = watch.log
        lesson.watched = {
            "train": part(features, labels, _SHOWN),
            "validation": part(watch.features, watch.labels, _SHOWN),
        }
    teach(last, lesson)


def _teacher(last: Any, options: Options, watch: Watch | None) -> Callable[[Any, Lesson], None] | None:
    """Return what teaches the last step otherwise than its own `fit`; None where nothing does."""
    booster = teacher_of(last)
    if options.stops is not None and (booster is None or options.passes is not None):
        raise EstimatorError(
            f"early_stopping: {type(last).__name__} cannot be given rows that stop it; remove early_stopping, or use "
            "LightGBM, XGBoost, CatBoost or HistGradientBoosting as the last step"
        )
    if options.passes is not None:
        return in_passes(options.passes, stream=options.stream)
    if options.stops is None and watch is None and not must_be_taught(last):
        return None
    return booster or (by_growing if grows(last) else None)


class _Head:
    """The steps before the last one."""

    def __init__(self, estimator: Any) -> None:
        self._whole = estimator if isinstance(estimator, Pipeline) and len(estimator.steps) > 1 else None
        self._steps = None if self._whole is None else self._whole[:-1]

    def fitted(self, features: pd.DataFrame, labels: pd.Series) -> Any:
        if self._steps is None or self._whole is None:
            return features
        made = self._steps.fit_transform(features, labels)
        self._whole.steps[:-1] = self._steps.steps  # with `memory`, a pipeline fits copies
        return made

    def transformed(self, features: pd.DataFrame) -> Any:
        return features if self._steps is None else self._steps.transform(features)
