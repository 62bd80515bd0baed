"""An estimate of the gate's metric on rows that have no labels yet: never a measurement, and no ground of a promotion.

Confidence-based performance estimation (Kivimäki, Białek, Kuberski and Nurminen 2025, arXiv:2505.05295): where
probabilities are right, labels drawn from them give the metric as the true labels will. They are made right on the
verdict's holdout, by isotonic regression, class by class (Zadrozny and Elkan 2002). That is a little too sure of
itself: it finds order in what was chance on the holdout. So what it says of the holdout is compared with the labels
that are known there, and the difference is taken off.

It follows a change in which rows come, as long as each kind of row has the labels that it had (covariate shift). It
misses a change of the labels themselves (concept drift): then the model is as sure as before, and less often right.
"""

import hashlib
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from sklearn.isotonic import IsotonicRegression

from retrain.gate.additive import counts, value
from retrain.gate.comparison import metric_value, probabilities_of
from retrain.gate.labels import Floats, Integers
from retrain.gate.predictions import Predictions
from retrain.gate.significance import interval
from retrain.labels import code
from retrain.metrics import described
from retrain.spec.gate import Measured

RESAMPLES = 50
"""Resamples of the holdout: how sure the calibration is."""
DRAWS = 400
"""Draws of the labels."""
_AGAIN = 4
"""Draws of the holdout's labels for each resample."""
_ESTIMATED = ("labels", "scores", "probabilities")
"""What a metric may need to be estimated: a regression has no probabilities, and a scorer may ask for anything."""


@dataclass(frozen=True)
class _Steps:
    """A function that rises from 0 to 1, by its corners."""

    at: Floats
    value: Floats

    def __call__(self, scores: Floats) -> Floats:
        found: Floats = np.interp(scores, self.at, self.value)
        return found


@dataclass(frozen=True, eq=False)
class Calibration:
    """What a model's scores were worth on the holdout."""

    classes: tuple[str, ...]
    columns: tuple[int, ...]
    """Label codes of the classes that have a function: of two classes, one."""
    fits: tuple[tuple[_Steps, ...], ...]
    """Functions of each resample of the holdout."""
    labels: Integers
    """Of the holdout, shape (n,)."""
    predictions: Predictions
    """For the holdout."""

    def probabilities(self, resample: int, scores: Floats) -> Floats:
        """Return calibrated probabilities, shape (n, k). scores: shape (n, columns)."""
        found = np.column_stack([fit(scores[:, place]) for place, fit in enumerate(self.fits[resample])])
        if len(self.columns) == 1:
            column = self.columns[0]
            found = np.column_stack([1 - found, found] if column else [found, 1 - found])
        total = found.sum(axis=1, keepdims=True)
        known: Floats = np.divide(found, total, out=np.full_like(found, 1 / found.shape[1]), where=total > 0)
        return known


@dataclass(frozen=True)
class Estimate:
    value: float
    interval: tuple[float, float]
    """Where the metric will be in 95 of 100 cases, once the labels are there, unless these have changed."""
    rows: int


def calibrate(
    labels: Integers,
    classes: tuple[str, ...],
    predictions: Predictions,
    clusters: Integers,
    *,
    seed: str,
    resamples: int = RESAMPLES,
) -> Calibration | None:
    """Return what the model's scores are worth on a holdout; None without scores, or with labels of one class alone.

    labels: label codes of `classes`, shape (n,). clusters: shape (n,); whole clusters are resampled. seed: the same
    text gives the same calibration.
    """
    columns = _columns(classes, predictions)
    scores = _scores(columns, predictions)
    if scores is None or len(np.unique(labels)) < 2:
        return None
    rng = _generator(f"{seed} holdout")
    _, cluster = np.unique(clusters, return_inverse=True)
    count = int(cluster.max()) + 1
    fits = list[tuple[_Steps, ...]]()
    for _ in range(resamples):
        weights = np.bincount(rng.integers(0, count, size=count), minlength=count)[cluster].astype(np.float64)
        fits.append(
            tuple(_fit(scores[:, place], labels == column, weights, rng) for place, column in enumerate(columns))
        )
    return Calibration(classes, columns, tuple(fits), labels, predictions)


