"""The simulated trials: each draws a new holdout and asks every rule."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from zlib import crc32

import numpy as np

from retrain.records import Proof
from retrain.spec.gate import Gate, Spending
from simulation.pairs import KINDS, differing_labels, equally_good, unlike_with_equal_f1
from simulation.rules import ALPHA, Decisions, decide

TESTS, POINT = 5, 0.01
_SAME = "auto, the same recipe"
# What each proof must not let through: the gate's fields, and how much better the challenger truly is.
PROOFS: dict[str, tuple[dict[str, object], float]] = {
    "superiority": ({"proof": Proof.SUPERIORITY}, 0.0),
    "min_gain": ({"proof": Proof.SUPERIORITY, "min_gain": POINT}, POINT),
    "non_inferiority": ({"proof": Proof.NON_INFERIORITY, "margin": POINT}, -POINT),
    "auto, another recipe": ({"proof": Proof.AUTO, "margin": POINT}, 0.0),
    _SAME: ({"proof": Proof.AUTO, "margin": POINT}, -POINT),
}

Trials = Callable[[Sequence[int]], list[Decisions]]
"""The numbers of the trials: what the rules decide in each."""


@dataclass(frozen=True)
class Setting:
    """What is drawn and judged over and over."""

    name: str
    kind: str
    gate: Gate
    rows: int
    gain: float
    copies: int = 1
    same_recipe: bool = False

    @property
    def costly(self) -> bool:
        """Whether one trial takes a third of a second."""
        return self.rows >= 10_000 and self.kind != "labels"


def random_numbers(name: str, number: int) -> np.random.Generator:
    """The generator of one trial, the same in every run of the benchmark."""
    return np.random.default_rng([2_026, crc32(name.encode()), number])


def level(kind: str, proof: str, rows: int, copies: int = 1) -> Setting:
    """The challenger is exactly as good as the proof must not let through."""
    fields, gain = PROOFS[proof]
    gate = Gate.model_validate({**KINDS[kind].gate, **fields, "alpha": ALPHA, "tests": 1})
    name = f"{proof} {gate.metric} n={rows}" + (f" in copies of {copies}" if copies > 1 else "")
    return Setting(name, kind, gate, rows, gain, copies, proof == _SAME)


def power(tests: int) -> Setting:
    gate = Gate(metric="f1_macro", alpha=ALPHA, tests=tests)
    return Setting(f"+2.6 pp f1_macro n=2000, {tests} test{'s'[: tests > 1]} a round", "labels", gate, 2_000, 0.026)


def repeated(setting: Setting, numbers: Sequence[int]) -> list[Decisions]:
    found = []
    for number in numbers:
        rng = random_numbers(setting.name, number)
        pair = KINDS[setting.kind].draw(rng, setting.rows // setting.copies, setting.gain)
        rows = np.repeat(np.arange(setting.rows // setting.copies), setting.copies)
        found.append(decide(f"{setting.name} {number}", setting.gate, pair, rows, same_recipe=setting.same_recipe))
    return found


def unlike(rows: int, alpha: float, numbers: Sequence[int]) -> list[Decisions]:
    """A cautious challenger with exactly Production's F1, on as few positive rows as a gate takes by default."""
    gate, found = Gate(metric="f1", positive="yes", alpha=alpha, tests=1), []
    for number in numbers:
        pair = unlike_with_equal_f1(random_numbers(f"unlike {rows}", number), rows, gate.min_positives)
        found.append(decide(f"unlike {rows} {number}", gate, pair, np.arange(rows)))
    return found


def holdout_rounds(spending: Spending | None, numbers: Sequence[int]) -> list[Decisions]:
    """Whether each rule promotes any of a round's equal challengers. spending: of alpha; None for alpha at each."""
    tests = {"tests": 1} if spending is None else {"tests": TESTS, "spending": spending}
    gate, found = Gate.model_validate({"metric": "f1_macro", "alpha": ALPHA, **tests}), []
    for number in numbers:
        rng = random_numbers("epoch", number)  # the seed of the figures in docs/decisions/gate.md
        labels, _, production = differing_labels(rng, 2_000, 0)
        rows = np.arange(len(labels))
        tests = [
            decide(
                f"round {number} {test}",
                gate,
                (labels, equally_good(rng, labels, production), production),
                rows,
                test=1 if spending is None else test + 1,
            )
            for test in range(TESTS)
        ]
        found.append(tuple(np.max(tests, axis=0)))
    return found


def best_of(many: int, on_holdout: bool, numbers: Sequence[int]) -> list[Decisions]:
    """The best of so many equal challengers, chosen on validation data or, as it should not be, on the holdout."""
    gate, found = Gate(metric="f1_macro", alpha=ALPHA, tests=1), []
    for number in numbers:
        rng = random_numbers(f"best of {many}", number)
        labels, _, production = differing_labels(rng, 4_000, 0)
        holdout, validation = np.arange(2_000), np.arange(2_000, 4_000)
        chosen_on = holdout if on_holdout else validation
        challengers = [equally_good(rng, labels, production) for _ in range(many)]
        best = max(challengers, key=lambda each: int((each.labels == labels)[chosen_on].sum()))
        found.append(decide(f"best of {many} {number}", gate, (labels, best, production), holdout))
    return found
