"""How each metric of `retrain.metrics` follows from sums over rows.

A metric that is a function of sums can be computed for thousands of resamples by one matrix product of weights and
sums, without a loop over scikit-learn. What is summed is, by what a metric needs of a model:

- *labels*: how often each class was hit, predicted and actual. Recall is hit / actual (over all classes together it is
  `accuracy`, averaged over them `balanced_accuracy`), precision hit / predicted, F1 2 hit / (predicted + actual).
- *probabilities*: the loss of each row. *numbers*: the absolute or squared error.
- *scores* are ranked instead: `retrain.resampling` does that.

An average leaves out a class for which the ratio is 0 / 0, as scikit-learn does: one without a label for recall, one
with neither a label nor a prediction for F1. A prediction of -1 is wrong and belongs to no class, so that a single odd
answer cannot add a class to the average (scikit-learn's figure with `labels=` the classes that are present).
"""

import numpy as np
from numpy.typing import NDArray

from retrain.codes import Codes
from retrain.metrics import METRICS

Floats = NDArray[np.float64]

_BINS = 10


# ── labels


def counts(
    metric: str, labels: Codes, predictions: Codes, *, classes: int, positive: int | None, group: Codes, groups: int
) -> Floats:
    """What `value` needs of each group of rows: hit, predicted and actual of each class. Shape (groups, 3 k).

    `labels`, `predictions` and `group` have shape (n,); `group` is in 0..groups-1. `k` is 1 for accuracy (all classes
    together) and for metrics of one class (`positive`; 0 where that is None), and `classes` otherwise.
    """

    def tally(codes: Codes, rows: NDArray[np.bool_]) -> NDArray[np.intp]:
        places = group[rows] * classes + codes[rows]
        return np.bincount(places, minlength=groups * classes).reshape(groups, classes)

    every = np.ones(len(labels), dtype=np.bool_)
    tallies = (tally(labels, labels == predictions), tally(predictions, predictions >= 0), tally(labels, every))
    per_class: Floats = np.stack(tallies, axis=1).astype(np.float64)
    if metric == "accuracy":
        per_class = per_class.sum(axis=2, keepdims=True)
    elif METRICS[metric].of_class:
        per_class = per_class[:, :, [] if positive is None else [positive]]
    return per_class.reshape(groups, -1)


def _ratio(metric: str, totals: Floats) -> Floats:
    hit, predicted, actual = np.moveaxis(totals.reshape(*totals.shape[:-1], 3, -1), -2, 0)
    if metric in ("f1", "f1_macro", "f1_weighted"):
        above, below = 2 * hit, predicted + actual
    elif metric == "precision":
        above, below = hit, predicted
    else:
        above, below = hit, actual
    defined = below > 0
    ratios: Floats = np.divide(above, below, out=np.zeros_like(below), where=defined)
    weights = actual if metric == "f1_weighted" else defined.astype(np.float64)
    return _divided((ratios * weights).sum(axis=-1), weights.sum(axis=-1))


# ── probabilities and numbers


def losses(metric: str, labels: NDArray[np.generic], answers: Floats) -> Floats:
    """What `value` needs of each row, shape (n, s).

    labels: codes of shape (n,) for `answers` that are probabilities of shape (n, k), or numbers for numbers of shape
    (n,). A label without a probability of its own (code -1) has probability 0.
    """
    if metric in ("log_loss", "brier"):
        codes = labels.astype(np.int64)
        known, rows = codes >= 0, np.arange(len(codes))
        own = np.where(known, answers[rows, np.where(known, codes, 0)], 0.0)
        if metric == "log_loss":
            loss = -np.log(np.clip(own, np.finfo(np.float64).eps, 1))
        else:
            # Σ (p - y)² over the classes; of two classes half of it, which is the square for one, as in scikit-learn.
            loss = ((answers**2).sum(axis=1) - 2 * own + 1) / (2 if answers.shape[1] == 2 else 1)
        return np.column_stack([loss, np.ones(len(loss))])
    truth = labels.astype(np.float64)
    error = answers - truth
    if metric != "r2":
        return np.column_stack([np.abs(error) if metric == "mae" else error**2, np.ones(len(error))])
    centred = truth - truth.mean() if len(truth) else truth  # so that the two sums of squares keep their digits
    return np.column_stack([error**2, np.ones(len(error)), centred, centred**2])


def value(metric: str, totals: Floats) -> Floats:
    """The metric of each sum of `counts` or `losses`: shape (..., s) to shape (...). NaN where it is undefined."""
    if METRICS[metric].needs == "labels":
        return _ratio(metric, totals)
    mean = _divided(totals[..., 0], totals[..., 1])
    if metric == "rmse":
        return np.sqrt(np.maximum(mean, 0))
    if metric == "r2":
        spread = totals[..., 3] - _divided(totals[..., 2] ** 2, totals[..., 1])
        return 1 - _divided(totals[..., 0], np.where(spread > 1e-12 * totals[..., 3], spread, 0))
    return mean


def _divided(above: Floats, below: Floats) -> Floats:
    result: Floats = np.full(np.broadcast(above, below).shape, np.nan)
    return np.divide(above, below, out=result, where=below > 0)


def reliability(probabilities: Floats, labels: Codes) -> tuple[Codes, Floats, Floats]:
    """How often the most probable class is right, in ten bins of equal width of its probability.

    probabilities: shape (n, k). Gives, of each bin, its rows, the sum of their probabilities, and how many are right.
    """
    confidence, right = probabilities.max(axis=1), probabilities.argmax(axis=1) == labels
    bins = np.minimum((confidence * _BINS).astype(np.int64), _BINS - 1)
    rows = np.bincount(bins, minlength=_BINS).astype(np.int64)
    said, found = (np.bincount(bins, weights=each, minlength=_BINS).astype(np.float64) for each in (confidence, right))
    return rows, said, found
