"""Comparison of two models on the same rows, by the metric that a spec names."""

import hashlib
from dataclasses import dataclass
from math import ceil, isfinite
from statistics import NormalDist

import numpy as np

from retrain.gate.additive import of_labels, of_losses
from retrain.gate.labels import Floats, Integers, Values
from retrain.gate.predictions import Evidence, Predictions, Scorers
from retrain.gate.ranked import Ranked, is_slow
from retrain.gate.scorers import Scored
from retrain.gate.significance import Resampled, bootstrap_p, draws_at, draws_for, interval, permutation_p, tie
from retrain.gate.swaps import Swaps
from retrain.labels import code
from retrain.metrics import Needs, described
from retrain.spec.gate import Gate, Measured

Interval = tuple[float, float] | None

_INTERVAL_DRAWS = 2_000
"""Also the least for p: where each row has a loss of its own, a draw costs as much as a hundred permutations."""
_SLACK = 1e-3
"""How far probabilities may be from a sum of 1: those of 32 bits are rounded."""


@dataclass(frozen=True)
class Comparison:
    """A challenger against another model. Scores are raw; a gain is a difference for the better."""

    own: float
    theirs: float
    gain: float
    alike: bool
    """Whether the two agree in every prediction that counts for the metric."""
    p_value: float
    interval: Interval
    """95% interval of the difference."""
    own_interval: Interval
    theirs_interval: Interval
    sign: int
    """1 where greater is better, else -1."""
    spread: float
    """Standard deviation of the difference over the resamples."""
    threshold: float
    """What the gain must exceed; below 0 in a proof of non-inferiority."""
    alpha: float
    """The bound for p."""

    @property
    def slack(self) -> float:
        """A smaller gain counts as a tie."""
        return tie(self.own, self.theirs)

    @property
    def shown(self) -> bool:
        """Whether the gain exceeds the threshold beyond chance. Equal predictions show nothing."""
        return not self.alike and self.gain > self.threshold + self.slack and self.p_value < self.alpha

    def below(self, bound: float) -> bool:
        """Return whether the whole 95% interval of the gain is below this."""
        return self.interval is not None and max(self.sign * end for end in self.interval) < bound

    @property
    def smallest_gain(self) -> float | None:
        """The gain that a z-test with the resamples' spread sees in 4 of 5 cases."""
        return self.threshold + _in_4_of_5(self.alpha) * self.spread if self.spread > self.slack else None

    def rows_needed(self, rows: int, alpha: float) -> int | None:
        """Return how many rows would show this gain in 4 of 5 cases at level alpha; None where no number would.

        rows: how many it was measured on.
        """
        beyond = self.gain - self.threshold
        if self.alike or beyond <= self.slack or self.spread <= self.slack:
            return None
        return ceil(rows * (_in_4_of_5(alpha) * self.spread / beyond) ** 2)


def metric_value(
    about: Measured, predictions: Predictions | None, *, labels: Values, classes: tuple[str, ...], scorers: Scorers
) -> float | None:
    """Return one model's metric; None where it is undefined, or the model does not give what it needs."""
    if predictions is None:
        return None
    every = np.arange(len(labels))
    pair = _pair(about, predictions, predictions, labels=labels, classes=classes, clusters=every, scorers=scorers)
    own = pair.observed()[0] if pair else float("nan")
    return own if isfinite(own) else None


@dataclass(frozen=True)
class Alone:
    """One model's metric on some rows, and how far it may be chance."""

    value: float
    error: float
    """Standard error, from the bootstrap of whole clusters; NaN without draws."""
    interval: Interval
    """95% interval."""


def alone(
    about: Measured,
    predictions: Predictions,
    *,
    labels: Values,
    classes: tuple[str, ...],
    clusters: Integers,
    scorers: Scorers,
    seed: str,
    draws: int = _INTERVAL_DRAWS,
) -> Alone | None:
    """Return one model's metric; None where it is undefined, or the model does not give what it needs.

    seed: the same text gives the same draws.
    """
    pair = _pair(about, predictions, predictions, labels=labels, classes=classes, clusters=clusters, scorers=scorers)
    value = pair.observed()[0] if pair else float("nan")
    if pair is None or not isfinite(value):
        return None
    drawn = pair.bootstrapped(_generator(seed), draws)[0] if draws else np.empty(0)
    finite = drawn[np.isfinite(drawn)]
    return Alone(value, float(finite.std()) if len(finite) else float("nan"), interval(drawn))


