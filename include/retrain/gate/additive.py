"""Metrics that follow from sums over rows, and how they are resampled.

A metric that is a function of sums can be computed for thousands of resamples by one matrix product of weights and
sums, without a loop over scikit-learn. What is summed depends on what the metric needs from a model:

- *labels*: how often each class was hit, predicted and actual. Recall is hit / actual (over all classes together it is
  `accuracy`, averaged over them `balanced_accuracy`), precision hit / predicted, F1 2 hit / (predicted + actual).
- *probabilities*: the loss of each row. *numbers*: the absolute or squared error.
- *scores* are ranked instead, in `retrain.gate.ranked`.

An average leaves out a class for which the ratio is 0 / 0, as scikit-learn does: one without a label for recall, one
with neither a label nor a prediction for F1. A prediction of -1 is wrong and belongs to no class, so that a single odd
prediction cannot add a class to the average (scikit-learn's value with `labels=` the classes that are present).
"""

from collections.abc import Iterable
from dataclasses import dataclass
from typing import ClassVar

import numpy as np
from numpy.typing import NDArray

from retrain.gate.labels import Floats, Integers, Values
from retrain.gate.significance import bit_sums, chunks, coin_sums, draw_counts, draws_in_chunks
from retrain.gate.swaps import Swaps
from retrain.metrics import METRICS

_BINS = 10


def counts(
    metric: str,
    labels: Integers,
    predictions: Integers,
    *,
    classes: int,
    positive: int | None,
    group: Integers,
    groups: int,
) -> Floats:
    """Return what `value` needs for each group of rows: hit, predicted and actual of each class, shape (groups, 3 k).

    `labels`, `predictions` and `group` have shape (n,); `group` is in 0..groups-1. `k` is 1 for accuracy (all classes
    together) and for metrics of one class (`positive`; 0 where that is None), and `classes` otherwise.
    """

    def tally(label_codes: Integers, rows: NDArray[np.bool_]) -> NDArray[np.intp]:
        places = group[rows] * classes + label_codes[rows]
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


def losses(metric: str, labels: NDArray[np.generic], predictions: Floats) -> Floats:
    """Return what `value` needs for each row, shape (n, s).

    labels: label codes of shape (n,) where `predictions` are probabilities of shape (n, k), or numbers where they are
    numbers of shape (n,). A label without a probability of its own (code -1) has probability 0.
    """
    if metric in ("log_loss", "brier"):
        label_codes = labels.astype(np.int64)
        known, rows = label_codes >= 0, np.arange(len(label_codes))
        own = np.where(known, predictions[rows, np.where(known, label_codes, 0)], 0.0)
        if metric == "log_loss":
            loss = -np.log(np.clip(own, np.finfo(np.float64).eps, 1))
        else:
            # Σ (p - y)² over the classes. Two classes: half of it, the square for one class, as in scikit-learn.
            loss = ((predictions**2).sum(axis=1) - 2 * own + 1) / (2 if predictions.shape[1] == 2 else 1)
        return np.column_stack([loss, np.ones(len(loss))])
    truth = labels.astype(np.float64)
    error = predictions - truth
    if metric != "r2":
        return np.column_stack([np.abs(error) if metric == "mae" else error**2, np.ones(len(error))])
    centred = truth - truth.mean() if len(truth) else truth  # so that the two sums of squares keep their digits
    return np.column_stack([error**2, np.ones(len(error)), centred, centred**2])


def value(metric: str, totals: Floats) -> Floats:
    """Return the metric for sums of `counts` or `losses`: shape (..., s) to shape (...). NaN where it is undefined."""
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


def reliability(probabilities: Floats, labels: Integers) -> tuple[Integers, Floats, Floats]:
    """Compare confidence and accuracy of the most probable class, in ten bins of equal width of its probability.

    probabilities: shape (n, k). Returns three arrays of shape (10,): the rows of each bin, the sum of their
    confidences, and how many of them are right.
    """
    confidence, right = probabilities.max(axis=1), probabilities.argmax(axis=1) == labels
    bins = np.minimum((confidence * _BINS).astype(np.int64), _BINS - 1)
    rows = np.bincount(bins, minlength=_BINS).astype(np.int64)
    confidences, hits = (
        np.bincount(bins, weights=each, minlength=_BINS).astype(np.float64) for each in (confidence, right)
    )
    return rows, confidences, hits


