"""How often the gate promotes what it should not, and what it should: simulated, with the truth known exactly.

Every number is a share of trials in which `judge` itself, as the cycle calls it, says PROMOTE. Beside it, on the same
draws, what else teams promote by:

greater      the metric of the challenger is greater (for a loss: smaller)
by 0.5 pp    it is greater by more than 0.005
McNemar      mid-p below 0.05 on which rows are right, where there are labels
MLflow       `mlflow.validate_evaluation_results` with a MetricThreshold of min_absolute_change 0.005

What is simulated, with a new holdout in each trial:

level        the challenger is exactly as good as a proof must not let through: equal for superiority, better by just
             min_gain, worse by just the margin; `auto` with the same recipe, and with another one; for each kind of
             metric, with 500, 2,000 and 10,000 rows, and with 2,000 rows that are 500 texts four times each (half as
             many trials where one takes a third of a second)
power        it is better by 2.6 points of F1, 2,000 rows
unlike       F1 is equal, but the models are not alike: the challenger finds 60% of the positive rows, Production 80%
             with three times as many false alarms; 100 positive rows, the fewest that a gate takes by default
rounds       as many rounds as trials, each of 5 tests of equal challengers on one holdout, alpha spent early, evenly or
             (for comparison) in each test; the share of rounds with a promotion
best of      the best of 5, and of 100 equal challengers on validation data, judged once on the holdout
chains       a tenth as many chains as trials: 50 refits that are 0.2 points better than Production and then 50 that are
             0.3 points worse, each on a new holdout; what the worst 5% of the chains lose from their peak

With `--reviews FOLDER` (RETRAIN_TEST_REVIEWS) also on real text: models of 20,000 reviews against others of 20,000
and of 30,000, on holdouts of 2,000 from a pool on which it is known which of the two is better.
"""

import argparse
import json
import multiprocessing
import os
import time
from collections.abc import Sequence
from concurrent.futures import ProcessPoolExecutor
from dataclasses import dataclass
from functools import partial
from pathlib import Path

import numpy as np
from simulation.chains import DOWN, GATE, LENGTH, lost
from simulation.pairs import KINDS
from simulation.reviews import judged, trained
from simulation.rules import ALPHA, RULES
from simulation.trials import (
    PROOFS,
    TESTS,
    Trials,
    best_of,
    holdout_rounds,
    level,
    power,
    repeated,
    unlike,
)

from retrain.spec.gate import Gate, Spending

