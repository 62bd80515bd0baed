"""How the models of the spec as it is do on each part of the time: while they serve, and if they had stayed."""

from collections.abc import Sequence

import numpy as np

from retrain.backtest.compared import AgedModel, Block
from retrain.backtest.replayed import Aged, Backtest, Replayed
from retrain.gate.comparison import metric_value
from retrain.gate.labels import Integers
from retrain.gate.predictions import Scorers
from retrain.gate.scorers import scorers_for

MODELS, PERIODS = 12, 12
"""Of the picture: more have no room for numbers."""
_ROWS = 24_000
"""Rows that the models are asked about, all together evenly over the time."""
_LEAST_ROWS = 100
"""With fewer, a cell is empty."""


def wanted(replayed: Replayed) -> list[tuple[int, Integers]]:
    """Return which models to ask about which rows: the place of the promotion, and places of rows.

    These are the first Production, the last and some between, and an even sample of the rows from when each began to
    serve.
    """
    sample = np.arange(0, len(replayed.served), max(1, -(-len(replayed.served) // _ROWS)))
    asked = []
    for decision in _some([*dict.fromkeys(replayed.served.tolist())]):
        begins = int(np.flatnonzero(replayed.served == decision)[0])
        asked.append((decision, sample[sample >= begins].astype(np.int64)))
    return asked


def matrix(backtest: Backtest, periods: Sequence[Block]) -> tuple[AgedModel, ...]:
    """Return the score of each model in each period; where the engine asked none, in those alone where it served."""
    own = backtest.replays[0]
    scorers = scorers_for([backtest.spec.gate], backtest.spec.task, backtest.classes)
    aged = backtest.aged or tuple(_served(own, each) for each in _some([*dict.fromkeys(own.served.tolist())]))
    return tuple(_model(backtest, each, periods, scorers) for each in aged)


def _some(places: list[int]) -> list[int]:
    """Return at most `MODELS` of them, the first and the last too, evenly."""
    if len(places) <= MODELS:
        return places
    return [places[round(each)] for each in np.linspace(0, len(places) - 1, MODELS)]


def _served(replayed: Replayed, decision: int) -> Aged:
    rows = np.flatnonzero(replayed.served == decision).astype(np.int64)
    return Aged(decision, rows, replayed.predictions.part(rows))


def _model(backtest: Backtest, aged: Aged, periods: Sequence[Block], scorers: Scorers) -> AgedModel:
    own = backtest.replays[0]
    decision, served = own.decisions[aged.decision], own.served == aged.decision
    scores = list[float | None]()
    for each in periods:
        inside = np.flatnonzero((aged.rows >= each.first_row) & (aged.rows < each.after_row))
        about = aged.rows[inside]
        scores.append(
            None
            if len(about) < _LEAST_ROWS
            else metric_value(
                backtest.spec.gate,
                aged.predictions.part(inside),
                labels=backtest.labels[about],
                classes=backtest.classes,
                scorers=scorers,
            )
        )
    return AgedModel(
        at=decision.at,
        model=decision.challenger,
        scores=tuple(scores),
        served=tuple(bool(served[each.first_row : each.after_row].any()) for each in periods),
    )
