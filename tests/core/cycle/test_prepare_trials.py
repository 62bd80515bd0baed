"""What all trials of a search begin with is fitted once, and changes no score."""

from pathlib import Path
from typing import Any

import pytest

from retrain.cycle.prepare_trials import shared_by_trials
from retrain.cycle.search import search
from retrain.cycle.trial import trial
from retrain.tracker.filters import Condition
from tests.core.conftest import Make, World
from tests.core.slow import fits


def model_of(world: Make, file: Path, space: dict[str, Any], **fields: Any) -> World:
    slow = {
        "name": "slow",
        "estimator": "tests.core.slow:pipeline",
        "params": {"kind": "logistic", "file": str(file)},
        "search": {"space": space, "sampler": "grid", "trials": 3, **fields},
    }
    model = world(candidates=[slow], trust=["tests.core.slow.Slow"])
    model.feed(600)
    return model


def scores(model: World, *, shares: bool = True) -> list[float]:
    """The scores of all trials of a new cycle, in their order."""
    spec = model.spec.model_copy(update={"share_steps": shares})
    model = World(spec, model.database, model.snapshots, model.ledger, model.tracker, model._runs)
    cycle, snapshot = model.cycle(), model.take()
    for turn in search(cycle, snapshot, ["slow"])["slow"]:
        trial(cycle, snapshot, "slow", turn)
    assert (shared_by_trials(cycle, snapshot, "slow") is not None) == shares
    found = model.tracker.search_runs(
        [model.tracker.create_experiment(model.model)],
        [Condition("tag", "retrain.trial", "!=", ""), Condition("tag", "retrain.dag_run", "=", cycle.run_id)],
    )
    found = sorted(found, key=lambda run: int(run.tags["retrain.trial"]))
    return [run.metrics["validation_accuracy"] for run in found]


C = {"c": {"choice": [0.01, 1.0, 100.0]}}


@pytest.mark.parametrize(("folds", "once"), [(None, 1), (2, 2)])
def test_a_step_that_no_parameter_changes_is_fitted_once_for_all(
    world: Make, tmp_path: Path, folds: int | None, once: int
) -> None:
    file = tmp_path / "fits.txt"
    model = model_of(world, file, C, **({} if folds is None else {"cv": folds}))

    shared = scores(model)
    assert fits(file) == once
    own = scores(model, shares=False)

    assert fits(file) == once + 3 * once
    assert shared == own
    assert len(set(own)) > 1


def test_a_step_that_a_parameter_changes_is_fitted_by_each(world: Make, tmp_path: Path) -> None:
    file = tmp_path / "fits.txt"
    model = model_of(world, file, {"seconds": {"choice": [0.0, 0.1]}}, trials=2)
    cycle, snapshot = model.cycle(), model.take()

    for turn in search(cycle, snapshot, ["slow"])["slow"]:
        trial(cycle, snapshot, "slow", turn)

    assert shared_by_trials(cycle, snapshot, "slow") is None
    assert fits(file) == 2
