"""How often the two methods of `retrain.live` err, and what they see: simulated, with the truth known exactly.

The alarm (`scan`), over a year of 52 weeks of 500 rows, promised by a holdout of 2,000: with and without a margin of 1
point, and beside it what a team would write first, a z-test at level 0.05 each week.

false        the promise is kept: each row a text of its own, four copies of each text in one week, four in any weeks
loss         of 2, 5 and 10 points from the first week on, and from week 26 on: the share of years in which it is seen
             (and no false alarm came before), and the rows after which half of all years have seen it

The test of a trial (`sequence`), with looks at batches of 200 to 800 rows up to 10,000; `dropping` gives up what hardly
gains 0.6 points. Beside it on the same rows: a permutation test at alpha at each look, promoted by any.

equal        false promotions of models that are exactly as good, or as good as must not be promoted: plain; four
             copies of each text in any batches; label shares and disagreement that drift; min_gain and margin of 1
             point; equal F1 of unlike models; and the other kinds of metric up to 2,000 rows
better       by 0.6, 1.3 and 2.6 points of macro F1: how often promoted, and after how many rows; beside it `judge`, as
             a cycle calls it, on 833 rows and on as many as the trials took

4,000 draws instead of the product's 10,000 and 20,000.
"""

import argparse
import json
import multiprocessing
import os
import time
from collections.abc import Callable, Sequence
from concurrent.futures import ProcessPoolExecutor
from dataclasses import dataclass
from functools import partial
from typing import Any

import numpy as np
from numpy.typing import NDArray
from simulation.rules import ALPHA
from simulation.sequences import Better, Trial, Unlike, drifting, ended, in_copies, of_kind
from simulation.trials import Setting, repeated
from simulation.weeks import ROWS, RULES, WEEKS, Year, watched

from retrain.spec.gate import Gate, Measured

POWER, SEEN = 0.8, 0.013
"""Of trials of a model that is better by SEEN."""
_PART = 10
"""Trials that a process takes at a time."""
_POINT = 0.01
_F1 = Measured(metric="f1", positive="yes")

KEPT = (
    Year("kept"),
    Year("kept, 4 copies a week", copies=4),
    Year("kept, 4 copies in any weeks", copies=4, across=True),
)
LOSSES = [
    Year(f"-{100 * loss:.0f} pp from week {since}", loss, since) for since in (0, 26) for loss in (0.02, 0.05, 0.1)
]
EQUAL = (
    Trial("equal", Better()),
    Trial("equal, 4 copies in any batches", in_copies),
    Trial("equal, drifting", drifting),
    Trial("equal to min_gain 1 pp", Better(_POINT), threshold=_POINT),
    Trial("equal to margin 1 pp", Better(-_POINT), threshold=-_POINT),
    Trial("equal F1, unlike, 5% positives", Unlike(0.05), _F1),
    Trial("equal F1, unlike, 2% positives", Unlike(0.02), _F1),
    *(of_kind(each, 2_000) for each in ("ranks", "probabilities", "numbers")),
)
BETTER = {gain: Trial(f"better by {100 * gain:.1f} pp", Better(gain)) for gain in (0.006, SEEN, 0.026)}

Figures = dict[str, Any]


