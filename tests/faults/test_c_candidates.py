"""What can be a candidate, and what is said where one fails."""

from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from retrain.cycle.check import check
from retrain.cycle.evaluate import evaluate
from retrain.cycle.runs import made_of_candidate, made_of_cycle
from retrain.cycle.train import train
from retrain.errors import EstimatorError
from retrain.models import training
from retrain.records import Subset
from retrain.spec.candidates import CandidateSpec
from retrain.spec.task import Task
from tests.core.conftest import Make

# ── C4


@pytest.mark.parametrize(
    ("function", "params"),
    [("stack", {}), ("stack", {"in_pipeline": True}), ("chosen", {}), ("late", {})],
    ids=["stack", "at the end of a pipeline", "searched", "fits itself"],
)
def test_an_estimator_that_predicts_once_it_is_fitted_is_a_candidate(function: str, params: dict[str, bool]) -> None:
    """C4."""
    candidate = CandidateSpec(name="late", estimator=f"tests.faults.estimators:{function}", params=params)
    rows = pd.DataFrame(np.random.default_rng(0).normal(size=(80, 2)), columns=["a", "b"])
    labels = pd.Series(np.where(rows.a + rows.b > 0, "yes", "no"))
    fitted = training.fit(training.build(candidate), rows, labels)
    predictions = training.predict(fitted, rows, Task.CLASSIFICATION)
    assert (predictions.labels == labels.to_numpy(str)).mean() > 0.9


def test_a_stack_goes_through_a_whole_cycle(world: Make) -> None:
    """C4."""
    model = world(candidates=[{"name": "stack", "estimator": "tests.faults.estimators:stack"}])
    model.feed(2000)
    assert model.promote().to_version == "1"


@pytest.mark.parametrize("function", ["stack_without", "Scaled"])
def test_what_does_not_predict_is_still_refused_before_it_is_fitted(function: str) -> None:
    """C4."""
    with pytest.raises(EstimatorError, match="which is not a scikit-learn estimator that predicts"):
        training.build(CandidateSpec(name="none", estimator=f"tests.faults.estimators:{function}"))


# ── C14


@pytest.fixture
def no_report() -> None:
    """Here there is one."""


CANDIDATES = [
    {"name": "whole", "estimator": "tests.core.toys:logistic", "params": {"columns": ["a", "b"]}},
    {"name": "quoting", "estimator": "tests.faults.estimators:quoting"},
    {"name": "unbuilt", "estimator": "tests.faults.estimators:nothing"},
]


def test_a_candidate_that_failed_says_why_on_its_run_and_in_the_report(world: Make, tmp_path: Path) -> None:
    """C14."""
    model = world(candidates=CANDIDATES)
    model.feed(2000)
    cycle, snapshot = model.cycle(), model.take()
    check(cycle, snapshot)
    trained = train(cycle, snapshot, "whole")
    for name in ("quoting", "unbuilt"):
        with pytest.raises(EstimatorError):
            train(cycle, snapshot, name)
    evaluate(cycle, snapshot, [trained], dry_run=False)

    # The value of a row stays out of tags: `forget` does not reach them.
    why = {
        "quoting": f"Quoting cannot be fitted on {snapshot.subsets[Subset.TRAIN]:,} rows: ValueError: …",
        "unbuilt": "candidate 'unbuilt': estimator = 'tests.faults.estimators:nothing': tests.faults.estimators has no "
        "function nothing",
    }
    parent = made_of_cycle(cycle, snapshot.id)
    report = model.tracker.download_artifact(str(parent), "report/report.md", tmp_path).read_text("utf-8")
    for name, text in why.items():
        run = model.tracker.get_run(str(made_of_candidate(cycle, snapshot.id, name)))
        assert (run.status, run.tags["retrain.error"]) == ("FAILED", text)
        assert f"| {name} | {text} |" in report
        whole = model.tracker.download_artifact(run.id, "error.txt", tmp_path).read_text("utf-8")
        assert "Traceback (most recent call last)" in whole
    quoting = str(made_of_candidate(cycle, snapshot.id, "quoting"))
    whole = model.tracker.download_artifact(quoting, "error.txt", tmp_path).read_text("utf-8")
    assert "ValueError: cannot learn from '010-1234-5678'" in whole


def test_a_run_that_is_taken_up_again_and_works_has_no_error_any_more(world: Make, tmp_path: Path) -> None:
    """C14."""
    params = {"mark": str(tmp_path / "tried")}
    model = world(candidates=[{"name": "later", "estimator": "tests.faults.estimators:later", "params": params}])
    model.feed(2000)
    cycle, snapshot = model.cycle(), model.take()
    check(cycle, snapshot)
    with pytest.raises(EstimatorError):
        train(cycle, snapshot, "later")
    run_id = str(made_of_candidate(cycle, snapshot.id, "later"))
    assert model.tracker.get_run(run_id).tags["retrain.error"]
    train(cycle, snapshot, "later")
    run = model.tracker.get_run(run_id)
    assert (run.status, run.tags["retrain.error"]) == ("FINISHED", "")
