"""Scores are those that the labels define, and the gate's own."""

import numpy as np
import pandas as pd
import pytest
from sklearn.metrics import brier_score_loss, log_loss

from retrain.errors import EstimatorError
from retrain.gate.predictions import RawPredictions
from retrain.models import training
from retrain.spec.gate import Gate
from retrain.spec.task import Task
from tests.core.models.estimators import LABELS


def test_scores_are_those_that_the_labels_define_and_the_gates_own():
    predictions = np.array(["good", "bad", "bad", "bad"])

    common = training.scores(Gate(), Task.CLASSIFICATION, LABELS, RawPredictions(predictions))
    with_f1 = training.scores(
        Gate(metric="f1", positive="good"), Task.CLASSIFICATION, LABELS, RawPredictions(predictions)
    )

    assert common == pytest.approx({"accuracy": 0.75, "balanced_accuracy": 0.75, "f1_macro": (2 / 3 + 4 / 5) / 2})
    assert with_f1 == pytest.approx({**common, "f1": 2 / 3})


@pytest.mark.parametrize(
    ("gate", "labels", "fault"),
    [
        (Gate(metric="f1", positive="great"), LABELS, r"^f1 is undefined on 4 rows of classes 'bad', 'good'$"),
        (Gate(), LABELS.head(0), r"^f1_macro is undefined on 0 rows$"),
    ],
    ids=["class that does not occur", "no rows"],
)
def test_a_gate_whose_metric_is_undefined_is_refused(gate, labels, fault):
    with pytest.raises(EstimatorError, match=fault):
        training.scores(gate, Task.CLASSIFICATION, labels, RawPredictions(np.array(labels, dtype=str)))


def test_a_regression_has_its_own_common_scores():
    labels, predictions = pd.Series(["1", "2", "3", "4"]), RawPredictions(np.array([1.0, 2, 3, 6]))

    found = training.scores(Gate(metric="mae", ceiling=1), Task.REGRESSION, labels, predictions)

    assert found == pytest.approx({"mae": 0.5, "rmse": 1, "r2": 1 - 4 / 5})


@pytest.mark.parametrize("metric", ["log_loss", "brier"])
def test_a_loss_counts_a_class_that_only_the_model_knows(metric):
    # As scikit-learn does if it is given all classes.
    known, table = ("bad", "good", "odd"), np.array([[0.1, 0.7, 0.2], [0.6, 0.3, 0.1]] * 2)
    function = {"log_loss": log_loss, "brier": brier_score_loss}[metric]

    found = training.scores(
        Gate(metric=metric, ceiling=9), Task.CLASSIFICATION, LABELS, RawPredictions(LABELS.to_numpy(str), known, table)
    )

    assert found[metric] == pytest.approx(function(LABELS, table, labels=known))


def test_a_scorer_of_scikit_learn_is_scored_by_its_name():
    gate = Gate(metric="sklearn:matthews_corrcoef", floor=0)

    found = training.scores(gate, Task.CLASSIFICATION, LABELS, RawPredictions(np.array(["good", "bad", "bad", "bad"])))

    assert found["sklearn:matthews_corrcoef"] == pytest.approx(1 / 3**0.5)


def test_a_scorer_that_scikit_learn_does_not_have_is_refused():
    gate = Gate(metric="sklearn:matthews_corecoef", floor=0)

    with pytest.raises(EstimatorError, match=r"^scikit-learn has no scorer 'matthews_corecoef'; get_scorer_names"):
        training.scores(gate, Task.CLASSIFICATION, LABELS, RawPredictions(LABELS.to_numpy(str)))


@pytest.mark.parametrize(
    "gate",
    [
        Gate(metric="log_loss", ceiling=9),
        Gate(metric="roc_auc", positive="good"),
        Gate(metric="sklearn:neg_log_loss", floor=-9),
    ],
    ids=lambda gate: gate.metric,
)
def test_a_metric_that_needs_probabilities_is_undefined_without(gate):
    with pytest.raises(EstimatorError, match=f"^{gate.metric} is undefined on 4 rows of classes 'bad', 'good'"):
        training.scores(gate, Task.CLASSIFICATION, LABELS, RawPredictions(LABELS.to_numpy(str)))
