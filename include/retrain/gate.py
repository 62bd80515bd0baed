"""The gate: may this challenger replace Production? `judge` decides on what others measured, and does no I/O.

Not computable is failed: whatever is missing, undefined or too small makes a verdict INCONCLUSIVE. The rest is decided
by a paired permutation test on the spec's own metric, in which whole clusters of equal rows swap.
"""

import hashlib
from collections.abc import Iterator
from dataclasses import dataclass
from math import ceil, isfinite
from statistics import NormalDist

import numpy as np
from numpy.typing import NDArray

from retrain.metrics import Codes, Floats, check_codes, counts, score, value
from retrain.nouns import Guard, Outcome, Trial, Verdict
from retrain.spec import Gate

_BOOTSTRAP_DRAWS = 2_000
_TIE = 1e-12
"""Differences closer than this are equal: the same average summed in another order differs in its last bits."""
_CHUNK = 2_000_000
"""Numbers in one chunk of draws: 16 MB an array, however many draws, clusters or classes there are."""
_NAMES = {"accuracy": "accuracy", "balanced_accuracy": "balanced accuracy", "f1": "F1", "f1_macro": "macro F1"}


@dataclass(frozen=True, eq=False)
class Scores:
    """What was measured on the n rows of the holdout. Raises ValueError where shapes or codes do not fit.

    With `faults` nothing is scored, and the predictions may hold anything.
    """

    trial: Trial
    classes: tuple[str, ...]
    """The label of each code, as text."""
    positive: int | None
    """Code of `gate.positive`; None where the metric needs none, or that class is absent."""
    labels: NDArray[np.int64]
    """Shape (n,): codes of the true classes."""
    challenger: NDArray[np.int64]
    """Shape (n,): codes predicted by the challenger; -1 is a prediction outside of `classes`, always wrong."""
    production: NDArray[np.int64] | None
    """Shape (n,): the same by Production; None where there is no Production."""
    clusters: NDArray[np.int64]
    """Shape (n,): content key; rows with the same key are one cluster."""
    overlap: int = 0
    """Holdout rows already left out because one of the two trained on them."""
    unknown: int = 0
    """Holdout rows already left out because they were labelled before a version was made that somebody adopted."""
    faults: tuple[str, ...] = ()
    """What could not be measured, each as a clause: `version 3 cannot be loaded`."""

    def __post_init__(self) -> None:
        if self.clusters.shape != self.labels.shape:
            raise ValueError(f"clusters of shape {self.clusters.shape} do not fit labels of shape {self.labels.shape}")
        if not self.faults:
            for predictions in (self.challenger, self.production):
                if predictions is not None:
                    check_codes(self.labels, predictions, len(self.classes))


@dataclass(frozen=True)
class _Comparison:
    alike: bool
    """No answer differs that counts for the metric."""
    p_value: float
    interval: tuple[float, float] | None
    smallest_gain: float | None


def judge(scores: Scores, gate: Gate) -> Verdict:
    """PROMOTE, HOLD or INCONCLUSIVE, with the numbers behind it. Pure: the same scores give the same verdict.

    An epoch's alpha is spent in equal parts (Bonferroni): each of its `tests` must show p below alpha / tests.
    """
    own, theirs = _score(scores, scores.challenger, gate), _score(scores, scores.production, gate)
    clusters = len(np.unique(scores.clusters))
    floor, guards = _floor(gate, own), _guards(scores, gate, own, theirs, clusters)
    alpha = gate.alpha / gate.tests
    right_to_wrong, wrong_to_right = _flips(scores)

    def verdict(outcome: Outcome, reason: str, compared: _Comparison | None = None) -> Verdict:
        return Verdict(
            trial=scores.trial,
            outcome=outcome,
            reason=reason,
            metric=gate.metric,
            score=own,
            production_score=theirs,
            difference=None if own is None or theirs is None else own - theirs,
            interval=compared.interval if compared else None,
            p_value=compared.p_value if compared else None,
            alpha=alpha,
            tests=gate.tests,
            rows=len(scores.labels),
            clusters=clusters,
            right_to_wrong=right_to_wrong,
            wrong_to_right=wrong_to_right,
            smallest_gain=compared.smallest_gain if compared else None,
            overlap=scores.overlap,
            guards=(*guards, floor),
        )

    failed = [guard.says for guard in guards if not guard.passed]
    if failed or own is None:
        return verdict(Outcome.INCONCLUSIVE, "; ".join(failed))
    if scores.production is None or theirs is None:
        outcome = Outcome.PROMOTE if floor.passed else Outcome.HOLD
        return verdict(outcome, f"there is no Production to compare with; {floor.says}")
    compared = _compare(scores, scores.production, gate, own - theirs, alpha)
    if not floor.passed:
        return verdict(Outcome.HOLD, floor.says, compared)
    better = own - theirs > _TIE and compared.p_value < alpha
    pair = f"{_NAMES[gate.metric]} {own:.3f} against {theirs:.3f} on {len(scores.labels):,} rows"
    return verdict(
        Outcome.PROMOTE if better else Outcome.HOLD, f"{pair}; {_finding(compared, own - theirs, alpha)}", compared
    )


