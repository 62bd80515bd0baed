"""A metric has scikit-learn's value, for one model and for every resample of its rows."""

import warnings

import numpy as np
import pytest
from hypothesis import assume, given, settings
from hypothesis import strategies as st
from sklearn import metrics as sk

from retrain.gate.additive import counts, losses, value
from retrain.gate.comparison import metric_value
from retrain.gate.labels import check_label_codes, classes_in, encode, spell
from retrain.gate.predictions import Predictions
from retrain.metrics import METRICS
from retrain.spec.gate import Measured

NAMES = ("a", "b", "c", "d")
OF_LABELS = [name for name, metric in METRICS.items() if metric.needs == "labels"]
OF_SCORES = [name for name, metric in METRICS.items() if metric.needs == "scores"]
OF_PROBABILITIES = [name for name, metric in METRICS.items() if metric.needs == "probabilities"]
OF_NUMBERS = [name for name, metric in METRICS.items() if metric.needs == "numbers"]


def ours(metric, labels, predictions, names=NAMES, positive=None):
    """NaN where it is undefined."""
    about = Measured(metric=metric, positive=positive if METRICS[metric].of_class else None)
    found = metric_value(about, predictions, labels=labels, classes=names, scorers={})
    return np.nan if found is None else found


# ── labels


def by_scikit_learn(metric, labels, predictions, positive):
    if metric == "accuracy":
        return sk.accuracy_score(labels, predictions)
    if metric == "balanced_accuracy":
        with warnings.catch_warnings():  # it warns of predicted classes without a label, and leaves them out
            warnings.simplefilter("ignore", UserWarning)
            return sk.balanced_accuracy_score(labels, predictions)
    if METRICS[metric].of_class:
        function = {"f1": sk.f1_score, "precision": sk.precision_score, "recall": sk.recall_score}[metric]
        return function(labels, predictions, labels=[positive], average="macro", zero_division=np.nan)
    present = sorted(({*labels} | {*predictions}) - {-1})
    average = metric.removeprefix("f1_")
    return sk.f1_score(labels, predictions, labels=present, average=average, zero_division=np.nan)


def pairs(least=0):
    row = st.tuples(st.integers(0, len(NAMES) - 1), st.integers(least, len(NAMES) - 1))
    return st.lists(row, min_size=1, max_size=40).map(lambda rows: np.array(rows, dtype=np.int64).T)


@pytest.mark.parametrize("metric", OF_LABELS)
@settings(max_examples=100, deadline=None)
@given(label_codes=pairs(least=-1), positive=st.integers(0, len(NAMES) - 1))
def test_a_metric_of_labels_is_scikit_learns_value(metric, label_codes, positive):
    labels, predictions = label_codes

    found = ours(metric, labels, Predictions(predictions), positive=NAMES[positive])

    assert found == pytest.approx(by_scikit_learn(metric, labels, predictions, positive), abs=1e-12, nan_ok=True)


@settings(max_examples=50, deadline=None)
@given(label_codes=pairs())
def test_macro_f1_leaves_out_what_scikit_learn_leaves_out_by_default(label_codes):
    labels, predictions = label_codes
    many = tuple(f"{place:02}" for place in range(99))

    found = ours("f1_macro", labels, Predictions(predictions), many)

    assert found == pytest.approx(sk.f1_score(labels, predictions, average="macro"))


def test_a_prediction_outside_of_the_classes_is_wrong_and_adds_no_class():
    labels, predictions = np.array([0, 0, 1, 1]), Predictions(np.array([0, -1, 1, 1]))

    assert ours("accuracy", labels, predictions) == 0.75
    assert ours("f1_macro", labels, predictions) == pytest.approx((2 / 3 + 1) / 2)


@pytest.mark.parametrize("positive", ["c", "x"], ids=["neither a label nor a prediction", "not a class"])
@pytest.mark.parametrize("metric", [name for name in (*OF_LABELS, *OF_SCORES) if METRICS[name].of_class])
def test_a_metric_of_a_class_that_does_not_occur_is_undefined(metric, positive):
    predictions = Predictions(np.array([1, 1]), scores=np.array([0.1, 0.2]))

    assert np.isnan(ours(metric, np.array([0, 1]), predictions, positive=positive))


# ── scores


def ranked():
    # Few different scores, so that many are equal.
    row = st.tuples(st.booleans(), st.integers(-3, 3))
    return st.lists(row, min_size=2, max_size=40).map(lambda rows: np.array(rows, dtype=np.int64).T)


@pytest.mark.parametrize("metric", OF_SCORES)
@settings(max_examples=100, deadline=None)
@given(rows=ranked())
def test_a_metric_of_scores_is_scikit_learns_value_with_ties(metric, rows):
    labels, scores = rows
    assume(0 < labels.sum() < len(labels))
    function = {"roc_auc": sk.roc_auc_score, "average_precision": sk.average_precision_score}[metric]

    found = ours(metric, labels, Predictions(labels, scores=scores / 3), ("a", "b"), positive="b")

    assert found == pytest.approx(function(labels, scores), abs=1e-12)