POWER = 0.95
_PART = 20
"""Trials that a process takes at a time."""


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--trials", type=int, default=1_000)
    parser.add_argument("--short", action="store_true", help="30 trials, none of 10,000 rows")
    parser.add_argument("--only", default="", help="what has this text in its name, such as n=500 or reviews")
    parser.add_argument("--reviews", default=os.environ.get("RETRAIN_TEST_REVIEWS"), help="folder of dated reviews")
    arguments = parser.parse_args()
    trials = 30 if arguments.short else arguments.trials
    sizes = (500, 2_000) if arguments.short else (500, 2_000, 10_000)
    # For the processes that are started below: two that each use both processors wait for each other.
    os.environ["OPENBLAS_NUM_THREADS"] = os.environ["OMP_NUM_THREADS"] = "1"
    begun = time.monotonic()
    with ProcessPoolExecutor(2, mp_context=multiprocessing.get_context("spawn")) as pool:
        print(f"{'how often it promotes':<52}trials" + "".join(f"{rule:>10}" for rule in RULES) + "  bound of the gate")
        results = _simulated(pool, trials, sizes, arguments.only)
        chains = [
            _chains(pool, rows, max(10, trials // 10)) for rows in sizes[1:] if arguments.only in _of_chains(rows)
        ]
        if arguments.only not in "reviews":
            print("reviews: left out by --only")
        elif arguments.reviews is None:
            print("reviews: skipped, neither --reviews nor RETRAIN_TEST_REVIEWS names a folder")
        else:
            pairs, holdouts = (2, 30) if arguments.short else (10, 100)
            results += _on_reviews(pool, Path(arguments.reviews), pairs, holdouts)
    _report(trials, results, chains, time.monotonic() - begun)


@dataclass(frozen=True)
class Result:
    """How often each rule promotes in one kind of trial."""

    name: str
    trials: int
    promoted: tuple[float, ...]
    """A share for each of RULES."""
    least: float = 0
    most: float = 1
    """Bounds that the gate's share must keep."""

    @property
    def met(self) -> bool:
        return self.least <= self.promoted[0] <= self.most


def _simulated(pool: ProcessPoolExecutor, count: int, sizes: Sequence[int], only: str) -> list[Result]:
    levels = [level(kind, proof, rows) for rows in sizes for kind in KINDS for proof in PROOFS]
    levels += [level(kind, proof, 2_000, copies=4) for kind in KINDS for proof in PROOFS]
    kinds: list[tuple[str, Trials, dict[str, float]]] = [
        *(
            (each.name, partial(repeated, each), {"most": ALPHA, "costs": 2.0 if each.costly else 1.0})
            for each in levels
        ),
        *(
            (power(tests).name, partial(repeated, power(tests)), {"least": least})
            for tests, least in ((1, POWER), (TESTS, 0.0))
        ),
        *(
            (f"unlike, equal f1 n={rows}, alpha {alpha:g}", partial(unlike, rows, alpha), {"most": alpha})
            for rows in sizes
            for alpha in (ALPHA, ALPHA / TESTS)
        ),
        *(
            (f"any in a round of {TESTS} tests, {each}", partial(holdout_rounds, each), {"most": ALPHA})
            for each in Spending
        ),
        (f"any in a round of {TESTS} tests, alpha at each", partial(holdout_rounds, None), {}),
        ("best of 5 on validation, judged once", partial(best_of, 5, False), {"most": ALPHA}),
        ("best of 5 on the holdout itself", partial(best_of, 5, True), {}),
        ("best of 100 on validation, judged once", partial(best_of, 100, False), {"most": ALPHA}),
        ("best of 100 on the holdout itself", partial(best_of, 100, True), {}),
    ]
    return [
        _run(pool, trials, name, int(count / bounds.pop("costs", 1)), **bounds)
        for name, trials, bounds in kinds
        if only in name
    ]


def _run(
    pool: ProcessPoolExecutor, trials: Trials, name: str, count: int, *, least: float = 0, most: float | None = None
) -> Result:
    """most: a share up to three standard errors above it still meets it."""
    parts = [range(start, min(start + _PART, count)) for start in range(0, count, _PART)]
    promoted = np.mean([each for part in pool.map(trials, parts) for each in part], axis=0)
    within = 1.0 if most is None else most + 3 * (most * (1 - most) / count) ** 0.5
    result = Result(name, count, tuple(float(each) for each in promoted), least, within)
    print(_line(result), flush=True)
    return result


def _chains(pool: ProcessPoolExecutor, rows: int, count: int) -> Result:
    """What the worst 5% of chains lose; its bound is the margin and one step down."""
    parts = [range(start, min(start + 5, count)) for start in range(0, count, 5)]
    losses = [each for part in pool.map(partial(lost, rows), parts) for each in part]
    worst = float(np.quantile(losses, 0.95))
    nothing = (float("nan"),) * (len(RULES) - 1)
    bound = float(GATE.margin or 0) - DOWN
    result = Result(_of_chains(rows), count, (worst, *nothing), 0, bound)
    print(_line(result), flush=True)
    return result


def _of_chains(rows: int) -> str:
    return f"chains of {2 * LENGTH}, n={rows}: lost by the worst 5%"


def _on_reviews(pool: ProcessPoolExecutor, folder: Path, pairs: int, holdouts: int) -> list[Result]:
    """Several pairs of models, each trained once, on many holdouts."""
    reviews, models = trained(folder, pairs)
    ordered = [sorted((first, second), key=reviews.score) for first, second, _ in models]
    retrained = [(more, first) for first, _, more in models]
    apart, gained = (
        np.mean([reviews.score(better) - reviews.score(worse) for worse, better in each])
        for each in (ordered, [(first, more) for more, first in retrained])
    )
    print(
        f"reviews: {len(reviews.labels):,} to draw holdouts from. On all of them, macro F1 of Production is"
        f" {np.mean([reviews.score(first) for first, *_ in models]):.3f}; twins are {apart:.4f} apart in the mean, and"
        f" 30,000 rows are {gained:+.4f} better than 20,000 ({pairs} pairs, {holdouts} holdouts each)"
    )
    superiority, margin = (
        Gate.model_validate({"metric": "f1_macro", "alpha": ALPHA, "tests": 1, **PROOFS[proof][0]})
        for proof in ("superiority", "non_inferiority")
    )
    twins = [pair for worse, better in ordered for pair in ((worse, better), (better, worse))]
    return [
        _run(pool, partial(judged, reviews, chosen, gate, holdouts), name, len(chosen) * holdouts, most=most)
        for name, chosen, gate, most in (
            ("twins, the challenger truly no better", twins[::2], superiority, ALPHA),
            ("twins, in both directions", twins, superiority, None),
            ("20,000 to 30,000 rows", retrained, superiority, None),
            ("twins, in both directions, margin 1 pp", twins, margin, None),
            ("20,000 to 30,000 rows, margin 1 pp", retrained, margin, None),
        )
    ]


# ── report


def _line(result: Result) -> str:
    rates = "".join("         –" if np.isnan(each) else f"{each:10.3f}" for each in result.promoted)
    bound = f"<= {result.most:.3f}" if result.most < 1 else f">= {result.least:.2f}" if result.least else ""
    return f"{result.name:<52}{result.trials:6}{rates}  {bound:<9}{'' if result.met else 'MISSED'}"


def _report(trials: int, results: Sequence[Result], chains: Sequence[Result], seconds: float) -> None:
    bound = [result for result in results if result.most < 1]
    print(
        json.dumps(
            {
                "name": "gate_error",
                "trials": trials,
                "seconds": round(seconds),
                "false_promotion_mean": round(float(np.mean([each.promoted[0] for each in bound])), 4)
                if bound
                else None,
                "false_promotion_greatest": max((each.promoted[0] for each in bound), default=None),
                "power": next((each.promoted[0] for each in results if each.least), None),
                "chains": {each.name: round(each.promoted[0], 4) for each in chains},
                "missed": [result.name for result in (*results, *chains) if not result.met],
                "aim": f"false promotion <= {ALPHA} + 3 standard errors in each of {len(bound)}; power >= {POWER}; "
                "chains: at most the margin and one step",
                "met": all(result.met for result in (*results, *chains)),
            }
        )
    )


if __name__ == "__main__":
    main()