def holdout_value(evidence: Evidence, about: Measured, predictions: Predictions | None) -> float | None:
    """Return one model's metric on the holdout, as `metric_value` does."""
    return metric_value(about, predictions, labels=evidence.labels, classes=evidence.classes, scorers=evidence.scorers)


def interval_of(evidence: Evidence, about: Measured) -> Interval:
    """Return the 95% interval of the challenger's metric on the holdout, where there is nothing to compare it with."""
    if evidence.challenger is None or evidence.production is not None:
        return None
    found = alone(
        about,
        evidence.challenger,
        labels=evidence.labels,
        classes=evidence.classes,
        clusters=evidence.clusters,
        scorers=evidence.scorers,
        seed=evidence.matchup.id,
    )
    return found.interval if found else None


def compare(
    evidence: Evidence, gate: Gate, other: Predictions | None, *, threshold: float, alpha: float
) -> Comparison | None:
    """Compare the challenger with another model; None where the metric of one is undefined.

    threshold: what the gain must exceed. alpha: the bound for p.
    """
    measured = _measured(evidence, gate, other)
    if measured is None:
        return None
    pair, own, theirs = measured
    rng, sign, alike = _generator(evidence.matchup.id), described(gate.metric).sign, pair.alike()
    drawn = pair.bootstrapped(rng, draws_for(pair, alpha, _INTERVAL_DRAWS) if threshold else _INTERVAL_DRAWS)
    gains, slack = sign * (drawn[0] - drawn[1]), tie(own, theirs)
    if threshold:
        p_value, spread = bootstrap_p(gains, threshold, slack), float(np.nanstd(gains))
    elif alike:
        p_value, spread = 1.0, 0.0
    else:
        p_value, spread = permutation_p(pair, sign, alpha, rng)
    return Comparison(
        own=own,
        theirs=theirs,
        gain=sign * (own - theirs),
        alike=alike,
        p_value=p_value,
        interval=interval(drawn[0] - drawn[1]),
        own_interval=interval(drawn[0]),
        theirs_interval=interval(drawn[1]),
        sign=sign,
        spread=spread,
        threshold=threshold,
        alpha=alpha,
    )


def _in_4_of_5(alpha: float) -> float:
    """Return how many standard deviations above the threshold a gain is that a z-test shows in 4 of 5 cases."""
    return NormalDist().inv_cdf(0.8) - NormalDist().inv_cdf(alpha)


@dataclass(frozen=True)
class Loss:
    """What a challenger loses on a slice."""

    own: float
    theirs: float
    interval: Interval
    shown: bool
    """Whether the loss exceeds the margin beyond chance."""


def loss(evidence: Evidence, gate: Gate, margin: float, alpha: float) -> Loss | None:
    """Compare the challenger with Production on all rows of `evidence`; None where the metric of one is undefined."""
    measured = _measured(evidence, gate, evidence.production)
    if measured is None:
        return None
    pair, own, theirs = measured
    drawn = pair.bootstrapped(_generator(evidence.matchup.id), draws_for(pair, alpha, _INTERVAL_DRAWS))
    losses = described(gate.metric).sign * (drawn[1] - drawn[0])
    p_value = bootstrap_p(losses[np.isfinite(losses)], margin, tie(own, theirs))
    return Loss(own=own, theirs=theirs, interval=interval(drawn[0] - drawn[1]), shown=p_value < alpha)


@dataclass(frozen=True, eq=False)
class Swapped:
    """A model against another, and what the difference would be by chance, in the draws of one id."""

    own: float
    theirs: float
    gains: Floats
    """How much better the first is, shape (draws + 1,): as they are, and in each draw. NaN where it is undefined."""

    @property
    def slack(self) -> float:
        """A smaller gain counts as a tie."""
        return tie(self.own, self.theirs)


def swap_draws(metric: str, alpha: float) -> int:
    """Return how many draws to take for `swapped`: a multiple of 8, and fewer where one takes milliseconds."""
    needs = described(metric).needs
    slow = needs == "anything" or (needs == "scores" and is_slow(metric))
    return 8 * ceil(draws_at(alpha, slow=slow) / 8)