def test_a_rank_needs_both_classes():
    ones, zeros, scores = np.ones(5, np.int64), np.zeros(5, np.int64), np.arange(5.0)

    assert np.isnan(ours("roc_auc", ones, Predictions(ones, scores=scores), positive="b"))
    assert np.isnan(ours("roc_auc", zeros, Predictions(zeros, scores=scores), positive="b"))
    assert np.isnan(ours("average_precision", zeros, Predictions(zeros, scores=scores), positive="b"))


# A limit may be about another class than the gate: what was scored for one must not be taken for the other.


def test_scores_of_one_class_are_not_taken_for_those_of_another():
    labels = np.array([0, 0, 1, 1])
    predictions = Predictions(labels, scores=np.array([1.0, 3.0, 2.0, 4.0]), positive=1)

    assert ours("roc_auc", labels, predictions, ("a", "b"), positive="b") == 0.75
    assert ours("roc_auc", labels, predictions, ("a", "b"), positive="a") == 0.75
    assert np.isnan(ours("roc_auc", labels, predictions, ("a", "b", "c"), positive="a"))


def test_a_class_that_is_not_the_gates_is_scored_by_its_probability():
    labels = np.array([0, 0, 1, 2])
    table = np.array([[0.5, 0.3, 0.2], [0.2, 0.5, 0.3], [0.3, 0.6, 0.1], [0.1, 0.2, 0.7]])
    predictions = Predictions(labels, table, scores=table[:, 2], positive=2)

    for place, name in enumerate("abc"):
        expected = sk.roc_auc_score(labels == place, table[:, place])
        assert ours("roc_auc", labels, predictions, ("a", "b", "c"), positive=name) == pytest.approx(expected)


def test_a_class_that_the_model_does_not_know_has_no_scores():
    labels, table = np.array([0, 1, 1, 2]), np.array([[0.5, 0.5, 0]] * 4)

    assert np.isnan(ours("roc_auc", labels, Predictions(labels, table), ("a", "b", "c"), positive="c"))


# ── probabilities


def tables(width):
    row = st.lists(st.integers(0, 20), min_size=width, max_size=width).filter(any)
    rows = st.lists(st.tuples(st.integers(0, width - 1), row), min_size=1, max_size=30)
    return rows.map(lambda drawn: ([label for label, _ in drawn], np.array([row for _, row in drawn], np.float64)))


@pytest.mark.parametrize("width", [2, 3])
@pytest.mark.parametrize("metric", OF_PROBABILITIES)
@settings(max_examples=100, deadline=None)
@given(data=st.data())
def test_a_metric_of_probabilities_is_scikit_learns_value(metric, width, data):
    labels, table = data.draw(tables(width))
    labels, table = np.array(labels), table / table.sum(axis=1, keepdims=True)
    every = list(range(width))
    if metric == "log_loss":
        expected = sk.log_loss(labels, table, labels=every)
    elif width == 2:
        expected = sk.brier_score_loss(labels, table[:, 1], labels=every, pos_label=1)
    else:
        expected = sk.brier_score_loss(labels, table, labels=every)

    assert ours(metric, labels, Predictions(labels, table), NAMES[:width]) == pytest.approx(expected, abs=1e-9)


@pytest.mark.parametrize("metric", OF_PROBABILITIES)
@pytest.mark.parametrize(
    "row", [[1, 1], [0, 0], [1.5, -0.5], [np.nan, 0.5]], ids=["too much", "too little", "below 0", "NaN"]
)
def test_what_is_not_a_probability_has_no_loss(metric, row):
    # 1 for every class would have no log loss at all.
    labels, table = np.array([0, 1, 1]), np.array([[0.5, 0.5], [0.2, 0.8], row])

    assert np.isnan(ours(metric, labels, Predictions(labels, table), ("a", "b")))


@pytest.mark.parametrize("metric", OF_PROBABILITIES)
def test_probabilities_of_32_bits_are_good_enough(metric):
    rng = np.random.default_rng(1)
    labels, table = rng.integers(0, 4, 200), rng.dirichlet(np.ones(4), 200).astype(np.float32).astype(np.float64)

    assert ours(metric, labels, Predictions(labels, table)) > 0


def test_a_label_without_a_probability_has_probability_0():
    table = np.array([[0.5, 0.5]])

    assert losses("log_loss", np.array([-1]), table)[0, 0] == pytest.approx(-np.log(np.finfo(float).eps))
    assert losses("brier", np.array([-1]), table)[0, 0] == pytest.approx((0.25 + 0.25 + 1) / 2)


# ── numbers


