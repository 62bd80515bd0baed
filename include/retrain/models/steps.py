"""Estimators of scikit-learn's that learn step by step and call nobody back: by `partial_fit`, or with `warm_start`.

Here they are taken from step to step, so that each can be measured.
"""

from collections.abc import Callable, Mapping
from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import NDArray
from sklearn.base import is_classifier
from sklearn.compose import ColumnTransformer
from sklearn.pipeline import FeatureUnion, Pipeline
from sklearn.utils import get_tags

from retrain.errors import EstimatorError
from retrain.models.boosters import Lesson, Log, Part

BATCH = 10_000
"""Rows that `partial_fit` gets at once."""
_STEPS = 10
"""In so many parts an ensemble grows."""


def in_passes(passes: int, *, stream: bool) -> Callable[[Any, Lesson], None]:
    """Return what teaches by `partial_fit`, in so many passes over the rows, each time in another order.

    stream: the order of `cycle.streaming`, which knows only one batch at a time.
    """

    def teach(last: Any, lesson: Lesson) -> None:
        _refuse_without_partial_fit(last, "stream" if stream else "passes")
        dice, count = np.random.default_rng(0), len(lesson.labels)
        classes = np.unique(lesson.labels) if is_classifier(last) else None
        for step in range(passes):
            order = np.arange(count) if stream else dice.permutation(count)
            for batch in (order[start : start + BATCH] for start in range(0, count, BATCH)):
                which = batch[dice.permutation(len(batch))] if stream else batch
                rows = taken(lesson.inputs, which)
                weights = None if lesson.weights is None else lesson.weights[which]
                part_of(last, rows, lesson.labels.iloc[which], classes, weights=weights, keywords=lesson.keywords)
            tell(last, lesson.watched, lesson.log, step)

    return teach


def taken(table: Any, which: NDArray[np.int64]) -> Any:
    """Return these rows of a DataFrame, an array or a sparse matrix."""
    return table.iloc[which] if hasattr(table, "iloc") else table[which]


def part_of(
    last: Any,
    rows: Any,
    labels: pd.Series,
    classes: NDArray[Any] | None,
    *,
    weights: NDArray[np.float64] | None,
    keywords: Mapping[str, Any],
) -> None:
    """Let an estimator learn some rows. classes: all that there are; None for a regression."""
    more = {} if classes is None else {"classes": classes}
    if weights is not None:
        more["sample_weight"] = weights
    last.partial_fit(rows, labels, **more, **keywords)


def refuse_unstreamable(estimator: Any) -> None:
    """Raise EstimatorError for an estimator with a step that learns from all rows at once."""
    steps = estimator.steps if isinstance(estimator, Pipeline) else [("", estimator)]
    _refuse_without_partial_fit(steps[-1][1], "stream")
    for name, step in steps[:-1]:
        if not learns_nothing(step) and not hasattr(step, "partial_fit"):
            raise EstimatorError(
                f"stream: step {name!r} ({type(step).__name__}) learns from all rows at once; use one that learns "
                "nothing, such as HashingVectorizer, or one that has partial_fit, such as StandardScaler"
            )


def learns_nothing(step: Any) -> bool:
    """Return whether what a step makes of a row is the same, whatever it was fitted on."""
    if isinstance(step, str):
        return step == "passthrough"
    if isinstance(step, ColumnTransformer):
        return step.remainder == "drop" and all(learns_nothing(each) for _, each, _ in step.transformers)
    if isinstance(step, FeatureUnion):
        return all(learns_nothing(each) for _, each in step.transformer_list)
    if isinstance(step, Pipeline):
        return all(learns_nothing(each) for _, each in step.steps)
    learns: bool = get_tags(step).requires_fit
    return not learns


def _refuse_without_partial_fit(last: Any, field: str) -> None:
    """Raise EstimatorError for an estimator that does not learn in parts, as this field of its candidate asks."""
    if not hasattr(last, "partial_fit"):
        raise EstimatorError(
            f"{field}: {type(last).__name__} has no partial_fit, so it does not learn in parts; leave {field} out, or "
            "use one that has it, such as SGDClassifier"
        )


def grows(last: Any) -> bool:
    """Return whether an ensemble was made to grow: with `warm_start`, and a number of estimators."""
    return getattr(last, "warm_start", False) is True and isinstance(getattr(last, "n_estimators", None), int)


def by_growing(last: Any, lesson: Lesson) -> None:
    """Teach an ensemble part by part. With a seed, each forest is the same as one that is fitted at once."""
    whole = last.n_estimators
    weights = {} if lesson.weights is None else {"sample_weight": lesson.weights}
    for size in np.unique(np.linspace(0, whole, _STEPS + 1).astype(int)[1:]):
        if size:
            last.set_params(n_estimators=int(size)).fit(lesson.inputs, lesson.labels, **weights, **lesson.keywords)
            tell(last, lesson.watched, lesson.log, int(size) - 1)


def tell(last: Any, watched: Mapping[str, Part], log: Log | None, step: int) -> None:
    """Log the estimator's own `score`: accuracy or R²."""
    if log is not None:
        log(step, {f"{name}_score": float(last.score(*part)) for name, part in watched.items()})
