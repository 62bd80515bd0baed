"""Compares two models on the same rows, by the metric that a spec names."""

import hashlib
from dataclasses import dataclass
from math import isfinite
from statistics import NormalDist

import numpy as np

from retrain.gate.additive import of_labels, of_losses
from retrain.gate.labels import Codes, Floats, Values, code
from retrain.gate.predictions import Evidence, Predictions, Scorers
from retrain.gate.ranked import Ranked
from retrain.gate.scorers import Scored
from retrain.gate.significance import Resampled, bootstrap_p, draws_for, interval, permutation_p, tie
from retrain.metrics import Needs, described
from retrain.spec.gate import Gate, Measured

Interval = tuple[float, float] | None

_INTERVAL_DRAWS = 2_000
"""Also for p, at least: where each row has a loss of its own, a draw costs as much as a hundred permutations."""
_SLACK = 1e-3
"""How far probabilities may be from a sum of 1: those of 32 bits are rounded."""


@dataclass(frozen=True)
class Comparison:
    """A challenger against another model. Scores are raw; a gain is a difference for the better."""

    own: float
    theirs: float
    gain: float
    alike: bool
    """No answer differs that counts for the metric."""
    p_value: float
    interval: Interval
    """95%, of the difference."""
    own_interval: Interval
    theirs_interval: Interval
    smallest_gain: float | None
    """The one that a z-test of the resamples' spread sees in 4 of 5 cases."""

    @property
    def slack(self) -> float:
        """A smaller gain is none."""
        return tie(self.own, self.theirs)

    def shown(self, threshold: float, alpha: float) -> bool:
        """Whether the gain exceeds the threshold beyond chance. Of the same answers nothing is shown."""
        return not self.alike and self.gain > threshold + self.slack and self.p_value < alpha


def figure(
    about: Measured, answers: Predictions | None, *, labels: Values, classes: tuple[str, ...], scorers: Scorers
) -> float | None:
    """One model's metric; None where it is undefined, or the model does not give what it needs."""
    if answers is None:
        return None
    every = np.arange(len(labels))
    pair = _pair(about, answers, answers, labels=labels, classes=classes, clusters=every, scorers=scorers)
    own = pair.observed()[0] if pair else float("nan")
    return own if isfinite(own) else None


def figure_of(scores: Evidence, about: Measured, answers: Predictions | None) -> float | None:
    """The same on the holdout."""
    return figure(about, answers, labels=scores.labels, classes=scores.classes, scorers=scores.scorers)


def compare(scores: Evidence, gate: Gate, other: Predictions | None, alpha: float) -> Comparison | None:
    """The challenger against another model, at level alpha; None where the metric of one is undefined."""
    measured = _measured(scores, gate, other)
    if measured is None:
        return None
    pair, own, theirs = measured
    rng, sign, alike = _dice(scores.matchup.id), described(gate.metric).sign, pair.alike()
    drawn = pair.bootstrapped(rng, draws_for(pair, alpha, _INTERVAL_DRAWS) if gate.threshold else _INTERVAL_DRAWS)
    gains, slack = sign * (drawn[0] - drawn[1]), tie(own, theirs)
    if gate.threshold:
        p_value, spread = bootstrap_p(gains, gate.threshold, slack), float(np.nanstd(gains))
    elif alike:
        p_value, spread = 1.0, 0.0
    else:
        p_value, spread = permutation_p(pair, sign, alpha, rng)
    seen = gate.threshold + (NormalDist().inv_cdf(0.8) - NormalDist().inv_cdf(alpha)) * spread
    return Comparison(
        own=own,
        theirs=theirs,
        gain=sign * (own - theirs),
        alike=alike,
        p_value=p_value,
        interval=interval(drawn[0] - drawn[1]),
        own_interval=interval(drawn[0]),
        theirs_interval=interval(drawn[1]),
        smallest_gain=seen if spread > slack else None,
    )


@dataclass(frozen=True)
class Loss:
    """What a challenger loses on a slice."""

    own: float
    theirs: float
    interval: Interval
    shown: bool
    """Whether it is more than the margin beyond chance."""


