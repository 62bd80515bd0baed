"""Tables and statistics of runs: pure functions."""

import math
from datetime import UTC, datetime
from typing import Any

import numpy as np
import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from retrain.tracker import run_table
from retrain.tracker.entities import Run


def _runs(*metrics: dict[str, float], **params: Any) -> list[Run]:
    start = datetime(2026, 1, 1, tzinfo=UTC)
    return [
        Run(str(i), "1", "run", "FINISHED", start, start, False, params, each, {}) for i, each in enumerate(metrics)
    ]


@settings(deadline=None)
@given(st.lists(st.floats(-1e6, 1e6), min_size=1))
def test_statistics_are_those_of_pandas(values: list[float]) -> None:
    found, expected = run_table.stats(_runs(*({"f1": value} for value in values)))["f1"], pd.Series(values).describe()
    assert found.count == expected["count"]
    assert [found.mean, found.min, *found.quartiles, found.max] == pytest.approx(
        list(expected[["mean", "min", "25%", "50%", "75%", "max"]]), abs=1e-9
    )
    assert found.standard_deviation == pytest.approx(0.0 if len(values) == 1 else expected["std"], abs=1e-6)
    assert found.best_run == str(values.index(max(values)))


def test_values_that_are_not_finite_are_left_out() -> None:
    runs = _runs({"a": math.nan, "b": math.nan}, {"a": 1.0}, {"a": math.inf}, {"a": 3.0, "c": -math.inf}, {})
    found = run_table.stats(runs)
    assert list(found) == ["a"]
    assert (found["a"].count, found["a"].mean, found["a"].best_run) == (2, 2.0, "3")


def test_of_equal_runs_the_first_is_the_best_in_either_direction() -> None:
    runs = _runs({"a": 1.0}, {"a": 2.0}, {"a": 2.0}, {"a": 1.0})
    assert run_table.stats(runs)["a"].best_run == "1"
    assert run_table.stats(runs, {"a"})["a"].best_run == "0"
    assert run_table.stats([]) == {}


def test_a_table_has_a_row_for_each_run_and_nothing_where_one_has_nothing() -> None:
    table = run_table.table(_runs({"b": 1.0}, {"a": 2.0}, depth="3"))
    assert list(table.columns) == ["run_id", "metric_a", "metric_b", "param_depth"]
    assert np.array_equal(table.metric_a, [math.nan, 2.0], equal_nan=True)
    table = run_table.table(_runs({"b": 1.0}), ["none", "b"])
    assert list(table.columns) == ["run_id", "metric_none", "metric_b"]
    assert table.metric_none.dtype == float
    assert list(run_table.table([]).columns) == ["run_id"]