@pytest.mark.parametrize("metric", OF_NUMBERS)
@settings(max_examples=100, deadline=None)
@given(rows=st.lists(st.tuples(st.floats(-1e4, 1e4), st.floats(-1e4, 1e4)), min_size=2, max_size=40))
def test_a_metric_of_numbers_is_scikit_learns_value(metric, rows):
    labels, numbers = np.array(rows).T
    assume(np.ptp(labels) > 1e-3)  # of equal labels, scikit-learn calls R² 0 or 1, and we call it undefined
    function = {"mae": sk.mean_absolute_error, "rmse": sk.root_mean_squared_error, "r2": sk.r2_score}[metric]

    assert ours(metric, labels, Predictions(numbers), ()) == pytest.approx(
        function(labels, numbers), rel=1e-9, abs=1e-9
    )


def test_r2_keeps_its_digits_far_from_zero():
    rng = np.random.default_rng(2)
    labels = 1e8 + rng.normal(size=200)
    numbers = labels + rng.normal(size=200) / 2

    assert ours("r2", labels, Predictions(numbers), ()) == pytest.approx(sk.r2_score(labels, numbers), abs=1e-6)


def test_r2_of_equal_labels_is_undefined():
    assert np.isnan(ours("r2", np.full(20, 0.1), Predictions(np.arange(20.0)), ()))


# ── any metric


@pytest.mark.parametrize("metric", METRICS)
def test_a_metric_of_no_rows_is_undefined(metric):
    regression = METRICS[metric].needs == "numbers"
    nothing = np.array([], dtype=np.float64 if regression else np.int64)
    predictions = Predictions(nothing, np.empty((0, 4)), np.empty(0))

    assert np.isnan(ours(metric, nothing, predictions, () if regression else NAMES, positive="b"))


@pytest.mark.parametrize("metric", [*OF_SCORES, *OF_PROBABILITIES])
def test_a_model_that_does_not_give_what_a_metric_needs_has_no_value(metric):
    labels = np.array([0, 1])

    assert np.isnan(ours(metric, labels, Predictions(labels), ("a", "b"), positive="b"))


@pytest.mark.parametrize("metric", OF_LABELS)
def test_a_weighted_sum_of_counts_is_a_resample_of_rows(metric):
    rng = np.random.default_rng(1)
    labels, predictions = rng.integers(0, 4, 30), rng.integers(-1, 4, 30)
    rows = rng.integers(0, 30, (20, 30))
    each = counts(metric, labels, predictions, classes=4, positive=1, group=np.arange(30), groups=30)
    assert each.shape == (30, 3 if metric == "accuracy" or METRICS[metric].of_class else 12)

    resampled = value(metric, weights_of(rows) @ each)

    expected = [by_scikit_learn(metric, labels[draw], predictions[draw], 1) for draw in rows]
    assert resampled == pytest.approx(expected, nan_ok=True)


@pytest.mark.parametrize("metric", [*OF_PROBABILITIES, *OF_NUMBERS])
def test_a_weighted_sum_of_losses_is_a_resample_of_rows(metric):
    rng = np.random.default_rng(1)
    rows = rng.integers(0, 30, (20, 30))
    regression = metric in OF_NUMBERS
    labels = rng.normal(size=30) if regression else rng.integers(0, 4, 30)
    predictions = rng.normal(size=30) if regression else rng.dirichlet(np.ones(4), 30)

    resampled = value(metric, weights_of(rows) @ losses(metric, labels, predictions))

    def one(draw):
        part = Predictions(predictions[draw]) if regression else Predictions(labels[draw], predictions[draw])
        return ours(metric, labels[draw], part, () if regression else NAMES)

    assert resampled == pytest.approx([one(draw) for draw in rows])


def weights_of(rows):
    """How often each of 30 rows is in each draw: shape (draws, 30)."""
    return np.stack([np.bincount(draw, minlength=30) for draw in rows]).astype(float)


# ── label codes


@pytest.mark.parametrize(
    ("labels", "predictions"),
    [
        ([0, 1], [0]),
        ([0, 2], [0, 1]),
        ([-1, 0], [0, 0]),
        ([0, 1], [0, -2]),
        ([[0]], [[0]]),
        ([0, 1], [0, np.nan]),
        ([0, 1], [0, None]),
        ([0, 1], ["0", "1"]),
    ],
)
def test_label_codes_that_do_not_fit_are_refused(labels, predictions):
    with pytest.raises(ValueError, match=r"label codes are|do not pair"):
        check_label_codes(np.array(labels), np.array(predictions), 2)


@pytest.mark.parametrize(
    ("labels", "names"),
    [
        (["b", "a", "b"], ("a", "b")),
        ([10, 9, 10], ("10", "9")),
        ([True, False], ("false", "true")),
        (["1", 1], ("1",)),
        ([1 / 3, 0.1], ("0.1", "0.3333333333333333")),
        ([], ()),
    ],
)
def test_classes_are_texts_in_their_order(labels, names):
    assert classes_in(np.array(labels, dtype=object)) == names


def test_a_value_that_is_not_a_class_has_code_minus_one():
    values = np.array(["b", "x", None, "a", 1.0], dtype=object)

    assert encode(values, ("a", "b")).tolist() == [1, -1, -1, 0, -1]
    assert encode(values, ()).tolist() == [-1] * 5
    assert spell(values).tolist() == ["b", "x", "None", "a", "1"]
