"""A challenger that is better beyond doubt, for tests of guards: only a guard can hold it."""

import numpy as np

from retrain.gate.judge import judge
from retrain.gate.predictions import Evidence, Predictions
from retrain.records import Matchup, Outcome
from retrain.spec.gate import Gate

ROWS = 1_000
LABELS = np.arange(ROWS) % 2
INPUTS = {"age": "double", "text": "string"}
EVERY = np.ones(ROWS, bool)
PLACES = np.arange(ROWS)

RIGHT = np.where(np.arange(ROWS) < 100, 1 - LABELS, LABELS)
"""The challenger's predictions: wrong on the first hundred rows."""
WRONG = np.where(np.arange(ROWS) < 300, 1 - LABELS, LABELS)


def ours(**changes):
    return Predictions(**{"labels": RIGHT, "inputs": INPUTS, **changes})


def theirs(**changes):
    return Predictions(**{"labels": WRONG, "inputs": INPUTS, **changes})


def judged(challenger=None, production=None, *, labels=LABELS, classes=("fail", "pass"), anchor=None, gate, **changes):
    """The verdict on a challenger that is better beyond doubt: what holds it is a guard."""
    about = Matchup(
        id="t1",
        model="m",
        candidate="c",
        snapshot="s",
        run_id="r",
        version="2",
        production="1",
        anchor=anchor and "0",
        holdout_round=1,
        test=1,
    )
    return judge(
        Evidence(
            matchup=about,
            classes=classes,
            labels=labels,
            challenger=challenger or ours(),
            production=production or theirs(),
            anchor=anchor,
            clusters=changes.pop("clusters", np.arange(len(labels))),
            **changes,
        ),
        gate,
    )


def gate(**changes):
    return Gate(**{"metric": "accuracy", "tests": 1, **changes})


def passes(verdict, name):
    (guard,) = [guard for guard in verdict.guards if guard.name == name]
    assert (guard.passed, guard.computed, verdict.outcome) == (True, True, Outcome.PROMOTE), verdict.reason
    return guard.says


def fails(verdict, name):
    (guard,) = [guard for guard in verdict.guards if guard.name == name]
    assert (guard.passed, guard.computed, verdict.outcome) == (False, True, Outcome.HOLD), verdict.reason
    assert guard.says == verdict.reason
    return guard.says


def is_unknown(verdict, name):
    (guard,) = [guard for guard in verdict.guards if guard.name == name]
    assert (guard.passed, guard.computed, verdict.outcome) == (False, False, Outcome.INCONCLUSIVE), verdict.reason
    assert guard.says in verdict.reason
    return guard.says
