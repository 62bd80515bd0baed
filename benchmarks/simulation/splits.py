"""Whole split tests, simulated day by day through `retrain.ab.decide`: units are drawn, and summed by day and arm."""

import json
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from functools import partial
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from retrain.ab.decide import decide
from retrain.ab.effect import estimate
from retrain.ab.seen import Seen
from retrain.arms import Counts, Exposed, Pair, Split, SplitLook, SplitStep, Sums
from retrain.spec.ab import Method, SplitTest

DAYS, WINDOW = 56, 7
ALPHA = 0.05
BEGAN = datetime(2026, 1, 5, tzinfo=UTC)
HISTORY = 20_000
"""Units of before, by which amounts are cut and the weight of CUPED is set."""

Floats = NDArray[np.float64]
Days = NDArray[np.int64]
Dice = np.random.Generator
Drawn = tuple[Floats, Floats]
"""A unit's value, and its denominator: shape (units,) each."""
Draw = Callable[[Dice, Dice, Days, float], Drawn]
"""Of units by the day of each, in an arm with this effect, relative; the first generator draws the history, the same
for both arms."""

HALF = [{"share": 0.5}]
RAMP = [{"share": 0.01}, {"share": 0.1}, {"share": 0.5}]


class Metric(NamedTuple):
    kind: str
    draw: Draw
    margin: float | None = None
    """Of a guardrail, in its units."""
    better: str = "higher"


@dataclass(frozen=True)
class Case:
    name: str
    metric: Metric
    units: int
    """A day, in both arms together once Staging's share is a half."""
    effect: float = 0.0
    """Of Staging, relative to the metric's mean."""
    interest: float = 0.005
    """Smallest effect of interest, in the metric's units."""
    ramp: Sequence[dict[str, Any]] = field(default_factory=lambda: HALF)
    guardrails: tuple[Metric, ...] = ()


class Ended(NamedTuple):
    answer: str
    day: int


class Outcome(NamedTuple):
    ended: tuple[Ended, ...]
    """By each method."""
    peeked: bool
    """Whether a t-test at alpha, on each day, would have found any difference."""
    fixed: bool
    """Whether one at the end finds that Staging is better."""


def run(case: Case, numbers: Sequence[int]) -> list[Outcome]:
    """Run the trials with these numbers."""
    return [_trial(case, number) for number in numbers]


