"""A paired permutation test by sums and ranks against a plain loop over scikit-learn: 9,999 permutations, 10,000 rows.

Ours is what a verdict does: from the predictions of two models to the metric of both in every permutation. The loop
tosses a coin for each row, swaps the predictions with `np.where`, and calls scikit-learn's metric for both models.

The two take turns, ten times each. For ours the median counts. The loop runs 500 permutations (`--short`: 100) in all,
and its time is scaled to 9,999. Its p comes from those, and must not differ from ours by more than four standard
errors of the two.
"""

import argparse
import json
import statistics
import time
from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from sklearn.metrics import f1_score, roc_auc_score, root_mean_squared_error

from retrain.gate.additive import of_labels, of_losses
from retrain.gate.ranked import Ranked
from retrain.gate.significance import Resampled

ROWS, PERMUTATIONS, TURNS, AIM = 10_000, 9_999, 10, 100

Values = NDArray[np.float64] | NDArray[np.int64]


@dataclass(frozen=True)
class Case:
    """Two models on the same rows, and both ways to compute their metric."""

    labels: Values
    challenger: Values
    production: Values
    pair: Callable[[Values, Values, Values], Resampled]
    metric: Callable[[Values, Values], float]
    """scikit-learn's, of labels and predictions."""
    sign: int = 1

    def observed(self) -> float:
        return self.sign * (self.metric(self.labels, self.challenger) - self.metric(self.labels, self.production))

    def ours(self) -> NDArray[np.float64]:
        pair = self.pair(self.labels, self.challenger, self.production)
        return self.sign * pair.permuted(np.random.default_rng(1), PERMUTATIONS)

    def loop(self, permutations: int, rng: np.random.Generator) -> list[float]:
        gains = []
        for _ in range(permutations):
            swapped = rng.random(len(self.labels)) < 0.5
            own = np.where(swapped, self.production, self.challenger)
            theirs = np.where(swapped, self.challenger, self.production)
            gains.append(self.sign * (self.metric(self.labels, own) - self.metric(self.labels, theirs)))
        return gains


@dataclass(frozen=True)
class Timed:
    ours: float
    loop: float
    """Seconds for all permutations."""
    p: float
    p_of_loop: float
    error: float
    """Standard error of the difference between the two p."""

    @property
    def ratio(self) -> float:
        return self.loop / self.ours


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--permutations", type=int, default=500, help="permutations of the loop that are run")
    parser.add_argument("--short", action="store_true", help="100 of them")
    arguments = parser.parse_args()
    looped = 100 if arguments.short else arguments.permutations
    timed = {}
    for name, case in _cases().items():
        timed[name] = each = _timed(case, looped)
        print(
            f"{name}: ours {each.ours * 1000:.1f} ms, p = {each.p:.3f}; the loop {each.loop:.1f} s"
            f" ({looped} permutations, times {PERMUTATIONS / looped:.0f}), p = {each.p_of_loop:.3f};"
            f" the standard error of the difference is {each.error:.3f}; {each.ratio:,.0f} times"
        )
        assert abs(each.p - each.p_of_loop) <= 4 * each.error, name
    print(
        json.dumps(
            {
                "name": "gate_speed",
                "rows": ROWS,
                "permutations": PERMUTATIONS,
                "ratio": {name: round(each.ratio) for name, each in timed.items()},
                "ours_ms": {name: round(each.ours * 1000, 1) for name, each in timed.items()},
                "loop_seconds": {name: round(each.loop, 1) for name, each in timed.items()},
                "loop_measured_permutations": looped,
                "aim": f">= {AIM} each",
                "met": {name: each.ratio >= AIM for name, each in timed.items()},
            }
        )
    )


def _timed(case: Case, looped: int) -> Timed:
    rng, gains, ours, loop = np.random.default_rng(2), list[float](), [], 0.0
    for _ in range(TURNS):
        begun = time.perf_counter()
        permuted = case.ours()
        between = time.perf_counter()
        gains += case.loop(looped // TURNS, rng)
        ours.append(between - begun)
        loop += time.perf_counter() - between
    p, p_of_loop = (_p(each, case.observed()) for each in (permuted, np.array(gains)))
    error = (p * (1 - p) * (1 / looped + 1 / PERMUTATIONS)) ** 0.5
    return Timed(statistics.median(ours), loop * PERMUTATIONS / looped, p, p_of_loop, error)


def _cases() -> dict[str, Case]:
    """Pairs whose difference may be chance, so that p is not simply 0."""
    rng, rows = np.random.default_rng(0), np.arange(ROWS)
    binary, fifty = (rng.random(ROWS) < 0.4).astype(np.int64), rng.integers(0, 50, ROWS)
    numbers, shared = rng.normal(size=ROWS), rng.normal(size=ROWS)

    def wrong(labels: NDArray[np.int64], classes: int, both: NDArray[np.bool_]) -> NDArray[np.int64]:
        """Labels that are wrong on the rows where both models are wrong, and on 3% more."""
        others = (labels + rng.integers(1, classes, ROWS)) % classes
        return np.where(both | (rng.random(ROWS) < 0.03), others, labels)

    def of_classes(metric: str, classes: int, positive: int | None) -> Callable[[Values, Values, Values], Resampled]:
        return lambda *label_codes: of_labels(metric, label_codes, rows, classes=classes, positive=positive)

    both = rng.random(ROWS) < 0.17
    scores = [binary + shared + 0.3 * rng.normal(size=ROWS) for _ in range(2)]
    guesses = [numbers + shared + 0.3 * rng.normal(size=ROWS) for _ in range(2)]
    return {
        "f1": Case(binary, *(wrong(binary, 2, both) for _ in range(2)), of_classes("f1", 2, 1), f1_score),
        "f1_macro_50": Case(
            fifty,
            *(wrong(fifty, 50, both) for _ in range(2)),
            of_classes("f1_macro", 50, None),
            lambda labels, predictions: f1_score(labels, predictions, average="macro"),
        ),
        "roc_auc": Case(
            binary,
            *scores,
            lambda labels, own, theirs: Ranked.of("roc_auc", labels == 1, own, theirs, rows),
            roc_auc_score,
        ),
        "rmse": Case(
            numbers,
            *guesses,
            lambda labels, own, theirs: of_losses("rmse", labels, (own, theirs), rows),
            root_mean_squared_error,
            sign=-1,
        ),
    }


def _p(gains: NDArray[np.float64], observed: float) -> float:
    return float((1 + (gains >= observed - 1e-12).sum()) / (1 + len(gains)))


if __name__ == "__main__":
    main()