@dataclass(frozen=True, eq=False)
class Additive:
    """Two models whose metric follows from sums: clusters by kind, and what one cluster adds to each model's sums."""

    metric: str
    kind: NDArray[np.intp]
    """Of each cluster: 0..u-1."""
    weights: Integers
    """Clusters of each kind, shape (u,)."""
    own: Floats
    theirs: Floats
    """Sums over the rows of one cluster of each kind, shape (u, s)."""
    slow: ClassVar[bool] = False

    def observed(self) -> tuple[float, float]:
        own, theirs = (value(self.metric, self.weights @ each) for each in (self.own, self.theirs))
        return float(own), float(theirs)

    def alike(self) -> bool:
        return not (self.own - self.theirs).any()

    def permuted(self, rng: np.random.Generator, draws: int) -> Floats:
        swing = self.own - self.theirs
        steps = chunks(draws, max(swing.shape[1], 1))
        return self._gains(_moved(rng, step, self.weights, swing) for step in steps)

    def swapped(self, swaps: Swaps) -> Floats:
        swing = (self.own - self.theirs)[self.kind]
        counted = np.flatnonzero(swing.any(axis=1))
        swing, bits = swing[counted], swaps.bits(counted)
        steps = draws_in_chunks(bits.shape[1], 8 * max(swing.shape[1], 1))
        return self._gains(bit_sums(bits[:, start : start + step], swing) for start, step in steps)

    def _gains(self, parts: Iterable[Floats]) -> Floats:
        """Return the differences where so much of the challenger's sums moves to the other; shape (step, s) each."""
        own, theirs = self.weights @ self.own, self.weights @ self.theirs
        return np.concatenate([value(self.metric, own - moved) - value(self.metric, theirs + moved) for moved in parts])

    def bootstrapped(self, rng: np.random.Generator, draws: int) -> tuple[Floats, Floats]:
        both = np.concatenate([self.own, self.theirs], axis=1)
        own, theirs = [], []
        for step in chunks(draws, max(len(self.weights), both.shape[1])):
            totals = draw_counts(rng, step, self.weights).astype(np.float64) @ both
            own.append(value(self.metric, totals[:, : self.own.shape[1]]))
            theirs.append(value(self.metric, totals[:, self.own.shape[1] :]))
        return np.concatenate(own), np.concatenate(theirs)


def of_labels(
    metric: str,
    label_codes: tuple[Integers, Integers, Integers],
    cluster: NDArray[np.intp],
    *,
    classes: int,
    positive: int | None,
) -> Additive:
    """Return the pair for a metric of labels.

    label_codes: of the labels and of both models' predictions, shape (n,) each. cluster: shape (n,), 0..u-1.

    Clusters with the same number of rows, all with one label and one pair of predictions, are one kind; a mixed cluster
    is a kind of its own.
    """
    labels, own, theirs = label_codes
    # One number for the three codes, each from -1: rows of a table take a hundred times as long to sort.
    joined = ((labels + 1) * (classes + 1) + own + 1) * (classes + 1) + theirs + 1
    _, cell = np.unique(joined, return_inverse=True)
    _, first, size = np.unique(cluster, return_index=True, return_counts=True)
    mixed = np.bincount(cluster, weights=cell != cell[first][cluster]) > 0
    keys = np.where(mixed, -1 - np.arange(len(size)), cell[first] * (len(cell) + 1) + size)
    kinds, kind, weights = np.unique(keys, return_inverse=True, return_counts=True)

    def per_kind(predictions: Integers) -> Floats:
        totals = counts(
            metric, labels, predictions, classes=classes, positive=positive, group=kind[cluster], groups=len(kinds)
        )
        return np.asarray(totals / weights[:, None])

    return Additive(metric, kind, weights, per_kind(own), per_kind(theirs))


def of_losses(metric: str, labels: Values, predictions: tuple[Floats, Floats], cluster: NDArray[np.intp]) -> Additive:
    """Return the pair for a metric of probabilities or numbers.

    predictions: of both models, probabilities of shape (n, k) or numbers of shape (n,). cluster: shape (n,), 0..u-1.
    """
    own, theirs = (_per_cluster(losses(metric, labels, each), cluster) for each in predictions)
    return Additive(metric, np.arange(len(own)), np.ones(len(own), np.int64), own, theirs)


def _per_cluster(per_row: Floats, cluster: NDArray[np.intp]) -> Floats:
    return np.column_stack([np.bincount(cluster, weights=column) for column in per_row.T])


def _moved(rng: np.random.Generator, draws: int, weights: Integers, swing: Floats) -> Floats:
    """Return what one model gives to the other if each cluster swaps with probability 1/2: shape (draws, s)."""
    counted = swing.any(axis=1)
    weights, swing = weights[counted], swing[counted]
    single = weights == 1
    moved = coin_sums(rng, draws, swing[single])
    if not single.all():
        many, of_many = weights[~single], swing[~single]
        for start, step in draws_in_chunks(draws, max(len(many), 1)):
            # Of w clusters with the same swing, Binomial(w, 1/2) swap: w coins in one throw.
            thrown = rng.binomial(many, 0.5, size=(step, len(many))).astype(np.float64)
            moved[start : start + step] += thrown @ of_many
    return moved