def _score(scores: Scores, predictions: Codes | None, gate: Gate) -> float | None:
    if scores.faults or predictions is None:
        return None
    figure = score(gate.metric, scores.labels, predictions, len(scores.classes), scores.positive)
    return figure if isfinite(figure) else None


def _flips(scores: Scores) -> tuple[int, int]:
    """Rows that went from right to wrong, and from wrong to right."""
    if scores.faults or scores.production is None:
        return 0, 0
    was, is_now = scores.production == scores.labels, scores.challenger == scores.labels
    return int((was & ~is_now).sum()), int((~was & is_now).sum())


def _floor(gate: Gate, own: float | None) -> Guard:
    passed = own is not None and own >= gate.floor
    figure = "could not be computed, so it misses" if own is None else f"{own:.3f} {'reaches' if passed else 'misses'}"
    return Guard(name="floor", passed=passed, says=f"{_NAMES[gate.metric]} {figure} the floor of {gate.floor:g}")


def _guards(scores: Scores, gate: Gate, own: float | None, theirs: float | None, clusters: int) -> tuple[Guard, ...]:
    """What must hold before anything is compared: each that fails makes the verdict INCONCLUSIVE."""
    trial, rows = scores.trial, len(scores.labels)
    faults = list(scores.faults)
    if not faults and trial.production is not None and scores.production is None:
        faults.append(f"the answers of Production (version {trial.production}) are missing")
    if not faults and (own is None or (scores.production is not None and theirs is None)):
        faults.append(f"{_NAMES[gate.metric]} could not be computed")
    share = scores.overlap / max(scores.overlap + rows, 1)
    present = np.unique(scores.labels)
    # Without a label of its class, F1 is 0 or undefined whatever a model does.
    unlabelled = gate.metric == "f1" and scores.positive not in present
    in_time = 1 <= trial.test <= gate.tests
    spent = f"the {gate.tests} tests of holdout epoch {trial.epoch} are spent (this would be test {trial.test});"
    return (
        Guard(name="measured", passed=not faults, says="; ".join(faults) or "every model answered"),
        Guard(
            name="rows",
            passed=clusters >= gate.min_rows,
            says=f"the holdout has {clusters:,} distinct rows and needs {gate.min_rows:,}"
            + (
                f"; {scores.unknown:,} that an adopted version may have trained on do not count"
                if scores.unknown
                else ""
            ),
        ),
        Guard(
            name="overlap",
            passed=share <= gate.max_overlap,
            says=f"{share:.1%} of the holdout rows were left out because a model had trained on them,"
            f" and {gate.max_overlap:.1%} may be",
        ),
        Guard(
            name="classes",
            passed=len(present) >= 2 and not unlabelled,
            says=f"the holdout has labels of {len(present)} classes and needs 2"
            + (f", and has none of {gate.positive!r}" if unlabelled else ""),
        ),
        Guard(
            name="epoch",
            passed=in_time,
            says=f"test {trial.test} of {gate.tests} in holdout epoch {trial.epoch}"
            if in_time
            else f"{spent} the next epoch opens when {gate.epoch_rows:,} new holdout rows have arrived",
        ),
    )


