"""The estimate for rows whose labels are still to come, with a real PostgreSQL and a real MLflow server."""

import logging

import pytest

from retrain.later import Expected
from retrain.live.expect import expect
from retrain.live.look import look
from retrain.live.predict import Predicting
from tests.core.conftest import Cast, Make, World
from tests.core.live.conftest import in_production_for_weeks, observing


@pytest.fixture
def model(cast: Cast) -> World:
    return with_times(cast(in_production_for_weeks))


def with_times(model: World) -> World:
    model.execute("ALTER TABLE rows ADD predicted_at timestamptz")
    watch = model.spec.watch.model_copy(update={"predicted_at": "predicted_at"})
    model.spec = model.spec.model_copy(update={"watch": watch})
    return model


def came(model: World, rows: int) -> None:
    """Let rows come that have no label yet."""
    first = model._rows
    model.feed(rows)
    model.execute(f"UPDATE rows SET label = NULL, labelled_at = NULL, predicted_at = now() WHERE id >= {first}")


def expected(model: World) -> Expected | None:
    with Predicting(observing(model)) as predicting:
        return expect(observing(model), predicting)


def test_the_score_is_estimated_for_rows_without_labels(model: World) -> None:
    came(model, 600)
    found = look(observing(model)).expected
    assert found is not None
    assert (found.rows, found.version, found.metric) == (600, "1", model.spec.gate.metric)
    assert found.interval[0] <= 0.9 <= found.interval[1]  # a tenth of the labels will be wrong
    assert model.ledger.expected(model.model) == found


def test_rows_with_labels_or_of_another_time_are_not_estimated(model: World) -> None:
    came(model, 100)
    model.execute("UPDATE rows SET predicted_at = now() - interval '20 days' WHERE predicted_at IS NOT NULL")
    model.execute("UPDATE rows SET predicted_at = now() WHERE label IS NOT NULL")
    assert expected(model) is None


@pytest.mark.parametrize("lacks", ["predicted_at", "verdict", "metric"])
def test_without_what_it_takes_there_is_no_estimate(model: World, lacks: str) -> None:
    came(model, 100)
    if lacks == "predicted_at":
        watch = model.spec.watch.model_copy(update={"predicted_at": None})
        model.spec = model.spec.model_copy(update={"watch": watch})
    elif lacks == "verdict":
        model.execute("UPDATE retrain.promotions SET verdict = NULL")
    else:
        gate = model.spec.gate.model_copy(update={"metric": "balanced_accuracy"})
        model.spec = model.spec.model_copy(update={"gate": gate})
    assert expected(model) is None


def test_an_estimate_that_fails_takes_nothing_else_away(world: Make, caplog: pytest.LogCaptureFixture) -> None:
    model = with_times(in_production_for_weeks(world))  # of its own: it loses a file
    came(model, 100)
    (snapshot,) = model.ledger.kept_snapshots(model.model)
    model.snapshots.delete(snapshot.uri)
    with caplog.at_level(logging.WARNING):
        looked = look(observing(model))
    assert looked.expected is None
    assert "nothing is estimated" in caplog.text
