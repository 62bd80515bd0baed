"""Made backtests with a known truth: how often each policy's Production is right, week by week."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from typing import Any

import numpy as np

from retrain.backtest.replayed import Backtest, Blocked, Decision, Following, Policy, Replayed, Rule
from retrain.gate.predictions import Predictions
from retrain.spec.parse import parse
from retrain.spec.spec import Spec

BEGIN = datetime(2020, 1, 6, tzinfo=UTC)  # a Monday


def spec_of(**gate: Any) -> Spec:
    return parse(
        {
            "model": "letters",
            "source": {"table": "rows", "key": "id", "label": "label", "label_time": "at", "features": ["a"]},
            "candidates": [{"name": "linear", "estimator": "tests.core.toys:logistic", "params": {"columns": ["a"]}}],
            "gate": {"metric": "accuracy", **gate},
        },
        "letters.yaml",
    )


@dataclass(frozen=True)
class Made:
    """One policy of a history."""

    name: str
    right: float = 0.8
    """How often its Production is right."""
    rule: Rule = Rule.GATE
    cpu: float = 100.0
    changes: Mapping[str, Any] = field(default_factory=lambda: {"threshold": {"rows": 1}})
    like: int | None = None
    """It predicts the same as the policy at this place."""
    events: Sequence[tuple[bool, int]] = ((True, 0), (True, 1), (True, -1), (False, 1), (False, 0))
    """Of each cycle: whether it promoted, and what was sure of the challenger."""
    blocked: int = 0


SHIPPED = Made("as it is", changes={})


def history(
    *policies: Made,
    weeks: int = 120,
    rows: int = 50,
    seed: int = 0,
    weekly: float = 0.0,
    spec: Spec | None = None,
    days: int = 7,
) -> Backtest:
    """Return a backtest of two classes. weekly: how much being right differs from week to week, alike in all policies.

    Rows on which one policy is right and another is wrong are drawn for each policy by itself.
    """
    rng = np.random.default_rng(seed)
    n = weeks * rows
    week = np.repeat(np.arange(weeks), rows)
    moments = np.datetime64(BEGIN.replace(tzinfo=None), "us") + np.arange(n) * np.timedelta64(
        int(days * 86_400 / rows * 1_000_000), "us"
    )
    labels = rng.integers(0, 2, n)
    shift = rng.normal(0, weekly, weeks)[week] if weekly else np.zeros(n)
    replays: list[Replayed] = []
    for made in policies:
        if made.like is not None:
            predictions = replays[made.like].predictions
        else:
            right = rng.random(n) < made.right + shift
            codes = np.where(right, labels, 1 - labels)
            score = np.clip(np.where(codes == 1, 0.7, 0.3) + rng.normal(0, 0.1, n), 0.01, 0.99)
            predictions = Predictions(codes, np.column_stack([1 - score, score]), score, 1)
        decisions, served = _decisions(made, n, weeks * days)
        replays.append(
            Replayed(
                Policy(made.name, spec or spec_of(), made.changes, made.rule),
                decisions,
                tuple(Blocked(at=BEGIN + timedelta(days=9 * each), checks=("nulls",)) for each in range(made.blocked)),
                served,
                predictions,
                len(decisions),
                round(made.cpu * 1_000),
                made.cpu,
            )
        )
    return Backtest(
        spec or spec_of(),
        BEGIN - timedelta(days=30),
        moments,
        labels,
        ("no", "yes"),
        tuple(replays),
        ("alarms on Production",),
    )


def _decisions(made: Made, n: int, days: int) -> tuple[tuple[Decision, ...], np.ndarray]:
    decisions, served = [], np.zeros(n, np.int64)
    for place, (promoted, sure) in enumerate(made.events):
        row = n * place // len(made.events)
        if promoted:
            served[row:] = place
        decisions.append(
            Decision(
                at=BEGIN + timedelta(days=days * place / len(made.events)),
                snapshot_rows=1_000 * (place + 1),
                candidate="linear",
                challenger=f"model-{place}",
                production=None if place == 0 else "model",
                promoted=promoted,
                verdict=None,
                following=None
                if place == 0
                else Following(rows=500, difference=0.01 * sure, interval=(0.0, 0.0), surely=sure),
            )
        )
    return tuple(decisions), served
