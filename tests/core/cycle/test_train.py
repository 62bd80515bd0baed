"""The verb `train`, against a real PostgreSQL and a real MLflow server."""

import pytest

from retrain.cycle.train import train
from retrain.errors import EstimatorError, SpecError
from tests.core.conftest import Make


def test_a_candidate_that_cannot_be_built_is_refused_before_anything_is_made(world: Make) -> None:
    model = world(candidates=[{"name": "none", "estimator": "tests.core.toys:nothing"}])
    model.feed(600)
    with pytest.raises(EstimatorError, match="has no function nothing"):
        model.train(model.cycle("broken"), model.take())
    experiment = model.tracker.create_experiment(model.model)
    snapshot = model.take()
    assert model.tracker.find_run(experiment, model.cycle("broken").key("cycle", snapshot.id)) is None


def test_an_unknown_candidate_is_refused(world: Make) -> None:
    model = world()
    model.feed(600)
    with pytest.raises(SpecError, match="half, whole"):
        train(model.cycle(), model.take(), "third")


def test_rows_of_one_class_fail_with_a_reason_and_the_run_says_failed(world: Make) -> None:
    model = world()
    model.feed(600)
    with model.database.connect() as session:
        session.cursor().execute("UPDATE rows SET label = 'yes'")
    cycle, snapshot = model.cycle("single"), model.take()
    with pytest.raises(EstimatorError, match="nothing can be learnt"):
        model.train(cycle, snapshot)
    experiment = model.tracker.create_experiment(model.model)
    run = model.tracker.find_run(experiment, cycle.key("train", snapshot.id, "half"))
    assert run is not None
    assert model.tracker.get_run(run).status == "FAILED"
