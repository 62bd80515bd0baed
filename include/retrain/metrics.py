"""Metrics as functions of counts that add up over rows.

A resample then is one matrix product of weights and counts, not a loop over scikit-learn. For each class the counts
are how often it was hit, predicted and actual; the four metrics are two ratios of these:

- recall, hit / actual: over all rows together it is `accuracy`, averaged over the classes `balanced_accuracy`
- F1, 2 hit / (predicted + actual): of one class it is `f1`, averaged over the classes `f1_macro`

An average leaves out a class for which the ratio is 0 / 0, as scikit-learn does: one without a label for recall, one
with neither a label nor a prediction for F1. A prediction of -1 is wrong and belongs to no class, so that a single odd
answer cannot add a class to the average (scikit-learn's figure with `labels=` the classes that are present).
"""

import numpy as np
from numpy.typing import ArrayLike, NDArray

from retrain.spec import Metric

Codes = NDArray[np.int64]
Floats = NDArray[np.float64]


def counts(
    metric: Metric, labels: Codes, predictions: Codes, *, classes: int, positive: int | None, group: Codes, groups: int
) -> Floats:
    """What `value` needs of each group of rows: hit, predicted and actual. Shape (groups, 3, k).

    `labels`, `predictions` and `group` have shape (n,); `group` is in 0..groups-1. `k` is 1 for accuracy (all classes
    together), 1 for f1 (`positive`; 0 where that is None) and `classes` otherwise.
    """

    def tally(codes: Codes, rows: NDArray[np.bool_]) -> NDArray[np.intp]:
        places = group[rows] * classes + codes[rows]
        return np.bincount(places, minlength=groups * classes).reshape(groups, classes)

    every = np.ones(len(labels), dtype=np.bool_)
    tallies = (tally(labels, labels == predictions), tally(predictions, predictions >= 0), tally(labels, every))
    per_class: Floats = np.stack(tallies, axis=1).astype(np.float64)
    if metric == "accuracy":
        return np.asarray(per_class.sum(axis=2, keepdims=True))
    if metric == "f1":
        return per_class[:, :, [] if positive is None else [positive]]
    return per_class


def value(metric: Metric, totals: Floats) -> Floats:
    """The metric of each sum of `counts`: shape (..., 3, k) to shape (...). NaN where no class defines it."""
    hit, predicted, actual = np.moveaxis(totals, -2, 0)
    if metric in ("f1", "f1_macro"):
        above, below = 2 * hit, predicted + actual
    else:
        above, below = hit, actual
    defined = below > 0
    ratios: Floats = np.divide(above, below, out=np.zeros_like(below), where=defined)
    terms = defined.sum(axis=-1)
    mean: Floats = np.divide(ratios.sum(axis=-1), terms, out=np.full(terms.shape, np.nan), where=terms > 0)
    return mean


def score(metric: Metric, labels: Codes, predictions: Codes, classes: int, positive: int | None) -> float:
    """The metric of one set of predictions, in 0..1, equal to scikit-learn's; NaN where it is undefined.

    `labels` and `predictions` are codes of shape (n,) in 0..classes-1; a prediction may be -1 (see above). Undefined is
    every metric of no rows, and `f1` of a class that was neither a label nor predicted (scikit-learn warns and says 0).
    Raises ValueError where the shapes differ or a code is out of range.
    """
    check_codes(labels, predictions, classes)
    group = np.zeros(len(labels), dtype=np.int64)
    totals = counts(metric, labels, predictions, classes=classes, positive=positive, group=group, groups=1)
    return float(value(metric, totals)[0])


def check_codes(labels: Codes, predictions: Codes, classes: int) -> None:
    """Raises ValueError unless both have shape (n,) and hold codes below `classes`, from 0 (a prediction from -1)."""
    if labels.ndim != 1 or labels.shape != predictions.shape:
        raise ValueError(f"labels of shape {labels.shape} and predictions of shape {predictions.shape} are no pairs")
    for name, codes, least in (("labels", labels, 0), ("predictions", predictions, -1)):
        if codes.size and not (least <= codes.min() and codes.max() < classes):
            raise ValueError(f"{name} hold {codes.min()}..{codes.max()}; codes are {least}..{classes - 1}")


def classes(labels: ArrayLike) -> tuple[str, ...]:
    """The classes that occur, as text, in order: the position of each is its code."""
    return tuple(str(each) for each in np.unique(_text(labels)))


def code(label: str | int | None, classes: tuple[str, ...]) -> int | None:
    """The code of one class; None where it does not occur."""
    return classes.index(str(label)) if str(label) in classes and label is not None else None


def encode(values: ArrayLike, classes: tuple[str, ...]) -> Codes:
    """The code of each value, -1 where it is none of the classes. Shape (n,) to shape (n,)."""
    known = np.asarray(classes, dtype=np.str_)
    texts = _text(values)
    if not len(known):
        return np.full(len(texts), -1, np.int64)
    slot = np.searchsorted(known, texts).clip(max=len(known) - 1)
    return np.where(known[slot] == texts, slot, -1).astype(np.int64)


def _text(values: ArrayLike) -> NDArray[np.str_]:
    # By way of object: numpy turns a float array into text with fewer digits than str() of each
    return np.asarray(values, dtype=object).astype(np.str_)
