"""How often a split test errs, and what it finds: simulated through `retrain.ab.decide`, with the truth known exactly.

A test lasts 56 days, with a look each day; outcomes count for 7 days after a unit's first exposure; alpha is 0.05.

equal        false conclusions (promoted, dropped, or ended for harm) of two equal models by each method: yes or no of
             5% and of 0.5%, amounts with heavy tails (log-normal, and Pareto of index 1.5), clicks a view, units of
             many rows, CUPED, a season and a trend, a ramp, two guardrails. Beside it, on the same draws, what a team
             would do first: a t-test at 0.05 each day, ended by any
better       how often a better model is promoted by each method, and after how many days the tests end, beside one
             test at the end of the same time
mismatch     how often units that are split 49 to 51 and 49.5 to 50.5 are found in 100,000 over 50 days, and after how
             many; and how often equal ones are taken for that
"""

import argparse
import json
import multiprocessing
import os
import time
from collections.abc import Callable, Sequence
from concurrent.futures import ProcessPoolExecutor
from dataclasses import dataclass
from datetime import UTC, datetime
from functools import partial
from typing import Any

import numpy as np
from numpy.typing import NDArray
from simulation.splits import (
    ALPHA,
    RAMP,
    Case,
    Metric,
    Outcome,
    adjusted,
    amounts,
    clicks,
    lognormal,
    pareto,
    rows,
    run,
    yes,
)

from retrain.ab.mismatch import mismatch
from retrain.arms import SURE, Exposed
from retrain.spec.ab import Method

_PART = 10
"""Trials that a process takes at a time."""
_FALSE = {"promote", "drop", "harm"}
_FIVE = Metric("binary", yes(0.05))
_GUARDS = (Metric("binary", yes(0.2), 0.02), Metric("amount", amounts(0.05, pareto), 0.5, "lower"))

EQUAL = (
    Case("equal, 5%", _FIVE, 400, interest=0.0087),
    Case("equal, 0.5%", Metric("binary", yes(0.005)), 1_000, interest=0.0017),
    Case("equal, log-normal", Metric("amount", amounts(0.05, lognormal)), 2_000, interest=1.7),
    Case("equal, log-normal, few", Metric("amount", amounts(0.05, lognormal)), 800, interest=2.6),
    Case("equal, Pareto", Metric("amount", amounts(0.05, pareto)), 800, interest=0.21),
    Case("equal, ratio", Metric("ratio", clicks), 400, interest=0.0054),
    Case("equal, rows", Metric("count", rows), 400, interest=0.19),
    Case("equal, CUPED", Metric("count", adjusted), 400, interest=0.051),
    Case("equal, season", Metric("binary", yes(0.05, season=True)), 400, interest=0.0087),
    Case("equal, ramp, season", Metric("binary", yes(0.05, season=True)), 1_000, interest=0.0087, ramp=RAMP),
    Case("equal, 2 guardrails", _FIVE, 400, interest=0.0087, guardrails=_GUARDS),
)
BETTER = (
    Case("better, 5%, by 0.87 points", _FIVE, 400, 0.174, interest=0.0087),
    Case("better, 5%, by 1.3 points", _FIVE, 400, 0.26, interest=0.0087),
    Case("better, 5%, by 1.75 points", _FIVE, 400, 0.35, interest=0.0087),
    Case("better, ratio, by 5.5%", Metric("ratio", clicks), 400, 0.055, interest=0.0054),
    Case("better, Pareto, by 17%", Metric("amount", amounts(0.05, pareto)), 800, 0.17, interest=0.21),
)
UNITS, DAYS = 100_000, 50

Figures = dict[str, Any]


@dataclass(frozen=True)
class Split:
    name: str
    share: float
    """Of the units that are in Staging."""


SPLITS = (Split("mismatch, none", 0.5), Split("mismatch, 49 to 51", 0.49), Split("mismatch, 49.5 to 50.5", 0.495))


@dataclass(frozen=True)
class Result:
    name: str
    figures: Figures
    met: bool = True


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--trials", type=int, default=1_000)
    parser.add_argument("--short", action="store_true", help="10 trials of each")
    parser.add_argument("--only", default="", help="what is simulated and has this text in its name, such as equal")
    arguments = parser.parse_args()
    trials = 10 if arguments.short else arguments.trials
    # For the processes that are started below: two that each use both processors wait for each other.
    os.environ["OPENBLAS_NUM_THREADS"] = os.environ["OMP_NUM_THREADS"] = "1"
    begun = time.monotonic()
    with ProcessPoolExecutor(2, mp_context=multiprocessing.get_context("spawn")) as pool:
        results = [
            result
            for kind, named in ((_false, EQUAL), (_power, BETTER), (_mismatch, SPLITS))
            for result in _each(pool, kind, [each for each in named if arguments.only in each.name], trials)
        ]
    _report(trials, results, time.monotonic() - begun)