@dataclass(frozen=True)
class Result:
    name: str
    figures: Figures
    met: bool = True


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--trials", type=int, default=1_000)
    parser.add_argument("--short", action="store_true", help="12 trials of each")
    parser.add_argument("--only", default="", help="what is simulated and has this text in its name, such as equal")
    arguments = parser.parse_args()
    trials = 12 if arguments.short else arguments.trials
    # For the processes that are started below: two that each use both processors wait for each other.
    os.environ["OPENBLAS_NUM_THREADS"] = os.environ["OMP_NUM_THREADS"] = "1"
    begun = time.monotonic()
    with ProcessPoolExecutor(2, mp_context=multiprocessing.get_context("spawn")) as pool:
        results = [
            result
            for kind, named in (
                (_false_alarms, KEPT),
                (_seen, LOSSES),
                (_false_promotions, EQUAL),
                (_power, BETTER.values()),
            )
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
        print(f"{each.name:<34}{figures}{'' if found[-1].met else '  MISSED'}", flush=True)
    return found


def _all(pool: ProcessPoolExecutor, run: Callable[[Sequence[int]], list[Any]], trials: int) -> NDArray[np.float64]:
    parts = [range(start, min(start + _PART, trials)) for start in range(0, trials, _PART)]
    return np.array([each for part in pool.map(run, parts) for each in part])


def _most(trials: int) -> float:
    """Return the greatest share of errors that is within three standard errors of alpha."""
    return ALPHA + 3 * (ALPHA * (1 - ALPHA) / trials) ** 0.5


# ── the alarm


def _false_alarms(pool: ProcessPoolExecutor, year: Year, trials: int) -> Result:
    """Years with a false alarm"""
    first = _all(pool, partial(watched, year), trials)
    shares = np.isfinite(first).mean(axis=0)
    return Result(year.name, _by(RULES, shares), bool((shares[:-1] <= _most(trials)).all()))


def _seen(pool: ProcessPoolExecutor, year: Year, trials: int) -> Result:
    """Years that see a loss, and the rows after which half of them have"""
    first = _all(pool, partial(watched, year), trials)
    seen = np.isfinite(first) & (first >= year.since)
    weeks = np.where(seen, first - year.since + 1, WEEKS + 1)
    rows = [f"{ROWS * each:,.0f}" if each <= WEEKS else "–" for each in np.median(weeks, axis=0)]
    shares = _by(RULES, seen.mean(axis=0))
    return Result(year.name, {name: f"{shares[name]} / {each}" for name, each in zip(RULES, rows, strict=True)})


# ── the trial


def _false_promotions(pool: ProcessPoolExecutor, trial: Trial, trials: int) -> Result:
    """Trials that promote what they should not"""
    found = _all(pool, partial(ended, trial), trials)
    shares = found[:, [0, 2, 4]].mean(axis=0)
    figures = _by(("trial", "dropping", "each look"), shares)
    return Result(trial.name, {**figures, **_rows(found)}, bool((shares[:2] <= _most(trials)).all()))


def _power(pool: ProcessPoolExecutor, trial: Trial, trials: int) -> Result:
    """Trials that promote a better model, and one test by `judge`"""
    assert isinstance(trial.draw, Better)
    found = _all(pool, partial(ended, trial), trials)
    figures = {**_by(("trial", "dropping"), found[:, [0, 2]].mean(axis=0)), **_rows(found)}
    gate = Gate(metric="f1_macro", alpha=ALPHA, tests=1)
    for rows in (833, int(figures["rows"])):
        setting = Setting(f"{trial.name} n={rows}", "labels", gate, rows, trial.draw.gain)
        figures[f"judge on {rows:,}"] = round(float(_all(pool, partial(repeated, setting), trials)[:, 0].mean()), 3)
    return Result(trial.name, figures, trial.draw.gain < SEEN or figures["trial"] >= POWER)


def _rows(found: NDArray[np.float64]) -> Figures:
    """Return after how many rows the trials ended in the mean, without and with dropping."""
    return {"rows": round(found[:, 1].mean()), "rows, dropping": round(found[:, 3].mean())}


def _by(names: Sequence[str], shares: NDArray[np.float64]) -> Figures:
    return {name: round(float(share), 3) for name, share in zip(names, shares, strict=True)}


# ── report


def _report(trials: int, results: Sequence[Result], seconds: float) -> None:
    print(
        json.dumps(
            {
                "name": "live_error",
                "trials": trials,
                "seconds": round(seconds),
                "figures": {each.name: each.figures for each in results},
                "missed": [each.name for each in results if not each.met],
                "aim": f"false alarms a year and false promotions a trial <= {ALPHA} + 3 standard errors; "
                f"power >= {POWER} at +{100 * SEEN:.1f} pp",
                "met": all(each.met for each in results),
            },
            ensure_ascii=False,
        )
    )


if __name__ == "__main__":
    main()