def _compare(scores: Scores, production: Codes, gate: Gate, observed: float, alpha: float) -> _Comparison:
    """Tests for a difference above 0, and says how far the observed one may be chance.

    p is the share of permutations that reach the observed difference, itself counted in (Phipson & Smyth 2010,
    "Permutation P-values should never be zero"). The interval is the percentile bootstrap over clusters (Efron &
    Tibshirani 1993, ch. 13). The smallest gain is the one a z-test of the permutations' spread sees in 4 of 5 cases.
    """
    weights, own, theirs = _patterns(scores, production, gate)
    seed = int.from_bytes(hashlib.sha256(scores.trial.id.encode()).digest()[:8], "big")
    rng = np.random.default_rng(seed)

    resampled = []
    for draws in _chunks(_BOOTSTRAP_DRAWS, max(len(weights), own[0].size)):
        drawn = rng.multinomial(weights.sum(), weights / weights.sum(), size=draws).astype(np.float64)
        resampled.append(
            value(gate.metric, np.tensordot(drawn, own, axes=1))
            - value(gate.metric, np.tensordot(drawn, theirs, axes=1))
        )
    gains = np.concatenate(resampled)
    gains = gains[np.isfinite(gains)]  # a resample may miss a rare class altogether
    low, high = np.quantile(gains, (0.025, 0.975)) if len(gains) else (np.nan, np.nan)
    interval = (float(low), float(high)) if len(gains) else None

    swing = own - theirs
    counted = swing.any(axis=(1, 2))
    if not counted.any():
        return _Comparison(alike=True, p_value=1.0, interval=interval, smallest_gain=None)
    totals, rival_totals = np.tensordot(weights, own, axes=1), np.tensordot(weights, theirs, axes=1)
    coins, swing = weights[counted], swing[counted]
    permuted = []
    for draws in _chunks(max(10_000, ceil(50 / alpha)), max(len(swing), totals.size)):
        # Of w clusters with the same swing, Binomial(w, 1/2) change sides: w coins in one throw.
        moved = np.tensordot(rng.binomial(coins, 0.5, size=(draws, len(coins))).astype(np.float64), swing, axes=1)
        permuted.append(value(gate.metric, totals - moved) - value(gate.metric, rival_totals + moved))
    chance = np.concatenate(permuted)
    reached = len(chance) - int((chance < observed - _TIE).sum())  # so that a NaN would count against the challenger
    normal, spread = NormalDist(), float(chance.std())
    return _Comparison(
        alike=False,
        p_value=(1 + reached) / (1 + len(chance)),
        interval=interval,
        smallest_gain=(normal.inv_cdf(0.8) - normal.inv_cdf(alpha)) * spread if spread > _TIE else None,
    )


def _patterns(scores: Scores, production: Codes, gate: Gate) -> tuple[Codes, Floats, Floats]:
    """The kinds of clusters: how many there are of each, shape (u,), and the counts of one by each model, (u, 3, k).

    Clusters of as many rows, all with one label and one pair of answers, are alike. A mixed cluster is its own kind.
    """
    _, cell = np.unique(np.column_stack([scores.labels, scores.challenger, production]), axis=0, return_inverse=True)
    _, first, cluster, size = np.unique(scores.clusters, return_index=True, return_inverse=True, return_counts=True)
    mixed = np.bincount(cluster, weights=cell != cell[first][cluster]) > 0
    keys = np.where(mixed, -1 - np.arange(len(size)), cell[first] * (len(cell) + 1) + size)
    kinds, kind, weights = np.unique(keys, return_inverse=True, return_counts=True)

    def of_one(predictions: Codes) -> Floats:
        sums = counts(
            gate.metric,
            scores.labels,
            predictions,
            classes=len(scores.classes),
            positive=scores.positive,
            group=kind[cluster],
            groups=len(kinds),
        )
        return sums / weights[:, None, None]

    return weights, of_one(scores.challenger), of_one(production)


def _chunks(draws: int, width: int) -> Iterator[int]:
    step = max(1, _CHUNK // width)
    for done in range(0, draws, step):
        yield min(step, draws - done)


def _finding(compared: _Comparison, gain: float, alpha: float) -> str:
    if compared.alike:
        return "the two differ in no answer that counts"
    low, high = compared.interval or (np.nan, np.nan)
    difference = f"the difference {gain:+z.3f} (95% {low:+z.3f} to {high:+z.3f})"
    if gain <= _TIE:
        return f"{difference} is no gain"
    chance = f"p = {compared.p_value:.3g} where below {alpha:.3g} is needed"
    if compared.p_value < alpha:
        return f"{difference} is more than chance, {chance}"
    seen = "" if compared.smallest_gain is None else f"; a gain of {compared.smallest_gain:.3f} is seen 4 times in 5"
    return f"{difference} may be chance, {chance}{seen}"