def swapped(
    id: str,
    about: Measured,
    own: Predictions,
    theirs: Predictions,
    *,
    labels: Values,
    classes: tuple[str, ...],
    clusters: Integers,
    scorers: Scorers,
    draws: int,
) -> Swapped | None:
    """Compare two models on the same n rows, swapping the same clusters in each draw however many rows there are.

    id: of the trial, which seeds the draws. clusters: keys of shape (n,), such as hashes; those of a key swap together.
    Returns None where the metric of one is undefined.
    """
    pair = _pair(about, own, theirs, labels=labels, classes=classes, clusters=clusters, scorers=scorers)
    first, second = pair.observed() if pair else (float("nan"), float("nan"))
    if pair is None or not (isfinite(first) and isfinite(second)):
        return None
    differences = pair.swapped(Swaps(id, np.unique(clusters), draws))
    sign = described(about.metric).sign
    return Swapped(first, second, sign * np.concatenate([[first - second], differences]))


def _measured(evidence: Evidence, gate: Gate, other: Predictions | None) -> tuple[Resampled, float, float] | None:
    """Return the challenger and the other as a pair, and the metric of each; None where one is undefined."""
    if evidence.challenger is None or other is None:
        return None
    pair = _pair(
        gate,
        evidence.challenger,
        other,
        labels=evidence.labels,
        classes=evidence.classes,
        clusters=evidence.clusters,
        scorers=evidence.scorers,
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
    clusters: Integers,
    scorers: Scorers,
) -> Resampled | None:
    """Return the pair for this metric; None where a model does not give what it needs, or a value is not finite."""
    metric, needs, positive = about.metric, described(about.metric).needs, code(about.positive, classes)
    first, second = (_needed(needs, each, positive, classes) for each in (own, theirs))
    if first is None or second is None or not (len(labels) and _finite(labels, first, second)):
        return None
    _, cluster = np.unique(clusters, return_inverse=True)
    if needs == "anything":
        scorer = scorers.get(metric)
        return None if scorer is None else Scored(scorer, labels, own, theirs, cluster)
    if needs == "labels":
        label_codes = (labels.astype(np.int64), first.astype(np.int64), second.astype(np.int64))
        return of_labels(metric, label_codes, cluster, classes=len(classes), positive=positive)
    numbers = (first.astype(np.float64), second.astype(np.float64))
    if needs == "scores":
        return Ranked.of(metric, labels == positive, *numbers, cluster)
    return of_losses(metric, labels, numbers, cluster)


def _needed(needs: Needs, predictions: Predictions, positive: int | None, classes: tuple[str, ...]) -> Values | None:
    if needs == "scores":
        return _scores_of(predictions, positive, classes)
    return probabilities_of(predictions) if needs == "probabilities" else predictions.labels


def probabilities_of(predictions: Predictions) -> Floats | None:
    """Return the probabilities, shape (n, k); None where a row does not sum to 1: all 1 would have no loss at all."""
    table = predictions.probabilities
    if table is None or not _finite(table) or (table < -_SLACK).any():
        return None
    return table if (np.abs(table.sum(axis=1) - 1) <= _SLACK).all() else None


def _scores_of(predictions: Predictions, positive: int | None, classes: tuple[str, ...]) -> Floats | None:
    """Return the scores of this class, shape (n,); for a limit it may be another class than the gate's."""
    if predictions.positive in (None, positive) and predictions.scores is not None:
        return predictions.scores
    if positive is None:
        return None
    if predictions.probabilities is not None:
        column: Floats = predictions.probabilities[:, positive]
        return column if column.any() else None  # the model does not know the class
    return -predictions.scores if predictions.scores is not None and len(classes) == 2 else None


def _finite(*values: Values) -> bool:
    try:
        return all(bool(np.isfinite(each.astype(np.float64)).all()) for each in values)
    except (TypeError, ValueError):  # not numbers
        return False


def _generator(text: str) -> np.random.Generator:
    """Return a generator seeded by the text: the same matchup gives the same verdict wherever it is computed."""
    return np.random.default_rng(int.from_bytes(hashlib.sha256(text.encode()).digest()[:8], "big"))
