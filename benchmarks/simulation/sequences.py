"""Trials of Staging against Production whose rows come in batches, and how they end."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from retrain.gate.comparison import swapped
from retrain.live.sequence import Answer, begin, look
from retrain.metrics import METRICS
from retrain.spec.gate import Gate, Measured
from simulation.pairs import (
    CLASSES,
    KINDS,
    WRONG,
    Array,
    Pair,
    differing_labels,
    of_labels,
    unlike_with_equal_f1,
)
from simulation.rules import ALPHA
from simulation.trials import random_numbers

DRAWS = 4_000
"""Instead of the 10,000 of the product."""
MOST, BATCHES = 10_000, (200, 800)
"""Rows at which a trial ends, and in a batch."""
WORTH = 0.006
"""Gain beyond the threshold that is worth waiting for."""
ENDS = ("trial", "its rows", "dropping", "its rows", "each look")
"""What `ended` returns: whether it was promoted and after how many rows, without and with futility; and whether a
permutation test of level alpha at any one look would have promoted."""

_MACRO_F1 = Measured(metric="f1_macro")

Drawn = tuple[Pair, NDArray[np.int64]]
"""The pair in the order in which its rows come, and the cluster of each row."""


@dataclass(frozen=True)
class Trial:
    name: str
    draw: Callable[[np.random.Generator, int], Drawn]
    about: Measured = _MACRO_F1
    threshold: float = 0.0
    most: int = MOST

    @property
    def batches(self) -> tuple[int, int]:
        low, high = BATCHES
        return low * self.most // MOST, high * self.most // MOST


@dataclass(frozen=True)
class Better:
    """Pairs of a kind of which the first is better by so much, each row by itself."""

    gain: float = 0.0
    kind: str = "labels"

    def __call__(self, rng: np.random.Generator, rows: int) -> Drawn:
        return KINDS[self.kind].draw(rng, rows, self.gain), np.arange(rows)


def of_kind(kind: str, most: int) -> Trial:
    gate = Gate.model_validate(KINDS[kind].gate)
    return Trial(f"equal, {gate.metric} n={most}", Better(kind=kind), gate, most=most)


def in_copies(rng: np.random.Generator, rows: int) -> Drawn:
    """Every text four times, its copies in any batch."""
    texts = rng.permutation(np.arange(rows) // 4)
    labels, own, theirs = differing_labels(rng, rows // 4, 0)
    return (labels[texts], own.part(texts), theirs.part(texts)), texts.astype(np.int64)


def drifting(rng: np.random.Generator, rows: int) -> Drawn:
    """Positives go from 20% to 60%, disagreement from 3% to 12%; at each time both models are equally good."""
    time = np.arange(rows) / rows
    labels = (rng.random(rows) < 0.2 + 0.4 * time).astype(np.int64)
    different, draw = 0.03 + 0.09 * time, rng.random(rows)
    both = draw < WRONG - different / 2
    own = both | ((draw >= WRONG - different / 2) & (draw < WRONG))
    theirs = both | ((draw >= WRONG) & (draw < WRONG + different / 2))
    return (labels, of_labels(labels ^ own), of_labels(labels ^ theirs)), np.arange(rows)


@dataclass(frozen=True)
class Unlike:
    """Equal F1, but one finds fewer, with fewer false alarms. share: of positive rows."""

    share: float

    def __call__(self, rng: np.random.Generator, rows: int) -> Drawn:
        return unlike_with_equal_f1(rng, rows, round(self.share * rows)), np.arange(rows)


def ended(trial: Trial, numbers: Sequence[int]) -> list[tuple[float, ...]]:
    return [_ended(trial, random_numbers(trial.name, number), f"{trial.name} {number}") for number in numbers]


def _ended(trial: Trial, rng: np.random.Generator, id: str) -> tuple[float, ...]:
    (labels, own, theirs), clusters = trial.draw(rng, trial.most)
    classes = () if METRICS[trial.about.metric].needs == "numbers" else CLASSES
    states, at_any, rows = {None: begin(DRAWS), WORTH: begin(DRAWS)}, False, 0
    while rows < trial.most and not (at_any and all(each.answer is not Answer.WAIT for each in states.values())):
        rows = min(rows + int(rng.integers(*trial.batches, endpoint=True)), trial.most)
        if not _enough(trial.about, labels[:rows]):
            continue
        found = swapped(
            id,
            trial.about,
            own.part(np.arange(rows)),
            theirs.part(np.arange(rows)),
            labels=labels[:rows],
            classes=classes,
            clusters=clusters[:rows],
            scorers={},
            draws=DRAWS,
        )
        assert found is not None
        states = {
            worth: look(
                state,
                found.gains,
                rows=rows,
                max_rows=trial.most,
                threshold=trial.threshold,
                worth=None if worth is None else worth + trial.threshold,
                alpha=ALPHA,
                over=False,
                slack=found.slack,
            )
            for worth, state in states.items()
        }
        observed = found.gains[0] - trial.threshold
        at_any |= observed > 0 and float(np.mean(found.gains[1:] >= observed - found.slack)) < ALPHA
    whole, dropping = states.values()
    return (
        float(whole.answer is Answer.PROMOTE),
        float(whole.rows),
        float(dropping.answer is Answer.PROMOTE),
        float(dropping.rows),
        float(at_any),
    )


def _enough(about: Measured, labels: Array) -> bool:
    """Whether there are as many positive rows as a gate takes by default."""
    return not METRICS[about.metric].of_class or int((labels == CLASSES.index("yes")).sum()) >= Gate().min_positives
