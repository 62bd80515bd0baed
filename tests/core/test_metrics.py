"""Metrics from counts are scikit-learn's figures, one set of predictions or a thousand resamples at a time."""

import math
import warnings

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from sklearn.metrics import accuracy_score, balanced_accuracy_score, f1_score

from retrain.metrics import counts, score, value

METRICS = ("accuracy", "balanced_accuracy", "f1", "f1_macro")
CLASSES = 4


def by_scikit_learn(metric, labels, predictions, positive):
    if metric == "accuracy":
        return accuracy_score(labels, predictions)
    if metric == "balanced_accuracy":
        with warnings.catch_warnings():  # it warns of predicted classes without a label, and leaves them out
            warnings.simplefilter("ignore", UserWarning)
            return balanced_accuracy_score(labels, predictions)
    of = [positive] if metric == "f1" else sorted(({*labels} | {*predictions}) - {-1})
    return f1_score(labels, predictions, labels=of, average="macro", zero_division=np.nan)


def pairs(least=0):
    row = st.tuples(st.integers(0, CLASSES - 1), st.integers(least, CLASSES - 1))
    return st.lists(row, min_size=1, max_size=40).map(lambda rows: np.array(rows, dtype=np.int64).T)


@pytest.mark.parametrize("metric", METRICS)
@settings(max_examples=100, deadline=None)
@given(codes=pairs(least=-1), positive=st.integers(0, CLASSES - 1))
def test_a_metric_is_scikit_learns_figure(metric, codes, positive):
    labels, predictions = codes

    ours = score(metric, labels, predictions, CLASSES, positive)

    assert ours == pytest.approx(by_scikit_learn(metric, labels, predictions, positive), abs=1e-12, nan_ok=True)


@settings(max_examples=50, deadline=None)
@given(codes=pairs())
def test_macro_f1_leaves_out_what_scikit_learn_leaves_out_by_default(codes):
    labels, predictions = codes

    assert score("f1_macro", labels, predictions, 99, None) == pytest.approx(
        f1_score(labels, predictions, average="macro")
    )


@pytest.mark.parametrize("metric", METRICS)
def test_a_weighted_sum_of_counts_is_a_resample_of_rows(metric):
    rng = np.random.default_rng(1)
    labels, predictions = rng.integers(0, CLASSES, (2, 30))
    rows = rng.integers(0, 30, (20, 30))
    weights = np.stack([np.bincount(draw, minlength=30) for draw in rows]).astype(float)
    each = counts(metric, labels, predictions, classes=CLASSES, positive=1, group=np.arange(30), groups=30)

    resampled = value(metric, np.tensordot(weights, each, axes=1))

    assert resampled == pytest.approx([score(metric, labels[draw], predictions[draw], CLASSES, 1) for draw in rows])


def test_an_answer_outside_of_the_classes_is_wrong_and_adds_no_class():
    labels, predictions = np.array([0, 0, 1, 1]), np.array([0, -1, 1, 1])

    assert score("accuracy", labels, predictions, 2, None) == 0.75
    assert score("f1_macro", labels, predictions, 2, None) == pytest.approx((2 / 3 + 1) / 2)


@pytest.mark.parametrize("metric", METRICS)
def test_a_metric_of_no_rows_is_undefined(metric):
    nothing = np.array([], dtype=np.int64)

    assert math.isnan(score(metric, nothing, nothing, 2, 1))


@pytest.mark.parametrize("positive", [2, None])
def test_f1_of_a_class_that_nobody_named_is_undefined(positive):
    labels, predictions = np.array([0, 1]), np.array([1, 1])

    assert math.isnan(score("f1", labels, predictions, 3, positive))


@pytest.mark.parametrize(
    ("labels", "predictions"), [([0, 1], [0]), ([0, 2], [0, 1]), ([-1, 0], [0, 0]), ([0, 1], [0, -2]), ([[0]], [[0]])]
)
def test_codes_that_do_not_fit_are_refused(labels, predictions):
    with pytest.raises(ValueError, match=r"codes are|no pairs"):
        score("accuracy", np.array(labels), np.array(predictions), 2, None)
