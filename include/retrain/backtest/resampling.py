"""The score of every policy on the same rows, and on resamples of their weeks that all policies have in common."""

from dataclasses import dataclass
from statistics import NormalDist
from typing import Protocol

import numpy as np

from retrain.backtest.replayed import Backtest
from retrain.backtest.weeks import Interval, Unit, effective, unit_of, widened
from retrain.gate.additive import counts, losses, value
from retrain.gate.comparison import probabilities_of
from retrain.gate.labels import Floats, Integers
from retrain.gate.predictions import Predictions
from retrain.gate.ranked import Ranked
from retrain.gate.scorers import Scored, scorers_for
from retrain.gate.significance import Resampled, draw_counts, interval
from retrain.labels import code
from retrain.metrics import described

_DRAWS = 2_000
_SLOW_DRAWS, _ROUGH_DRAWS = 200, 60
"""Where each draw goes through all rows: for a comparison, and for a band."""
_SEED = 24


@dataclass(frozen=True, eq=False)
class Draws:
    """Scores of p policies on some of the rows. Raw; NaN where the metric is undefined."""

    rows: int
    blocks: float
    """Weeks of equal size that say as much as those that were resampled."""
    observed: Floats
    """Shape (p,)."""
    drawn: Floats
    """Shape (p, draws)."""

    def interval(self, policy: int) -> Interval:
        return self._interval(self.observed[policy], self.drawn[policy])

    def difference(self, policy: int, other: int) -> tuple[float | None, Interval]:
        """Return the score minus the other's, with its 95% interval."""
        observed = float(self.observed[policy] - self.observed[other])
        if not np.isfinite(observed):
            return None, None
        return observed, self._interval(observed, self.drawn[policy] - self.drawn[other])

    def _interval(self, observed: float, drawn: Floats) -> Interval:
        if not np.isfinite(observed):
            return None
        ends = interval(drawn)
        if ends is not None and len(drawn) < _DRAWS:  # too few for percentiles: the normal law
            spread = NormalDist().inv_cdf(0.975) * float(np.nanstd(drawn))
            ends = float(observed) - spread, float(observed) + spread
        return widened(ends, float(observed), self.blocks)


class _Scores(Protocol):
    def on(self, first: int, after: int, draws: int) -> tuple[Floats, Floats]:
        """Return the scores, shape (p,), and those of the draws, shape (p, draws), on the clusters of a range.

        draws: how many, where a draw takes long.
        """


class Clusters:
    """The rows of a backtest by weeks, or by days; a week that `cut` divides is two."""

    def __init__(self, backtest: Backtest, cut: int) -> None:
        """cut: the row that begins the second part of the history."""
        times = backtest.times
        self.unit: Unit = unit_of(times)
        self.numbers: Integers = self.unit.numbers(times)
        begins = np.diff(self.numbers, prepend=self.numbers[:1] - 1) != 0
        begins[cut : cut + 1] = True
        self.starts: Integers = np.append(np.flatnonzero(begins), len(times)).astype(np.int64)
        cluster = (np.cumsum(begins) - 1).astype(np.int64)
        self._scores = _scores(backtest, cluster, self.starts)

    def draws(self, first_row: int, after_row: int, *, roughly: bool = False) -> Draws | None:
        """Score all policies on these rows, which must be whole clusters; None where there are none.

        roughly: for a band in a picture.
        """
        first, after = (int(np.searchsorted(self.starts, row)) for row in (first_row, after_row))
        if first == after:
            return None
        observed, drawn = self._scores.on(first, after, _ROUGH_DRAWS if roughly else _SLOW_DRAWS)
        return Draws(after_row - first_row, effective(np.diff(self.starts[first : after + 1])), observed, drawn)

    def rows(self, first: int, after: int) -> tuple[int, int]:
        """Return the first row of these weeks (days), and the one after the last."""
        first_row, after_row = np.searchsorted(self.numbers, (first, after))
        return int(first_row), int(after_row)


