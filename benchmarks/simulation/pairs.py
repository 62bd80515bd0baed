"""Labels and the predictions of two models, drawn so that it is known exactly how much better one of them is."""

from collections.abc import Callable
from dataclasses import dataclass
from functools import cache

import numpy as np
from numpy.typing import NDArray
from scipy.optimize import brentq
from scipy.stats import norm

from retrain.gate.predictions import Predictions

CLASSES = ("no", "yes")
FINDS, FALSE_ALARMS = (0.6, 0.8), (0.2, 0.6)
"""Two models with equal F1, each as a share of the positive rows: the cautious one, the other one."""
INPUTS = {"x": "double"}
POSITIVES, WRONG, DIFFERENT = 0.4, 0.2, 0.06
"""Shares of the rows: of class `yes`, with a wrong prediction by the worse model, with one wrong prediction of two."""
LOGIT_ERROR = 1.0
"""Standard deviation of the worse model's error in the logit."""

Array = NDArray[np.generic]
Pair = tuple[Array, Predictions, Predictions]
"""Labels, challenger, Production; each of shape (rows,)."""


@dataclass(frozen=True)
class Kind:
    """A kind of metric, and pairs of models of which the first is better by an exact amount."""

    gate: dict[str, object]
    better: Callable[[np.random.Generator, int, float], Pair]
    """rng, rows, gain of at least 0: labels, the better model, the other one."""

    def draw(self, rng: np.random.Generator, rows: int, gain: float) -> Pair:
        labels, one, other = self.better(rng, rows, abs(gain))
        return (labels, one, other) if gain >= 0 else (labels, other, one)


def of_labels(labels: Array) -> Predictions:
    return Predictions(labels, inputs=INPUTS)


def differing_labels(rng: np.random.Generator, rows: int, gain: float) -> Pair:
    """Two models that differ on 6% of the rows; the other one is wrong on 20%."""
    only_one, only_other, both = _shares_wrong(gain)
    labels = (rng.random(rows) < POSITIVES).astype(np.int64)
    draw = rng.random(rows)
    wrong_both = draw < both
    wrong_one = wrong_both | ((draw >= both) & (draw < both + only_one))
    wrong_other = wrong_both | ((draw >= both + only_one) & (draw < both + only_one + only_other))
    return labels, of_labels(labels ^ wrong_one), of_labels(labels ^ wrong_other)


@cache
def _shares_wrong(gain: float) -> tuple[float, float, float]:
    """Shares of rows where only the better one is wrong, only the other, both: their macro F1 differs by `gain`."""

    def macro_f1(wrong: float) -> float:
        # The F1 of a class with share s, where a share w of its rows and of the other rows is wrong, is
        # 2 s (1 - w) / (2 s (1 - w) + w).
        hits = [2 * share * (1 - wrong) for share in (POSITIVES, 1 - POSITIVES)]
        return sum(each / (each + wrong) for each in hits) / 2

    fewer = WRONG - brentq(lambda wrong: macro_f1(wrong) - macro_f1(WRONG) - gain, 1e-6, WRONG)
    only_one, only_other = (DIFFERENT - fewer) / 2, (DIFFERENT + fewer) / 2
    return only_one, only_other, WRONG - only_other


def _ranks(rng: np.random.Generator, rows: int, gain: float) -> Pair:
    """Two normal scores with correlation 0.9; the other one has an AUC of 0.85; 40% of the rows are positive."""
    labels = (rng.random(rows) < POSITIVES).astype(np.int64)
    shared = rng.normal(size=rows)
    scores = [
        labels * np.sqrt(2) * norm.ppf(auc) + np.sqrt(0.9) * shared + np.sqrt(0.1) * rng.normal(size=rows)
        for auc in (0.85 + gain, 0.85)
    ]
    one, other = (Predictions((each > 1).astype(np.int64), scores=each, inputs=INPUTS) for each in scores)
    return labels, one, other


def _probabilities(rng: np.random.Generator, rows: int, gain: float) -> Pair:
    """Two models with a normal error in the logit, which is normal too; they share half of the error's variance."""
    logit, shared = 2 * rng.normal(size=rows), rng.normal(size=rows)
    labels = (rng.random(rows) < _sigmoid(logit)).astype(np.int64)

    def predictions(error: float) -> Predictions:
        yes = _sigmoid(logit + error * np.sqrt(0.5) * (shared + rng.normal(size=rows)))
        return Predictions((yes > 0.5).astype(np.int64), probabilities=np.column_stack([1 - yes, yes]), inputs=INPUTS)

    return labels, predictions(_logit_error(gain)), predictions(LOGIT_ERROR)


@cache
def _logit_error(gain: float) -> float:
    """Return the standard deviation of the error that makes the log loss smaller by `gain`.

    With t the logit and e the error the loss is softplus(t + e) - sigmoid(t) (t + e). In the mean only its first term
    depends on the size of e: the softplus of a normal variable with variance 4 + that of e.
    """
    nodes, weights = np.polynomial.hermite_e.hermegauss(120)

    def softplus(error: float) -> float:
        return float(weights @ np.logaddexp(0, nodes * np.sqrt(4 + error**2)) / weights.sum())

    return float(brentq(lambda error: softplus(LOGIT_ERROR) - softplus(error) - gain, 0, LOGIT_ERROR))


def _numbers(rng: np.random.Generator, rows: int, gain: float) -> Pair:
    """Two models with normal errors, correlation 0.8; each row has a log-normal error size; the other's RMSE is 1."""
    truth, size, shared = 3 * rng.normal(size=rows), np.exp(0.5 * rng.normal(size=rows) - 0.25), rng.normal(size=rows)
    errors = [size * (np.sqrt(0.8) * shared + np.sqrt(0.2) * rng.normal(size=rows)) for _ in range(2)]
    return truth, of_labels(truth + (1 - gain) * errors[0]), of_labels(truth + errors[1])


def _sigmoid(logit: NDArray[np.float64]) -> NDArray[np.float64]:
    return 1 / (1 + np.exp(-logit))


KINDS = {
    "labels": Kind({"metric": "f1_macro"}, differing_labels),
    "ranks": Kind({"metric": "roc_auc", "positive": "yes"}, _ranks),
    "probabilities": Kind({"metric": "log_loss", "ceiling": 10.0}, _probabilities),
    "numbers": Kind({"metric": "rmse", "ceiling": 10.0}, _numbers),
}


def equally_good(rng: np.random.Generator, labels: Array, production: Predictions) -> Predictions:
    """Another model, exactly as good as Production, which is wrong on 20% of all rows; they differ on 6%."""
    wrong = production.labels != labels
    changes = rng.random(len(labels)) < np.where(wrong, DIFFERENT / 2 / WRONG, DIFFERENT / 2 / (1 - WRONG))
    return of_labels(labels.astype(np.int64) ^ (wrong ^ changes))


def unlike_with_equal_f1(rng: np.random.Generator, rows: int, positives: int) -> Pair:
    """A cautious challenger with exactly Production's F1, on `positives` positive rows and many others.

    With a share s of positive rows: 2 * 0.6 s / (0.8 s + s) = 2 * 0.8 s / (1.4 s + s).
    """
    share = positives / rows
    # Exactly that many: fewer would be INCONCLUSIVE.
    labels, draw = rng.permutation((np.arange(rows) < positives).astype(np.int64)), rng.random(rows)
    challenger, production = (
        of_labels((draw < np.where(labels == 1, finds, alarms * share / (1 - share))).astype(np.int64))
        for finds, alarms in zip(FINDS, FALSE_ALARMS, strict=True)
    )
    return labels, challenger, production