def _trial(case: Case, number: int) -> Outcome:
    rng = np.random.default_rng([28, number, *case.name.encode()])
    phase = np.minimum(np.arange(DAYS) // 7, len(case.ramp) - 1)
    shares = np.array([each["share"] for each in case.ramp])[phase]
    exposed = rng.poisson(case.units * shares[:, None], (DAYS, 2))
    metrics = (case.metric, *case.guardrails)
    sums = [
        [
            _sums(rng, [number, place], metric, exposed[:, arm], case.effect if arm and not place else 0.0)
            for arm in range(2)
        ]
        for place, metric in enumerate(metrics)
    ]
    seen = [_seen(day, phase, exposed, sums) for day in range(1, DAYS + 1)]
    z = [found.difference / found.error if found and found.error else 0 for found in map(_primary, seen)]
    ended = tuple(_ended(_wanted(case, method), seen) for method in Method)
    return Outcome(ended, bool((np.abs(z) > 1.96).any()), bool(z[-1] > 1.96))


def _sums(rng: Dice, history: Sequence[int], metric: Metric, units: Days, effect: float) -> Floats:
    """Return y, d, yy, dd, yd of the units that were exposed until each day, shape (days + 1, 5)."""
    day = np.repeat(np.arange(DAYS), units)
    y, d = metric.draw(np.random.default_rng(history), rng, day, effect)
    found = [np.bincount(day, each, DAYS) for each in (y, d, y * y, d * d, y * d)]
    return np.vstack([np.zeros(5), np.cumsum(found, axis=1).T])


def _seen(day: int, phase: Days, exposed: Days, sums: Sequence[Sequence[Floats]]) -> Seen:
    matured = max(0, day - WINDOW)
    units = np.vstack([np.zeros(2, np.int64), exposed.cumsum(axis=0)])
    pairs = []
    for arms in sums:
        phases = []
        for number in range(phase[-1] + 1):
            first, last = np.searchsorted(phase, [number, number + 1])
            first, last = min(first, matured), min(last, matured)
            of = [
                Sums(
                    units=int(units[last, arm] - units[first, arm]),
                    **dict(
                        zip(("y", "d", "yy", "dd", "yd"), (arms[arm][last] - arms[arm][first]).tolist(), strict=True)
                    ),
                )
                for arm in range(2)
            ]
            phases.append(Pair(production=of[0], staging=of[1]))
        pairs.append(tuple(phases))
    days = tuple(
        Exposed(day=BEGAN, phase=number, production=int(both[0]), staging=int(both[1]))
        for number in range(phase[-1] + 1)
        for both in [exposed[:day][phase[:day] == number].sum(axis=0)]
    )
    total = int(units[day].sum())
    return Seen(
        days, Counts(exposed=total, matured=int(units[matured].sum()), crossed=0, before=0, late=0), tuple(pairs)
    )


def _primary(seen: Seen) -> Any:
    return estimate(seen.pairs[0])


def _wanted(case: Case, method: Method) -> SplitTest:
    names = ("primary", *(f"guard_{place}" for place in range(len(case.guardrails))))
    described = [_described(*each) for each in zip(names, (case.metric, *case.guardrails), strict=True)]
    return SplitTest.model_validate_json(
        json.dumps(
            {
                "primary": described[0],
                "guardrails": described[1:],
                "effect": case.interest,
                "alpha": ALPHA,
                "ramp": list(case.ramp),
                "method": method.value,
            }
        )
    )


def _described(name: str, metric: Metric) -> dict[str, Any]:
    outcome = {"table": "t"} if metric.kind == "binary" else {"table": "t", "value": "v"}
    if metric.kind == "ratio":
        outcome["per"] = "d"
    margin = {} if metric.margin is None else {"margin": metric.margin}
    return {"name": name, "kind": metric.kind, "better": metric.better, "outcome": outcome, **margin}


def _ended(wanted: SplitTest, seen: Sequence[Seen]) -> Ended:
    split = Split(
        id="Simulated/1",
        model="Simulated",
        version="2",
        identity=None,
        production="1",
        production_identity=None,
        began=BEGAN,
        ends=BEGAN + wanted.longest,
        by="nobody",
        why="to see how often it errs",
        baselines=(),
    )
    step, looks = SplitStep(phase=0, began=BEGAN, ends=split.ends), list[SplitLook]()
    for day, each in enumerate(seen, 1):
        looks.append(decide(wanted, split, [step], looks, each, BEGAN + timedelta(days=day)))
        if looks[-1].answer != "wait":
            break
    return Ended(looks[-1].answer, len(looks))


# ── units


def yes(share: float, season: bool = False) -> Draw:
    """Units with an outcome; with a season, more at weekends, and more as time goes on."""
    return partial(_yes, share, season)


def _yes(share: float, season: bool, _: Dice, rng: Dice, day: Days, effect: float) -> Drawn:
    p = share * (1 + effect) * (_season(day) if season else 1.0)
    return (rng.random(len(day)) < p).astype(float), np.ones(len(day))


def _season(day: Days) -> Floats:
    found: Floats = (1 + 0.3 * (day % 7 >= 5)) * (1 + day / DAYS)
    return found


def amounts(buyers: float, spent: Callable[[Dice, int], Floats]) -> Draw:
    """Revenue: few buy, and some for very much; cut where 1% of the buyers of before spent more."""
    return partial(_amounts, buyers, spent)


def _amounts(  # noqa: PLR0917 - the first two are bound in `amounts`
    buyers: float, spent: Callable[[Dice, int], Floats], history: Dice, rng: Dice, day: Days, effect: float
) -> Drawn:
    cap = np.quantile(spent(history, round(HISTORY * buyers)), 0.99)
    bought = rng.random(len(day)) < buyers * (1 + effect)
    y = np.zeros(len(day))
    y[bought] = np.minimum(spent(rng, int(bought.sum())), cap)
    return y, np.ones(len(day))


def lognormal(rng: Dice, size: int) -> Floats:
    return rng.lognormal(3, 2, size)


def pareto(rng: Dice, size: int) -> Floats:
    """Without a variance, but for the cut."""
    return 10 * (1 + rng.pareto(1.5, size))


def clicks(_: Dice, rng: Dice, day: Days, effect: float) -> Drawn:
    """Clicks a view: some have very many views, and each unit a rate of its own."""
    views = 1 + rng.poisson(rng.gamma(0.5, 20, len(day)))
    rate = rng.beta(2, 18, len(day)) * (1 + effect)
    return rng.binomial(views, rate).astype(float), views.astype(float)


def rows(_: Dice, rng: Dice, day: Days, effect: float) -> Drawn:
    """How many rows a unit has: those of one come together."""
    return rng.poisson(rng.gamma(0.2, 10 * (1 + effect), len(day))).astype(float), np.ones(len(day))


def adjusted(history: Dice, rng: Dice, day: Days, effect: float) -> Drawn:
    """What is spent, adjusted by what was spent before (CUPED), with the weight and the mean of the history."""

    def spent(dice: Dice, size: int) -> Drawn:
        likes = dice.gamma(0.5, 2, size)
        return dice.poisson(likes).astype(float), dice.poisson(likes).astype(float)

    old, later = spent(history, HISTORY)
    weight = np.cov(old, later)[0, 1] / old.var(ddof=1)
    before, y = spent(rng, len(day))
    return y * (1 + effect) - weight * (before - old.mean()), np.ones(len(day))
