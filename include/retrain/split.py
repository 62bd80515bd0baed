"""On which side of the split a row falls (DESIGN rules 3 and 4).

A row's side follows from its content key, a keyed 64-bit hash of its normalised features: rows with the same content
fall on one side, and a row never changes from training to holdout. Holdout rows come in epochs: those of the newest
epoch judge, those of earlier epochs train, and those that have arrived since wait until they are enough for the next.
"""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from retrain.nouns import Side
from retrain.spec import Split

UNASSIGNED = 0
"""Epoch of a row that belongs to none: outside of the holdout's range, or waiting."""

SIDES = (Side.TRAIN, Side.VALIDATION, Side.HOLDOUT, Side.WAITING)
TRAIN, VALIDATION, HOLDOUT, WAITING = range(4)


@dataclass(frozen=True, eq=False)
class Epochs:
    """Which content keys each holdout epoch holds, as the last consumed snapshot says."""

    content: NDArray[np.int64]
    epoch: NDArray[np.int64]
    """Both of shape (keys,); epochs count from 1."""
    current: int
    """The epoch that judged. Not the greatest of `epoch`: were its rows deleted, an earlier one would judge again."""


NO_EPOCHS = Epochs(np.empty(0, np.int64), np.empty(0, np.int64), UNASSIGNED)


@dataclass(frozen=True, eq=False)
class Sides:
    code: NDArray[np.int64]
    """Shape (rows,): position in `SIDES`."""
    epoch: NDArray[np.int64]
    """Shape (rows,): holdout epoch, `UNASSIGNED` where none."""
    current: int
    """The epoch that judges."""


def position(content: NDArray[np.int64]) -> NDArray[np.float64]:
    """Where each content key lies in [0, 1), evenly spread because the key is a hash."""
    # 53 bits, which a double holds exactly: 64 would round some keys up to 1.0
    return (content.view(np.uint64) >> np.uint64(11)).astype(np.float64) / 2.0**53


def sides(content: NDArray[np.int64], split: Split, known: Epochs, epoch_rows: int) -> Sides:
    """The side and the holdout epoch of every row.

    content: shape (rows,), content keys. known: what the last consumed snapshot holds; empty for the first.
    epoch_rows: distinct waiting contents that open the next epoch; fewer will do where the current one has no rows.
    """
    where = position(content)
    in_holdout = where < split.holdout
    epoch = np.where(in_holdout, _inherited(content, known), UNASSIGNED)
    unassigned = in_holdout & (epoch == UNASSIGNED)
    current = known.current
    if current not in known.epoch or len(np.unique(content[unassigned])) >= epoch_rows:
        current += 1
        epoch[unassigned] = current
    code = np.full(len(content), TRAIN, np.int64)
    code[~in_holdout & (where < split.holdout + split.validation)] = VALIDATION
    code[in_holdout & (epoch == current)] = HOLDOUT
    code[in_holdout & (epoch == UNASSIGNED)] = WAITING
    return Sides(code, epoch, current)


def _inherited(content: NDArray[np.int64], known: Epochs) -> NDArray[np.int64]:
    if not len(known.content):
        return np.full(len(content), UNASSIGNED, np.int64)
    order = np.argsort(known.content, kind="stable")
    ranked = known.content[order]
    slot = np.searchsorted(ranked, content).clip(max=len(ranked) - 1)
    return np.where(ranked[slot] == content, known.epoch[order][slot], UNASSIGNED)
