"""An estimator learns rows and predicts one label for each, or fails with a reason."""

from decimal import Decimal

import numpy as np
import pandas as pd
import pytest
from sklearn.base import BaseEstimator
from sklearn.dummy import DummyClassifier
from sklearn.linear_model import LogisticRegression
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler
from sklearn.svm import LinearSVC

from retrain.errors import EstimatorError
from retrain.models import training
from retrain.spec.task import Task
from tests.core.models.estimators import LABELS, MODULE, TEXTS, build

# ── fit and predict


def test_a_fitted_estimator_predicts_one_label_for_each_row():
    model = training.fit(build(f"{MODULE}:named", column="text"), TEXTS, LABELS)

    assert training.predict(model, TEXTS.iloc[::-1], Task.CLASSIFICATION).labels.tolist() == [
        "bad",
        "good",
        "bad",
        "good",
    ]


@pytest.mark.parametrize(
    ("labels", "texts"), [([3, 20, 3, 20], ["3", "20"]), ([True, False, True, False], ["true", "false"])]
)
def test_predictions_are_the_classes_as_text(labels, texts):
    model = training.fit(build(f"{MODULE}:named", column="text"), TEXTS, pd.Series(labels))

    assert training.predict(model, TEXTS.head(2), Task.CLASSIFICATION).labels.tolist() == texts


@pytest.mark.parametrize(
    ("labels", "fault"),
    [
        (["good"] * 4, r"^4 training rows with 1 different labels: nothing can be learnt$"),
        ([], r"^0 training rows with 0 different labels: nothing can be learnt$"),
    ],
)
def test_rows_of_fewer_than_two_classes_are_refused(labels, fault):
    with pytest.raises(EstimatorError, match=fault):
        training.fit(DummyClassifier(), TEXTS.head(len(labels)), pd.Series(labels, dtype=object))


def test_an_estimator_that_cannot_be_fitted_says_why_in_one_line():
    with pytest.raises(EstimatorError) as refused:
        training.fit(make_pipeline(StandardScaler(), LogisticRegression()), TEXTS, LABELS)

    assert str(refused.value).startswith("LogisticRegression cannot be fitted on 4 rows: ValueError: could not convert")
    assert "\n" not in str(refused.value)


def test_a_model_that_cannot_predict_says_why():
    model = training.fit(build(f"{MODULE}:named", column="text"), TEXTS, LABELS)

    with pytest.raises(EstimatorError, match=r"^LogisticRegression cannot predict: .*text"):
        training.predict(model, TEXTS.rename(columns={"text": "letter"}), Task.CLASSIFICATION)


def test_predictions_that_are_not_one_for_each_row_are_refused_with_a_remedy():
    # As many rows as columns, so that nothing is noticed when it is fitted.
    model = training.fit(build(f"{MODULE}:behind_nothing"), TEXTS.head(2).assign(more="영화"), LABELS.head(2))

    with pytest.raises(EstimatorError) as refused:
        training.predict(model, TEXTS.assign(more="영화"), Task.CLASSIFICATION)

    assert str(refused.value) == (
        "LogisticRegression gave predictions of shape (2,) for 4 rows; "
        "begin with a ColumnTransformer that names its column"
    )


# ── targets


@pytest.mark.parametrize(
    "labels",
    [[1, 2, 3], [1.0, 2.0, 3.0], ["1", "2.0", " 3"], [Decimal("1"), Decimal("2.0"), 3], [np.int8(1), "2", 3.0]],
    ids=["whole", "floats", "texts", "decimals", "mixed"],
)
def test_a_regression_learns_numbers_however_they_are_stored(labels):
    targets = training.targets(Task.REGRESSION, pd.Series(labels))

    assert (targets.tolist(), targets.dtype) == ([1, 2, 3], np.float64)


@pytest.mark.parametrize(
    "label", ["good", None, np.nan, np.inf, "-inf", ""], ids=["text", "None", "NaN", "inf", "text of inf", "empty"]
)
def test_a_label_that_is_not_a_finite_number_is_refused_in_a_regression(label):
    with pytest.raises(EstimatorError, match=r"^2 labels are not numbers \(e\.g\. .*\), and the task is regression$"):
        training.targets(Task.REGRESSION, pd.Series([1.5, label, 2.5, label], dtype=object))


@pytest.mark.parametrize(
    ("labels", "learnt"),
    [
        ([True, False], [True, False]),
        ([3, 4], [3, 4]),
        ([3.0, 4.0], [3, 4]),
        ([0.5, 4.0], ["0.5", "4"]),
        ([1e300, 0.0], [str(int(1e300)), "0"]),
    ],
)
def test_classes_are_learnt_as_booleans_whole_numbers_or_text(labels, learnt):
    found = training.targets(Task.CLASSIFICATION, pd.Series(labels)).tolist()

    assert (found, [type(each) for each in found]) == (learnt, [type(each) for each in learnt])


