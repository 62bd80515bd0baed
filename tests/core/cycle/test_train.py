"""The verb `train`, against a real PostgreSQL and a real MLflow server."""

import pytest

from retrain.cycle import runs
from retrain.cycle.train import train
from retrain.errors import EstimatorError, SpecError
from tests.core.conftest import Make


def test_the_run_of_a_candidate_that_cannot_be_built_says_why(world: Make) -> None:
    model = world(candidates=[{"name": "none", "estimator": "tests.core.toys:nothing"}])
    model.feed(600)
    cycle, snapshot = model.cycle("broken"), model.take()
    with pytest.raises(EstimatorError, match="has no function nothing"):
        model.train(cycle, snapshot)
    run_id = runs.made_of_candidate(cycle, snapshot.id, "none")
    assert run_id is not None
    run = model.tracker.get_run(run_id)
    assert (run.status, "has no function nothing" in run.tags[runs.ERROR]) == ("FAILED", True)


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