def estimate(
    about: Measured,
    calibration: Calibration,
    predictions: Predictions,
    clusters: Integers,
    *,
    seed: str,
    draws: int = DRAWS,
) -> Estimate | None:
    """Return what the metric may be on rows without labels; None where it is not estimated, or mostly undefined.

    predictions: among the calibration's classes. clusters: shape (n,); the labels of a cluster are drawn together, as
    they may be wrong together. Its time grows with rows times draws.
    """
    if described(about.metric).needs not in _ESTIMATED or not len(predictions.labels):
        return None
    rng = _generator(f"{seed} labels")
    known = metric_value(
        about, calibration.predictions, labels=calibration.labels, classes=calibration.classes, scorers={}
    )
    every = np.arange(len(calibration.labels))
    again = _drawn(about, calibration, calibration.predictions, every, rng=rng, draws=_AGAIN * len(calibration.fits))
    values = _drawn(about, calibration, predictions, clusters, rng=rng, draws=draws)
    if known is None or again is None or values is None:
        return None
    values = _within(about, values - again.mean() + known)
    ends = interval(values)
    return None if ends is None else Estimate(float(values.mean()), ends, len(predictions.labels))


def _drawn(
    about: Measured,
    calibration: Calibration,
    predictions: Predictions,
    clusters: Integers,
    *,
    rng: np.random.Generator,
    draws: int,
) -> Floats | None:
    """Return the metric for labels drawn from the calibrated probabilities: as often from each resample's.

    None where most draws are undefined.
    """
    scores = _scores(calibration.columns, predictions)
    if scores is None:
        return None
    _, cluster = np.unique(clusters, return_inverse=True)
    count, values = int(cluster.max()) + 1, list[float]()
    for resample, fits in enumerate(np.array_split(np.arange(draws), len(calibration.fits))):
        if not len(fits):
            continue
        below = calibration.probabilities(resample, scores).cumsum(axis=1)[:, :-1]
        for _ in fits:
            labels = (rng.random(count)[cluster, None] >= below).sum(axis=1)
            values.append(_value(about, predictions, labels, calibration.classes))
    finite = np.array(values)[np.isfinite(values)]
    return finite if 2 * len(finite) > draws else None


def _value(about: Measured, predictions: Predictions, labels: Integers, classes: tuple[str, ...]) -> float:
    """Return the metric; NaN where it is undefined. One of labels is counted here, without pairs: ten times as fast."""
    if described(about.metric).needs != "labels":
        found = metric_value(about, predictions, labels=labels, classes=classes, scorers={})
        return float("nan") if found is None else found
    total = counts(
        about.metric,
        labels,
        predictions.labels.astype(np.int64),
        classes=len(classes),
        positive=code(about.positive, classes),
        group=np.zeros(len(labels), np.int64),
        groups=1,
    )
    return float(value(about.metric, total)[0])


def _within(about: Measured, values: Floats) -> Floats:
    """Return the values within what the metric can be: a loss may be above 1."""
    clipped: Floats = np.clip(values, 0, 1 if described(about.metric).in_points else None)
    return clipped


def _columns(classes: tuple[str, ...], predictions: Predictions) -> tuple[int, ...]:
    if len(classes) != 2:
        return tuple(range(len(classes)))
    return (1 if predictions.probabilities is not None or predictions.positive is None else predictions.positive,)


def _scores(columns: Sequence[int], predictions: Predictions) -> Floats | None:
    """Return the score of each class that has a function, shape (n, columns); of two classes, margins will do."""
    table = probabilities_of(predictions)
    if table is not None:
        chosen: Floats = table[:, list(columns)]
        return chosen
    margins = predictions.scores
    if predictions.probabilities is not None or margins is None or len(columns) != 1 or not np.isfinite(margins).all():
        return None
    return margins[:, None]


def _fit(scores: Floats, hits: NDArray[np.bool_], weights: Floats, rng: np.random.Generator) -> _Steps:
    # A hundred rows without an error do not show that there will never be one: so a row more at each end has the label
    # that is least expected there, with a weight of 1 on average.
    ends = [scores.min(), scores.max()]
    fitted = IsotonicRegression(y_min=0, y_max=1).fit(
        np.concatenate([scores, ends]),
        np.concatenate([hits, [True, False]]),
        sample_weight=np.concatenate([weights, rng.exponential(size=2)]),
    )
    return _Steps(np.asarray(fitted.X_thresholds_, np.float64), np.asarray(fitted.y_thresholds_, np.float64))


def _generator(text: str) -> np.random.Generator:
    return np.random.default_rng(int.from_bytes(hashlib.sha256(text.encode()).digest()[:8], "big"))
