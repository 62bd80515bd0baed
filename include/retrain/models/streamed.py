"""Fits an estimator on rows that come in batches, as often as they are wanted, and are never in memory as a whole."""

from collections.abc import Callable, Iterator, Sequence
from typing import Any

import numpy as np
import pandas as pd
from sklearn.base import is_classifier
from sklearn.pipeline import Pipeline

from retrain.errors import EstimatorError
from retrain.models.boosters import Log, Part
from retrain.models.function import described_error
from retrain.models.learning import Options
from retrain.models.steps import BATCH, learns_nothing, part_of, refuse_unstreamable, taken, tell

_SHOWN = 1_000
"""Rows of each kind that metrics by step are measured on."""

Batches = Callable[[], Iterator[pd.DataFrame]]
"""Begins anew with each call, and gives the same rows in the same order."""


def fit(
    estimator: Any,
    batches: Batches,
    labels: pd.Series,
    options: Options,
    *,
    watched: dict[str, Part] | None = None,
    log: Log | None = None,
) -> None:
    """Fit in place: first the steps that learn, one after another, each in one pass; then the last one.

    labels: of all rows, in their order. watched: rows and labels on which the last step is measured after each batch.
    Raises EstimatorError for an estimator with a step that learns from all rows at once, and with the reason that
    scikit-learn gives.
    """
    refuse_unstreamable(estimator)
    try:
        _fit(estimator, batches, labels, options, watched=watched or {}, log=log)
    except Exception as error:
        raise EstimatorError(
            f"{type(estimator).__name__} cannot be fitted in batches of {BATCH:,} rows: {described_error(error)}"
        ) from error


def _fit(
    estimator: Any, batches: Batches, labels: pd.Series, options: Options, *, watched: dict[str, Part], log: Log | None
) -> None:
    *head, last = [step for _, step in estimator.steps] if isinstance(estimator, Pipeline) else [estimator]
    for place, step in enumerate(head):
        _fit_step(step, head[:place], batches)
    measured, learnt = dict[str, Part](), labels.unique()
    for name, (rows, targets) in watched.items():
        known = np.flatnonzero(targets.isin(learnt))[:_SHOWN]
        measured[name] = (_through(head, rows.iloc[known]), targets.iloc[known])
    classes = np.unique(labels) if is_classifier(last) else None
    dice, step = np.random.default_rng(0), 0
    for _ in range(options.passes or 1):
        start = 0
        for rows in batches():
            order = dice.permutation(len(rows))
            weights = None if options.weights is None else options.weights[start + order]
            inputs = taken(_through(head, rows), order)
            part_of(last, inputs, labels.iloc[start + order], classes, weights=weights, keywords=options.keywords)
            tell(last, measured, log, step)
            start, step = start + len(rows), step + 1


def _fit_step(step: Any, before: Sequence[Any], batches: Batches) -> None:
    for rows in batches():
        inputs = _through(before, rows)
        if learns_nothing(step):
            if not isinstance(step, str):
                step.fit(inputs)  # it learns the names of the columns
            return
        step.partial_fit(inputs)


def _through(steps: Sequence[Any], inputs: Any) -> Any:
    for step in steps:
        inputs = inputs if isinstance(step, str) else step.transform(inputs)
    return inputs
