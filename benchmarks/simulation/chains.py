"""Chains of refits that first get better and then worse, each judged against Production and the anchor."""

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from retrain.gate.anchor import Step, anchor_of
from retrain.gate.judge import judge
from retrain.gate.predictions import Evidence, Predictions
from retrain.records import Matchup, Outcome, Verdict, VersionId
from retrain.spec.gate import Gate
from simulation.pairs import CLASSES

LENGTH, UP, DOWN = 50, 0.002, -0.003
"""So many refits are truly better than Production by the one, and then so many by the other."""
GATE = Gate(metric="accuracy", margin=0.01, floor=0)
_ACCURACY, _DISAGREEMENT = 0.8, 0.06


def lost(rows: int, numbers: Sequence[int]) -> list[float]:
    """Return by how much the last Production of each chain is truly worse than its best one."""
    found = []
    for number in numbers:
        rng = np.random.default_rng([2_026, rows, number])
        found.append(_lost(rng, rows, str(number)))
    return found


def _lost(rng: np.random.Generator, rows: int, name: str) -> float:
    levels, steps = [0.0], [Step(VersionId("0", None), None, forward=True)]  # a version's number is its place
    for place, gain in enumerate([UP] * LENGTH + [DOWN] * LENGTH):
        challenger = levels[-1] + gain
        verdict = _judged(rng, rows, f"{name} {place}", challenger=challenger, levels=levels, steps=steps)
        if verdict.outcome is Outcome.PROMOTE:
            steps.append(Step(VersionId(str(len(levels)), None), verdict, forward=True))
            levels.append(challenger)
    return max(levels) - levels[-1]


def _judged(
    rng: np.random.Generator, rows: int, name: str, *, challenger: float, levels: list[float], steps: list[Step]
) -> Verdict:
    """challenger, levels: how much better each is than the first version. Each has a new holdout."""
    anchor = anchor_of(steps, metric=GATE.metric, positive=None, split_version=1)
    place = int(anchor.number) if anchor else 0
    asked = place != len(levels) - 1
    labels = (rng.random(rows) < 0.5).astype(np.int64)
    common = rng.random(rows) < _ACCURACY
    about = Matchup(
        id=f"chain {rows} {name}",
        model="m",
        candidate="c",
        snapshot="s",
        run_id="r",
        version="next",
        production=str(len(levels) - 1),
        anchor=str(place) if asked else None,
        same_recipe=True,
        holdout_round=1,
        test=1,
    )

    def predicted(level: float) -> Predictions:
        right = _right(rng, common, level - levels[-1])
        return Predictions(np.where(right, labels, 1 - labels), inputs={})

    return judge(
        Evidence(
            matchup=about,
            classes=CLASSES,
            labels=labels,
            challenger=predicted(challenger),
            production=predicted(levels[-1]),
            anchor=predicted(levels[place]) if asked else None,
            clusters=np.arange(rows),
        ),
        GATE,
    )


def _right(rng: np.random.Generator, common: NDArray[np.bool_], level: float) -> NDArray[np.bool_]:
    """Return where a version is right that is by so much better than what all have in common.

    Each version differs from that on rows of its own, so that two differ on `_DISAGREEMENT`.
    """
    changed = max(_DISAGREEMENT / 2, abs(level))
    gained, given = (changed + level) / 2 / (1 - _ACCURACY), (changed - level) / 2 / _ACCURACY
    return common ^ (rng.random(len(common)) < np.where(common, given, gained))