def _each(pool: ProcessPoolExecutor, kind: Callable[..., Result], named: Sequence[Any], trials: int) -> list[Result]:
    if named:
        print(f"\n{(kind.__doc__ or '').strip()}")
    found = []
    for each in named:
        found.append(kind(pool, each, trials))
        figures = "  ".join(f"{name} {value}" for name, value in found[-1].figures.items())
        print(f"{each.name:<28}{figures}{'' if found[-1].met else '  MISSED'}", flush=True)
    return found


def _all(pool: ProcessPoolExecutor, run_: Callable[[Sequence[int]], list[Any]], trials: int) -> list[Any]:
    parts = [range(start, min(start + _PART, trials)) for start in range(0, trials, _PART)]
    return [each for part in pool.map(run_, parts) for each in part]


def _most(share: float, trials: int) -> float:
    """Return the greatest share of errors that is within three standard errors of what is allowed."""
    return share + 3 * (share * (1 - share) / trials) ** 0.5


def _false(pool: ProcessPoolExecutor, case: Case, trials: int) -> Result:
    """Tests of equal models with a false conclusion"""
    outcomes: list[Outcome] = _all(pool, partial(run, case), trials)
    figures: Figures = {}
    for place, method in enumerate(Method):
        answers = [each.ended[place].answer for each in outcomes]
        figures[method.value] = _share(answer in _FALSE for answer in answers)
        figures[f"{method.value}: promoted"] = _share(answer == "promote" for answer in answers)
        figures[f"{method.value}: same"] = _share(answer == "same" for answer in answers)
    figures["invalid"] = _share(each.ended[0].answer == "invalid" for each in outcomes)
    figures["t-test each day"] = _share(each.peeked for each in outcomes)
    return Result(case.name, figures, all(figures[each.value] <= _most(ALPHA, trials) for each in Method))


def _power(pool: ProcessPoolExecutor, case: Case, trials: int) -> Result:
    """Tests that promote a better model, and the days they take"""
    outcomes: list[Outcome] = _all(pool, partial(run, case), trials)
    figures: Figures = {}
    for place, method in enumerate(Method):
        figures[method.value] = _share(each.ended[place].answer == "promote" for each in outcomes)
        figures[f"{method.value}: days"] = round(float(np.mean([each.ended[place].day for each in outcomes])), 1)
    return Result(case.name, {**figures, "one test at the end": _share(each.fixed for each in outcomes)})


def _mismatch(pool: ProcessPoolExecutor, split: Split, trials: int) -> Result:
    """Tests that are found invalid, and after how many units"""
    # Ten times as many: one in a thousand may be found without reason.
    units = np.array(_all(pool, partial(_units_until, split), 10 * trials))
    found = units < np.inf
    figures = {"found": round(float(found.mean()), 4), "tests": len(units)}
    if split.share == 0.5:
        return Result(split.name, figures, bool(found.mean() <= _most(SURE, len(units))))
    return Result(split.name, {**figures, "median units": _median(units)})


def _median(units: NDArray[np.float64]) -> float | None:
    """Return after how many units half of all tests were found; None where fewer were."""
    return float(np.median(units)) if np.isfinite(np.median(units)) else None


def _units_until(split: Split, numbers: Sequence[int]) -> list[float]:
    found = []
    for number in numbers:
        staging = np.random.default_rng([7, number]).binomial(UNITS // DAYS, split.share, DAYS).cumsum()
        total, p = UNITS // DAYS * np.arange(1, DAYS + 1), 1.0
        for all_, in_staging in zip(total.tolist(), staging.tolist(), strict=True):
            day = Exposed(
                day=datetime(2026, 1, 5, tzinfo=UTC), phase=0, production=all_ - in_staging, staging=in_staging
            )
            p = mismatch([day], p)
            if p < SURE:
                break
        found.append(float(all_) if p < SURE else np.inf)
    return found


def _share(found: Any) -> float:
    return round(float(np.mean(list(found))), 4)


def _report(trials: int, results: Sequence[Result], seconds: float) -> None:
    print(
        json.dumps(
            {
                "name": "ab_error",
                "trials": trials,
                "seconds": round(seconds),
                "figures": {each.name: each.figures for each in results},
                "missed": [each.name for each in results if not each.met],
                "aim": f"false conclusions over a whole test <= {ALPHA}, equal arms found unequal <= {SURE}, each + 3 "
                "standard errors",
                "met": all(each.met for each in results),
            },
            ensure_ascii=False,
            default=str,
        )
    )


if __name__ == "__main__":
    main()
