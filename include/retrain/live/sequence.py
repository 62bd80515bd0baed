"""The test of a trial: Staging against Production on labels that come later, with a look whenever some have come.

A cluster of rows swaps its two answers in the same draws at every look (`retrain.gate.swaps`): so the draws are whole
trials of two equal models, and it is known of each whether it would have promoted by now. At each look as many may have
as its share of the trial's rows allows of alpha. Not the test at each look is exact, but all of them together.

The same draws with `worth` added are trials of a model that is better by so much: a fifth of these may be given up.
"""

from dataclasses import dataclass
from enum import StrEnum
from math import floor, inf

import numpy as np
from numpy.typing import NDArray

from retrain.gate.labels import Floats

_GIVEN_UP = 0.2
"""Share of the trials of a model that is worth it which may end without it: it has a power of 4 in 5."""


class Answer(StrEnum):
    PROMOTE = "promote"
    DROP = "drop"
    """What a model that is worth it would hardly show: there is no use in waiting."""
    HOLD = "hold"
    """The end has come, and nothing is shown."""
    WAIT = "wait"


@dataclass(frozen=True)
class State:
    """What the looks until now leave to the next one."""

    rows: int
    time: float
    """Which share of the trial has passed, 0 to 1."""
    spent: int
    """Draws that would have promoted."""
    lost: int
    """Draws of a model that is worth it which would have been dropped."""
    bound: float
    """What the gain beyond the threshold had to exceed; infinite where nothing would have done."""
    floor: float
    """Below what it would have been dropped; minus infinite where nothing would."""
    alive: bytes
    """Packed bits, shape (draws + 1,): the trial itself, and the draws that have not promoted."""
    able: bytes
    """Packed bits, shape (draws,): the draws of a model that is worth it whose trial goes on."""
    answer: Answer = Answer.WAIT


def begin(draws: int) -> State:
    """Return the state before the first look."""
    return State(0, 0.0, 0, 0, inf, -inf, _packed(np.ones(draws + 1, np.bool_)), _packed(np.ones(draws, np.bool_)))


def look(
    state: State,
    gains: Floats,
    *,
    rows: int,
    max_rows: int,
    threshold: float,
    worth: float | None,
    alpha: float,
    over: bool,
    slack: float,
) -> State:
    """Return the state after a look at all rows of the trial until now, with the answer.

    gains: of `retrain.gate.comparison.swapped`, shape (draws + 1,); NaN counts as minus infinite. rows: how many there
    are by now. max_rows: at how many the trial ends. threshold: what the gain must exceed; below 0 for a margin. worth:
    a gain, above the threshold, that should be seen in 4 of 5 trials; None: no trial is dropped. alpha: of the whole
    trial. over: whether its time is up, so that what is left of alpha is spent at this look. slack: a smaller
    difference is a tie.

    Without new rows, and after an answer that has ended the trial, it is the last state again. Raises
    ValueError where the gains are of another number of draws than the trial began with.
    """
    draws = len(gains) - 1
    alive, able = _unpacked(state.alive, draws + 1), _unpacked(state.able, draws)
    if state.answer is not Answer.WAIT or (rows <= state.rows and not over):
        return state
    time = 1.0 if over else min(rows / max_rows, 1.0)
    beyond = np.where(np.isnan(gains), -inf, gains)
    beyond[0] -= threshold
    more = floor(alpha * time * (draws + 1)) - state.spent
    bound = max(0.0, -_ranked(-beyond[alive], more)) if more >= 1 else inf
    passed = alive & (beyond > bound + slack)

    worthy, least = beyond[1:] + (worth or 0.0) - threshold, -inf
    more = floor(_GIVEN_UP * time * draws) - state.lost
    if worth is not None and more >= 1:
        least = min(bound, _ranked(worthy[able], more))
    given_up = able & (worthy < least)
    answer = Answer.HOLD if time == 1 else Answer.WAIT
    if passed[0]:
        answer = Answer.PROMOTE
    elif given_up.any() and beyond[0] <= worthy[given_up].max():
        # Not merely below `least`: where few clusters differ, gains come in steps, and between two of them is none.
        answer = Answer.DROP
    return State(
        rows=rows,
        time=time,
        spent=state.spent + int(passed.sum()),
        lost=state.lost + int(given_up.sum()),
        bound=bound,
        floor=least,
        alive=_packed(alive & ~passed),
        able=_packed(able & (least <= worthy) & (worthy <= bound)),
        answer=answer,
    )


def _ranked(values: Floats, place: int) -> float:
    """Return the value at this place, from 0, in order; infinite where there are not as many."""
    return float(np.partition(values, place)[place]) if place < len(values) else inf


def _packed(values: NDArray[np.bool_]) -> bytes:
    return np.packbits(values).tobytes()


def _unpacked(stored: bytes, count: int) -> NDArray[np.bool_]:
    bits = np.frombuffer(stored, np.uint8)
    if len(bits) != -(-count // 8):
        raise ValueError(
            f"{count} draws do not fit the {len(bits)} bytes of a state: a trial keeps its number of draws"
        )
    return np.unpackbits(bits, count=count).astype(np.bool_)
