"""What a tracker promises where runs are compared."""

import math
from collections.abc import Callable
from uuid import uuid4

import numpy as np
import pytest

from tests.core.tracker.contract.samples import NOWHERE, Tracker, refused


def test_the_best_run_is_finished_has_the_metric_and_came_first(
    tracker: Tracker, experiment: str, finished: Callable[..., str]
) -> None:
    assert tracker.get_best_run(experiment, "f1") is None
    finished(f1=math.nan)
    finished(other=9.0)
    for status in ("FAILED", "KILLED", "RUNNING"):
        tracker.end_run(finished(f1=2.0), status)
    tracker.delete_run(finished(f1=3.0))
    assert tracker.get_best_run(experiment, "f1") is None
    worst, best, _, _ = finished(f1=-0.5), finished(f1=0.5), finished(f1=0.5), finished(f1=-0.5)
    for ascending, expected in ((False, best), (True, worst)):
        found = tracker.get_best_run(experiment, "f1", ascending)
        assert found is not None
        assert found.id == expected
    ranked = tracker.get_best_runs([experiment], "f1", 3)
    assert [run.metrics["f1"] for run in ranked] == [0.5, 0.5, -0.5]
    assert [run.id for run in ranked][::2] == [best, worst]
    refused(lambda: tracker.get_best_run(experiment, "f1` > 0 AND metrics.`x"), "cannot be the name")


def test_runs_are_compared_in_the_order_asked(
    tracker: Tracker, run: str, where: str | None, finished: Callable[..., str]
) -> None:
    elsewhere = tracker.start_run(tracker.create_experiment(f"other-{uuid4().hex}", None, where), "elsewhere")
    tracker.log_params(elsewhere, {"depth": 3})
    first, gone = finished(f1=0.5, loss=2.0), finished(f1=0.25)
    tracker.delete_run(gone)
    table = tracker.compare_runs([gone, elsewhere, first, gone])
    assert list(table.columns) == ["run_id", "metric_f1", "metric_loss", "param_depth"]
    assert list(table.run_id) == [gone, elsewhere, first, gone]
    assert np.array_equal(table.metric_f1, [0.25, math.nan, 0.5, 0.25], equal_nan=True)
    assert list(table.param_depth.isna()) == [True, False, True, True]
    assert list(tracker.compare_runs([first], ["loss", "none"]).columns) == ["run_id", "metric_loss", "metric_none"]
    assert tracker.compare_runs([]).empty
    refused(lambda: tracker.compare_runs([first, NOWHERE, "it's"]), f"no run {NOWHERE}, it's")


def test_statistics_are_over_finished_runs_and_finite_values(
    tracker: Tracker, experiment: str, finished: Callable[..., str]
) -> None:
    made = [finished(f1=value) for value in (0.5, 0.75, 0.25, 0.75)]
    finished(f1=math.nan)
    finished(loss=4.0)
    tracker.end_run(finished(f1=99.0), "FAILED")
    found = tracker.experiment_stats(experiment)
    f1, loss = found["f1"], found["loss"]
    assert list(found) == ["f1", "loss"]
    assert (f1.count, f1.mean, f1.min, f1.max, f1.best_run) == (4, 0.5625, 0.25, 0.75, made[1])
    assert f1.quartiles == (0.4375, 0.625, 0.75)
    assert f1.standard_deviation == pytest.approx(0.239357)
    assert (loss.count, loss.standard_deviation) == (1, 0.0)
    assert tracker.experiment_stats(experiment, smaller_is_better={"f1"})["f1"].best_run == made[2]
