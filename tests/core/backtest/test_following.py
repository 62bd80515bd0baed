"""What became of a verdict: surely better, surely worse, or neither, on the rows that followed."""

from typing import Any

import numpy as np
import pytest

from retrain.backtest.following import following
from retrain.backtest.replayed import Following
from retrain.backtest.weeks import Unit, to_follow
from retrain.gate.predictions import Evidence
from retrain.spec.gate import Gate
from tests.core.gate.evidence import as_numbers, by_number, evidence_of, gate_of

GATE = Gate(metric="accuracy")
ROWS = 1_200


def evidence(own: float, theirs: float, *, weeks: int = 24, seed: int = 0, weekly: float = 0.0) -> Evidence:
    """Return two models that are right this often. weekly: how much their difference changes from week to week."""
    rng = np.random.default_rng(seed)
    labels, week = rng.integers(0, 2, ROWS), np.arange(ROWS) * weeks // ROWS
    shift = rng.normal(0, weekly, weeks)[week] if weekly else 0.0
    right = rng.random(ROWS) < own + shift, rng.random(ROWS) < theirs
    models = [np.where(each, labels, 1 - labels) for each in right]
    return evidence_of(*models, labels=labels, clusters=week)


@pytest.mark.parametrize(("own", "sure"), [(0.9, 1), (0.7, -1)])
def test_a_clear_difference_is_sure(own: float, sure: int) -> None:
    found = following(evidence(own, 0.8), GATE)
    assert found.surely == sure
    assert found.rows == ROWS
    assert found.difference == pytest.approx(own - 0.8, abs=0.03)


def test_where_smaller_is_better_a_smaller_error_is_surely_better() -> None:
    made = as_numbers(by_number(1), by_number(3, seed=2), clusters=np.arange(1_000) // 50)
    found = following(made, gate_of("mae"))
    assert found.difference is not None
    assert found.difference < 0
    assert found.surely == 1


def test_equal_models_are_surely_neither_in_95_of_100() -> None:
    found = [following(evidence(0.8, 0.8, seed=seed, weeks=12, weekly=0.05), GATE).surely for seed in range(400)]
    assert 0.915 <= np.mean([each == 0 for each in found]) <= 0.985


def test_the_same_predictions_are_neither() -> None:
    labels = np.arange(ROWS) % 2
    found = following(evidence_of(labels, labels, labels=labels, clusters=np.arange(ROWS) // 50), GATE)
    assert (found.difference, found.interval, found.surely) == (0, (0, 0), 0)


def test_rows_of_three_weeks_make_nothing_sure() -> None:
    """Their resamples would hardly differ, and everything would be sure."""
    found = following(evidence(1.0, 0.5, weeks=3), GATE)
    assert (found.interval, found.surely) == (None, 0)


def test_what_cannot_be_measured_is_neither() -> None:
    assert following(evidence_of(None, np.arange(1_000) % 2), GATE) == Following(
        rows=1_000, difference=None, interval=None, surely=0
    )


# ── weeks and days


def times(*days: str) -> Any:
    return np.array(days, "datetime64[us]")


def test_a_week_begins_on_monday_in_utc() -> None:
    sunday, monday, next_sunday = Unit.WEEK.numbers(times("2026-03-01T23:59", "2026-03-02T00:00", "2026-03-08T23:59"))
    assert sunday + 1 == monday == next_sunday
    assert Unit.WEEK.begin(int(monday)).isoformat() == "2026-03-02T00:00:00+00:00"


def test_rows_of_eight_weeks_are_taken_by_weeks_and_of_fewer_by_days() -> None:
    begin, day = np.datetime64("2026-03-02", "us"), np.timedelta64(1, "D")
    assert len(np.unique(to_follow(begin + np.arange(56) * day))) == 8
    assert len(np.unique(to_follow(begin + np.arange(49) * day))) == 49