def _scores(backtest: Backtest, cluster: Integers, starts: Integers) -> _Scores:
    needs = described(backtest.spec.gate.metric).needs
    if needs in ("scores", "anything"):
        return _ByRows(backtest, starts)
    return _BySums(backtest, cluster, len(starts) - 1)


class _BySums:
    """Metrics of sums: each week is one row of numbers for each policy, and a draw is a product."""

    def __init__(self, backtest: Backtest, cluster: Integers, clusters: int) -> None:
        self._metric = backtest.spec.gate.metric
        self._sums = [_sums(backtest, each.predictions, cluster, clusters) for each in backtest.replays]

    def on(self, first: int, after: int, draws: int) -> tuple[Floats, Floats]:  # noqa: ARG002 - all are quick
        drawn = draw_counts(_generator(first, after), _DRAWS, np.ones(after - first, np.int64)).astype(np.float64)
        observed, scores = [], []
        for sums in self._sums:
            if sums is None:
                observed.append(np.nan)
                scores.append(np.full(_DRAWS, np.nan))
            else:
                part = sums[first:after]
                observed.append(float(value(self._metric, part.sum(axis=0))))
                scores.append(value(self._metric, drawn @ part))
        return np.array(observed), np.array(scores)


def _sums(backtest: Backtest, predictions: Predictions, cluster: Integers, clusters: int) -> Floats | None:
    """Return what the metric needs of each cluster, shape (clusters, s); None where the model does not give it."""
    gate, labels = backtest.spec.gate, backtest.labels
    needs = described(gate.metric).needs
    if needs == "labels":
        return counts(
            gate.metric,
            labels.astype(np.int64),
            predictions.labels.astype(np.int64),
            classes=len(backtest.classes),
            positive=code(gate.positive, backtest.classes),
            group=cluster,
            groups=clusters,
        )
    numbers = probabilities_of(predictions) if needs == "probabilities" else predictions.labels.astype(np.float64)
    if numbers is None or not np.isfinite(numbers).all():
        return None
    per_row = losses(gate.metric, labels, numbers)
    return np.column_stack([np.bincount(cluster, weights=each, minlength=clusters) for each in per_row.T])


class _ByRows:
    """Other metrics: each draw goes through all rows, for two policies at a time. An equal seed draws equal weeks."""

    def __init__(self, backtest: Backtest, starts: Integers) -> None:
        self._backtest = backtest
        self._starts = starts
        self._scorers = scorers_for([backtest.spec.gate], backtest.spec.task, backtest.classes)

    def on(self, first: int, after: int, draws: int) -> tuple[Floats, Floats]:
        starts = self._starts[first : after + 1]
        sizes, rows = np.diff(starts), slice(int(starts[0]), int(starts[-1]))
        cluster = np.repeat(np.arange(after - first), sizes)
        replays = self._backtest.replays
        observed, drawn = np.full(len(replays), np.nan), np.full((len(replays), draws), np.nan)
        for one in range(0, len(replays), 2):
            two = min(one + 1, len(replays) - 1)
            pair = self._pair(replays[one].predictions, replays[two].predictions, rows, cluster)
            observed[[one, two]] = pair.observed()
            drawn[[one, two]] = pair.bootstrapped(_generator(first, after), draws)
        if not self._scorers:
            silent = [each.predictions.scores is None for each in replays]
            observed[silent], drawn[silent] = np.nan, np.nan
        return observed, drawn

    def _pair(self, own: Predictions, theirs: Predictions, rows: slice, cluster: Integers) -> Resampled:
        gate, labels = self._backtest.spec.gate, self._backtest.labels[rows]
        if gate.metric in self._scorers:
            every = np.arange(rows.start, rows.stop)
            return Scored(self._scorers[gate.metric], labels, own.part(every), theirs.part(every), cluster)
        positive = labels == code(gate.positive, self._backtest.classes)
        first, second = (np.zeros(len(labels)) if each.scores is None else each.scores[rows] for each in (own, theirs))
        return Ranked.of(gate.metric, positive, first, second, cluster)


def _generator(first: int, after: int) -> np.random.Generator:
    """The same weeks give the same draws."""
    return np.random.default_rng([_SEED, first, after])