def loss(scores: Evidence, gate: Gate, margin: float, alpha: float) -> Loss | None:
    """Against Production, on all rows of `scores`; None where the metric of one is undefined."""
    measured = _measured(scores, gate, scores.production)
    if measured is None:
        return None
    pair, own, theirs = measured
    drawn = pair.bootstrapped(_dice(scores.matchup.id), draws_for(pair, alpha, _INTERVAL_DRAWS))
    losses = described(gate.metric).sign * (drawn[1] - drawn[0])
    p_value = bootstrap_p(losses[np.isfinite(losses)], margin, tie(own, theirs))
    return Loss(own=own, theirs=theirs, interval=interval(drawn[0] - drawn[1]), shown=p_value < alpha)


def _measured(scores: Evidence, gate: Gate, other: Predictions | None) -> tuple[Resampled, float, float] | None:
    """The challenger and the other, and the metric of each; None where one is undefined."""
    if scores.challenger is None or other is None:
        return None
    pair = _pair(
        gate,
        scores.challenger,
        other,
        labels=scores.labels,
        classes=scores.classes,
        clusters=scores.clusters,
        scorers=scores.scorers,
    )
    own, theirs = pair.observed() if pair else (float("nan"), float("nan"))
    return (pair, own, theirs) if pair and isfinite(own) and isfinite(theirs) else None


def _pair(
    about: Measured,
    own: Predictions,
    theirs: Predictions,
    *,
    labels: Values,
    classes: tuple[str, ...],
    clusters: Codes,
    scorers: Scorers,
) -> Resampled | None:
    """The two as this metric wants them; None where one does not give what it needs, or anything is not finite."""
    metric, needs, positive = about.metric, described(about.metric).needs, code(about.positive, classes)
    first, second = (_given(needs, each, positive, classes) for each in (own, theirs))
    if first is None or second is None or not (len(labels) and _finite(labels, first, second)):
        return None
    _, cluster = np.unique(clusters, return_inverse=True)
    if needs == "anything":
        scorer = scorers.get(metric)
        return None if scorer is None else Scored(scorer, labels, own, theirs, cluster)
    if needs == "labels":
        codes = (labels.astype(np.int64), first.astype(np.int64), second.astype(np.int64))
        return of_labels(metric, codes, cluster, classes=len(classes), positive=positive)
    numbers = (first.astype(np.float64), second.astype(np.float64))
    if needs == "scores":
        return Ranked.of(metric, labels == positive, *numbers, cluster)
    return of_losses(metric, labels, numbers, cluster)


def _given(needs: Needs, answers: Predictions, positive: int | None, classes: tuple[str, ...]) -> Values | None:
    if needs == "scores":
        return _scores_of(answers, positive, classes)
    return probabilities_of(answers) if needs == "probabilities" else answers.labels


def probabilities_of(answers: Predictions) -> Floats | None:
    """Shape (n, k); None where a row has none, or something else: 1 for each class would have no loss at all."""
    table = answers.probabilities
    if table is None or not _finite(table) or (table < -_SLACK).any():
        return None
    return table if (np.abs(table.sum(axis=1) - 1) <= _SLACK).all() else None


def _scores_of(answers: Predictions, positive: int | None, classes: tuple[str, ...]) -> Floats | None:
    """Of this class, which for a limit may be another one than the gate's."""
    if answers.positive in (None, positive) and answers.scores is not None:
        return answers.scores
    if positive is None:
        return None
    if answers.probabilities is not None:
        column: Floats = answers.probabilities[:, positive]
        return column if column.any() else None  # the model does not know the class
    return -answers.scores if answers.scores is not None and len(classes) == 2 else None


def _finite(*values: Values) -> bool:
    try:
        return all(bool(np.isfinite(each.astype(np.float64)).all()) for each in values)
    except (TypeError, ValueError):  # no numbers
        return False


def _dice(text: str) -> np.random.Generator:
    """The same verdict for the same trial, whoever computes it."""
    return np.random.default_rng(int.from_bytes(hashlib.sha256(text.encode()).digest()[:8], "big"))
