"""Years of weekly labels under one model, and who raises an alarm in them."""

from collections.abc import Sequence
from dataclasses import dataclass
from math import hypot, inf, sqrt

import numpy as np
from numpy.typing import NDArray

from retrain.live.scan import Look, Promise, Window, scan, windows_of
from simulation.rules import ALPHA
from simulation.trials import random_numbers

WEEKS, ROWS, HOLDOUT, RIGHT = 52, 500, 2_000, 0.8
"""RIGHT: share of rows that the model has right; the score is this share."""
MARGINS = (0.0, 0.01)
RULES = ("scan", "margin 1 pp", "each week")
"""The last one is a z-test at level 0.05 of each week by itself."""
WEEKLY = 1.645
DRAWS = 4_000
"""Instead of the 20,000 of the product: a year takes a tenth of a second."""

Floats = NDArray[np.float64]


@dataclass(frozen=True)
class Year:
    """loss: of the score, in all weeks from `since` on. copies: how often each text occurs, and is right or wrong."""

    name: str
    loss: float = 0.0
    since: int = 0
    copies: int = 1
    across: bool = False
    """Whether the copies of a text come in any week; else all come in one."""


def watched(year: Year, numbers: Sequence[int]) -> list[tuple[float, ...]]:
    """Return the week of the first alarm, from 0, by each of RULES; infinite where there is none."""
    return [_watched(year, random_numbers(year.name, number), f"{year.name} {number}") for number in numbers]


def _watched(year: Year, rng: np.random.Generator, id: str) -> tuple[float, ...]:
    promise = _pooled(*_rows(year, rng, np.full(HOLDOUT, RIGHT)))
    true = np.repeat(RIGHT - year.loss * (np.arange(WEEKS) >= year.since), ROWS)
    right, texts = _rows(year, rng, true)

    def window(last: int, cohorts: int) -> Window:
        rows = slice((last - cohorts) * ROWS, last * ROWS)
        return Window(cohorts, *_pooled(right[rows], texts[rows]))

    looks = [
        Look(ROWS, week / 52, tuple(window(week, each) for each in windows_of(week))) for week in range(1, WEEKS + 1)
    ]
    alarms = [
        [each.alarm for each in scan(id, Promise(*promise), looks, sign=1, margin=margin, alpha=ALPHA, draws=DRAWS)]
        for margin in MARGINS
    ]
    weeks = [window(week, 1) for week in range(1, WEEKS + 1)]
    alarms.append([promise[0] - each.score > WEEKLY * hypot(each.error, promise[1]) for each in weeks])
    return tuple(float(each.index(True)) if any(each) else inf for each in alarms)


def _rows(year: Year, rng: np.random.Generator, true: Floats) -> tuple[Floats, NDArray[np.intp]]:
    """Return whether each row is right, and which text it has; true: how likely it is, one after another."""
    texts = np.arange(len(true)) // year.copies
    if year.across:
        texts = rng.permutation(texts)
    return (rng.random(len(true))[texts] < true).astype(np.float64), texts


def _pooled(right: Floats, texts: NDArray[np.intp]) -> tuple[float, float]:
    """Return the score, and its standard error by text."""
    score = float(right.mean())
    of_text = np.bincount(texts - texts.min(), weights=right - score)
    return score, sqrt(float(of_text @ of_text)) / len(right)
