"""Compares two models on the same rows, by the metric that a spec names."""

import hashlib
from dataclasses import dataclass
from math import isfinite
from statistics import NormalDist

import numpy as np

from retrain.metrics import Codes, Needs, code, described
from retrain.resampling import (
    TIE,
    Ranked,
    Resampled,
    Scored,
    bootstrap_p,
    draws_for,
    interval,
    of_labels,
    of_losses,
    permutation_p,
)
from retrain.scores import Answers, Scorers, Scores, Values
from retrain.spec import Gate, Measured

Interval = tuple[float, float] | None

_BOOTSTRAP_DRAWS = 2_000
"""At least; where each row has a loss of its own, one draw costs as much as hundreds of permutations."""


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

    def shown(self, threshold: float, alpha: float) -> bool:
        """Whether the gain exceeds the threshold beyond chance. Of the same answers nothing is shown."""
        return not self.alike and self.gain > threshold + TIE and self.p_value < alpha


def figure(
    about: Measured, answers: Answers | None, *, labels: Values, classes: tuple[str, ...], scorers: Scorers
) -> float | None:
    """One model's metric; None where it is undefined, or the model does not give what it needs."""
    if answers is None:
        return None
    every = np.arange(len(labels))
    pair = _pair(about, answers, answers, labels=labels, classes=classes, clusters=every, scorers=scorers)
    own = pair.observed()[0] if pair else float("nan")
    return own if isfinite(own) else None


def figure_of(scores: Scores, about: Measured, answers: Answers | None) -> float | None:
    """The same on the holdout."""
    return figure(about, answers, labels=scores.labels, classes=scores.classes, scorers=scores.scorers)


def compare(scores: Scores, gate: Gate, other: Answers | None, alpha: float) -> Comparison | None:
    """The challenger against another model, at level alpha; None where the metric of one is undefined."""
    if scores.challenger is None or other is None:
        return None
    pair = _pair_of(scores, gate, scores.challenger, other)
    own, theirs = pair.observed() if pair else (float("nan"), float("nan"))
    if pair is None or not (isfinite(own) and isfinite(theirs)):
        return None
    rng, sign, alike = _dice(scores.trial.id), described(gate.metric).sign, pair.alike()
    drawn = pair.bootstrapped(rng, draws_for(pair, alpha, _BOOTSTRAP_DRAWS) if gate.threshold else _BOOTSTRAP_DRAWS)
    gains = sign * (drawn[0] - drawn[1])
    if gate.threshold:
        p_value, spread = bootstrap_p(gains, gate.threshold), float(np.nanstd(gains))
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
        smallest_gain=seen if spread > TIE else None,
    )


@dataclass(frozen=True)
class Loss:
    """What a challenger loses on a slice."""

    own: float
    theirs: float
    interval: Interval
    shown: bool
    """Whether it is more than the margin beyond chance."""


def loss(scores: Scores, gate: Gate, margin: float, alpha: float) -> Loss | None:
    """Against Production, on all rows of `scores`; None where the metric of one is undefined."""
    if scores.challenger is None or scores.production is None:
        return None
    pair = _pair_of(scores, gate, scores.challenger, scores.production)
    own, theirs = pair.observed() if pair else (float("nan"), float("nan"))
    if pair is None or not (isfinite(own) and isfinite(theirs)):
        return None
    drawn = pair.bootstrapped(_dice(scores.trial.id), draws_for(pair, alpha, _BOOTSTRAP_DRAWS))
    losses = described(gate.metric).sign * (drawn[1] - drawn[0])
    p_value = bootstrap_p(losses[np.isfinite(losses)], margin)
    return Loss(own=own, theirs=theirs, interval=interval(drawn[0] - drawn[1]), shown=p_value < alpha)


def _pair_of(scores: Scores, about: Measured, own: Answers, theirs: Answers) -> Resampled | None:
    return _pair(
        about,
        own,
        theirs,
        labels=scores.labels,
        classes=scores.classes,
        clusters=scores.clusters,
        scorers=scores.scorers,
    )


def _pair(
    about: Measured,
    own: Answers,
    theirs: Answers,
    *,
    labels: Values,
    classes: tuple[str, ...],
    clusters: Codes,
    scorers: Scorers,
) -> Resampled | None:
    """The two as this metric wants them; None where one does not give what it needs, or anything is not finite."""
    metric, needs = about.metric, described(about.metric).needs
    first, second = _given(needs, own), _given(needs, theirs)
    if first is None or second is None or not (len(labels) and _finite(labels, first, second)):
        return None
    _, cluster = np.unique(clusters, return_inverse=True)
    if needs == "anything":
        scorer = scorers.get(metric)
        return None if scorer is None else Scored(scorer, labels, own, theirs, cluster)
    positive = code(about.positive, classes)
    if needs == "labels":
        codes = (labels.astype(np.int64), first.astype(np.int64), second.astype(np.int64))
        return of_labels(metric, codes, cluster, classes=len(classes), positive=positive)
    numbers = (first.astype(np.float64), second.astype(np.float64))
    if needs == "scores":
        return Ranked.of(metric, labels == positive, *numbers, cluster)
    return of_losses(metric, labels, numbers, cluster)


def _given(needs: Needs, answers: Answers) -> Values | None:
    if needs == "scores":
        return answers.scores
    return answers.probabilities if needs == "probabilities" else answers.labels


def _finite(*values: Values) -> bool:
    return all(bool(np.isfinite(each.astype(np.float64)).all()) for each in values)


def _dice(text: str) -> np.random.Generator:
    """The same verdict for the same trial, whoever computes it."""
    return np.random.default_rng(int.from_bytes(hashlib.sha256(text.encode()).digest()[:8], "big"))
