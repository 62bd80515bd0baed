"""A candidate that learns from batches of a snapshot, which is never in memory as a whole."""

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from retrain.cycle import fitting, streaming
from retrain.cycle.fitting import MODEL, STEPS, Made, Order
from retrain.errors import EstimatorError
from retrain.models import files as model_files
from retrain.models import steps, training
from retrain.models.learning import options_of
from retrain.records import Subset
from tests.core.conftest import Make, World

STREAM = {"name": "sgd", "estimator": "tests.core.toys:sgd", "stream": True}
Fit = Callable[..., tuple[Made, Path]]


@pytest.fixture
def small(monkeypatch: pytest.MonkeyPatch) -> None:
    for module in (steps, fitting, streaming):
        monkeypatch.setattr(module, "BATCH", 100)


@pytest.fixture
def fit(world: Make, tmp_path: Path, small: None) -> Fit:
    """Fits a candidate on 1,500 rows, in batches of 100, in this process."""

    def fitted(subsets: tuple[Subset, ...] = (Subset.TRAIN,), **fields: Any) -> tuple[Made, Path]:
        model = world(candidates=[STREAM | fields])
        model.feed(1_500)
        folder = tmp_path / model.model
        folder.mkdir()
        return fitting.fit_here(Order(model.spec, "sgd", model.take(), subsets), model.snapshots, folder), folder

    return fitted


def points(folder: Path) -> list[dict[str, Any]]:
    return [json.loads(line) for line in (folder / STEPS).read_text(encoding="utf-8").splitlines()]


def test_it_learns_from_all_rows_and_is_seen_batch_by_batch(fit: Fit) -> None:
    made, folder = fit()
    assert made.metrics["validation_accuracy"] > 0.8
    assert len(points(folder)) == -(-made.rows // 100)
    assert [point["step"] for point in points(folder)] == [*range(len(points(folder)))]
    assert {*points(folder)[0]["metrics"]} == {"train_score", "validation_score"}


def test_each_pass_reads_all_batches_again(fit: Fit) -> None:
    made, folder = fit(passes=3)
    assert len(points(folder)) == 3 * -(-made.rows // 100)


def test_the_winner_learns_from_its_validation_rows_as_well(fit: Fit) -> None:
    made, folder = fit((Subset.TRAIN, Subset.VALIDATION))
    assert not (folder / STEPS).exists()
    assert "validation_accuracy" not in made.metrics
    assert made.rows > 1_000


def test_the_same_model_comes_of_rows_that_are_all_in_memory(world: Make, tmp_path: Path, small: None) -> None:
    """As in a backtest, and in `retrain check`."""
    model = world(candidates=[STREAM | {"passes": 2, "estimator": "tests.core.toys:hashed_sgd"}])
    model.feed(1_500)
    snapshot = model.take()
    fitting.fit_here(Order(model.spec, "sgd", snapshot, (Subset.TRAIN,)), model.snapshots, tmp_path)
    streamed = loaded(model, tmp_path / MODEL)
    candidate, rows = model.spec.candidate("sgd"), model.snapshots.read(snapshot, [Subset.TRAIN])
    labels = training.targets(model.spec.task, rows.labels)
    options = options_of(candidate, labels, rows.features, rows.clusters)
    at_once = training.fit(training.build(candidate), rows.features, labels, options)
    assert np.array_equal(streamed.decision_function(rows.features), at_once.decision_function(rows.features))


def loaded(model: World, folder: Path) -> Any:
    return model_files.load("it", folder, model_files.digest(folder), model.spec.trust)


def test_scores_are_those_of_all_rows(world: Make, tmp_path: Path, small: None) -> None:
    model = world(candidates=[STREAM])
    model.feed(1_500)
    snapshot = model.take()
    made = fitting.fit_here(Order(model.spec, "sgd", snapshot, (Subset.TRAIN,)), model.snapshots, tmp_path)
    for name, subset in (("train", Subset.TRAIN), ("validation", Subset.VALIDATION)):
        rows = model.snapshots.read(snapshot, [subset])
        found = loaded(model, tmp_path / MODEL).score(rows.features, rows.labels)
        assert made.metrics[f"{name}_accuracy"] == pytest.approx(found)


def test_balanced_weights_are_used(fit: Fit) -> None:
    assert fit(sample_weight="balanced")[0].metrics["validation_accuracy"] > 0.8


def test_a_column_that_holds_no_weights_is_refused(fit: Fit) -> None:
    with pytest.raises(EstimatorError, match=r"sample_weight = .a.: .* are not numbers from 0 up"):
        fit(sample_weight="a")


def test_a_step_that_learns_from_all_rows_at_once_is_refused(fit: Fit) -> None:
    with pytest.raises(EstimatorError, match=r"stream: step .scale. .* learns from all rows at once"):
        fit(estimator="tests.core.toys:columned_sgd")


def test_a_function_of_ones_own_reads_batches_and_no_table(fit: Fit) -> None:
    made, _ = fit(estimator=None, train="tests.core.models.own:by_batches_alone")
    assert made.metrics["validation_accuracy"] > 0.7


@pytest.mark.parametrize("size", [1, 7, 100, 10_000])
def test_batches_are_the_rows_of_a_snapshot_in_their_order(world: Make, size: int) -> None:
    model = world()
    model.feed(300)
    snapshot = model.take()
    whole = model.snapshots.read(snapshot, [Subset.TRAIN, Subset.HOLDOUT])
    batches = [*model.snapshots.batches(snapshot, [Subset.TRAIN, Subset.HOLDOUT], size)]
    assert [len(batch) for batch in batches[:-1]] == [size] * (len(batches) - 1)
    assert sum(len(batch) for batch in batches) == len(whole)
    assert np.array_equal(np.concatenate([batch.features.to_numpy() for batch in batches]), whole.features.to_numpy())
    assert [label for batch in batches for label in batch.labels] == [*whole.labels]


@pytest.mark.parametrize("stream", [False, True])
def test_of_many_training_rows_some_are_scored_and_of_validation_all(
    world: Make, tmp_path: Path, small: None, monkeypatch: pytest.MonkeyPatch, stream: bool
) -> None:
    monkeypatch.setattr(fitting, "_SCORED", 100)
    model = world(candidates=[STREAM | {"stream": stream}])
    model.feed(1_500)
    snapshot = model.take()
    made = fitting.fit_here(Order(model.spec, "sgd", snapshot, (Subset.TRAIN,)), model.snapshots, tmp_path)
    fitted = loaded(model, tmp_path / MODEL)
    train, validation = (model.snapshots.read(snapshot, [each]) for each in (Subset.TRAIN, Subset.VALIDATION))
    every = -(-len(train) // 100)
    # In a stream, every so many rows of each batch.
    places = np.arange(len(train)) % 100 if stream else np.arange(len(train))
    some = train.part(places % every == 0)
    assert 50 < len(some) <= 150
    assert made.rows == len(train)
    assert made.metrics["train_accuracy"] == pytest.approx(fitted.score(some.features, some.labels))
    assert made.metrics["validation_accuracy"] == pytest.approx(fitted.score(validation.features, validation.labels))


def test_a_class_that_none_of_some_rows_has_is_scored_on_all(
    world: Make, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(fitting, "_SCORED", 1)
    model = world(candidates=[STREAM | {"stream": False}], gate={"metric": "roc_auc", "positive": "yes", "floor": 0.5})
    model.feed(600)
    made = fitting.fit_here(Order(model.spec, "sgd", model.take(), (Subset.TRAIN,)), model.snapshots, tmp_path)
    assert made.metrics["train_roc_auc"] > 0.8