def test_a_classification_learns_its_labels_as_they_are():
    assert training.targets(Task.CLASSIFICATION, LABELS).tolist() == LABELS.tolist()


# ── predictions and probabilities

NUMBERS = pd.DataFrame({"number": [0.0, 1.0, 2.0, 3.0]})


class Fixed(BaseEstimator):
    """A model whose methods return fixed values."""

    def __init__(self, **methods):
        for name, value in methods.items():
            setattr(self, name, value if name == "classes_" else lambda _, value=value: value)


def test_a_classifier_gives_the_probabilities_of_its_classes():
    model = LogisticRegression().fit(NUMBERS, LABELS)

    predictions = training.predict(model, NUMBERS, Task.CLASSIFICATION)

    assert (predictions.classes, predictions.margins) == (("bad", "good"), None)
    assert predictions.probabilities.tolist() == model.predict_proba(NUMBERS).tolist()


def test_a_classifier_without_probabilities_gives_margins():
    model = LinearSVC().fit(NUMBERS, LABELS)

    predictions = training.predict(model, NUMBERS, Task.CLASSIFICATION)

    assert (predictions.classes, predictions.probabilities) == (("bad", "good"), None)
    assert predictions.margins.tolist() == model.decision_function(NUMBERS).tolist()


def test_margins_of_three_classes_are_not_kept():
    model = LinearSVC().fit(NUMBERS, ["a", "b", "c", "a"])

    predictions = training.predict(model, NUMBERS, Task.CLASSIFICATION)

    assert (predictions.probabilities, predictions.margins) == (None, None)


def test_probabilities_that_are_not_needed_are_not_computed():
    model = Fixed(classes_=["bad", "good"], predict=LABELS, predict_proba=None)

    predictions = training.predict(model, NUMBERS, Task.CLASSIFICATION, probabilities=False)

    assert (predictions.labels.tolist(), predictions.probabilities) == (LABELS.tolist(), None)


def test_probabilities_without_named_classes_are_dropped():
    model = Fixed(predict=LABELS, predict_proba=np.ones((4, 2)) / 2)

    assert training.predict(model, NUMBERS, Task.CLASSIFICATION).probabilities is None


def test_a_regression_predicts_numbers():
    predictions = training.predict(Fixed(predict=["1", 2, 3.5, np.float32(4)]), NUMBERS, Task.REGRESSION)

    assert (predictions.labels.tolist(), predictions.labels.dtype, predictions.classes) == (
        [1, 2, 3.5, 4],
        np.float64,
        (),
    )


@pytest.mark.parametrize("values", [[1, 2, "good", 4], [1, 2, [3], 4]], ids=["text", "list"])
def test_a_regression_that_does_not_predict_numbers_is_refused(values):
    model = Fixed(predict=np.array(values, dtype=object))

    with pytest.raises(EstimatorError, match=r"^Fixed gave a value that is not a number: \w+Error: "):
        training.predict(model, NUMBERS, Task.REGRESSION)


@pytest.mark.parametrize(
    ("methods", "fault"),
    [
        ({"predict_proba": np.ones((4, 3))}, r"\(4, 3\) where \(4, 2\)"),
        ({"predict_proba": np.ones(4)}, r"\(4,\) where \(4, 2\)"),
        ({"predict_proba": np.ones((2, 4, 2))}, r"\(2, 4, 2\) where \(4, 2\)"),
        ({"decision_function": np.ones((4, 2))}, r"\(4, 2\) where \(4,\)"),
    ],
    ids=["another class", "one class", "two outputs", "margins of both"],
)
def test_probabilities_and_margins_that_do_not_fit_the_classes_are_refused(methods, fault):
    model = Fixed(classes_=["bad", "good"], predict=LABELS, **methods)

    with pytest.raises(EstimatorError, match=f"^Fixed gave numbers of shape {fault} was expected$"):
        training.predict(model, NUMBERS, Task.CLASSIFICATION)


def test_labels_have_the_same_text_as_their_class():
    # numpy turns numbers of 32 bits into a text with fewer digits than they have.
    third = np.float32(1 / 3)
    model = Fixed(classes_=np.array([0, third], np.float32), predict=np.array([third, 0, 0, third], np.float32))

    predictions = training.predict(model, NUMBERS, Task.CLASSIFICATION)

    assert {*predictions.labels} == {*predictions.classes}
