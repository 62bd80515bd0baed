"""An estimator that cannot work is refused with its candidate's name and a reason, before or where it fails."""

import sys
from decimal import Decimal

import numpy as np
import pandas as pd
import pytest
from sklearn.base import BaseEstimator
from sklearn.compose import ColumnTransformer
from sklearn.dummy import DummyClassifier
from sklearn.feature_extraction.text import CountVectorizer, HashingVectorizer, TfidfVectorizer
from sklearn.linear_model import LogisticRegression
from sklearn.metrics import brier_score_loss, log_loss
from sklearn.pipeline import FeatureUnion, Pipeline, make_pipeline
from sklearn.preprocessing import StandardScaler
from sklearn.svm import LinearSVC

from retrain.errors import EstimatorError
from retrain.gate.predictions import RawPredictions
from retrain.models import training
from retrain.spec.candidates import CandidateSpec
from retrain.spec.gate import Gate
from retrain.spec.task import Task

TEXTS = pd.DataFrame({"text": ["좋은 영화", "나쁜 영화", "좋은 배우", "나쁜 배우"]})
LABELS = pd.Series(["good", "bad", "good", "bad"])

VECTORIZERS = {"count": CountVectorizer, "tfidf": TfidfVectorizer, "hashing": HashingVectorizer}


def build(estimator, **params):
    return training.build(CandidateSpec(name="linear", estimator=estimator, params=params))


def refusal(estimator, **params):
    with pytest.raises(EstimatorError) as refused:
        build(estimator, **params)
    return str(refused.value)


# ── functions that a spec may name: `tests.core.models.test_training:…`


def named(column, c=1.0):
    return make_pipeline(ColumnTransformer([("tfidf", TfidfVectorizer(), column)]), LogisticRegression(C=c))


def bare(kind):
    return make_pipeline(VECTORIZERS[kind](), LogisticRegression())


def behind_nothing():
    return make_pipeline("passthrough", TfidfVectorizer(), LogisticRegression())


def wrapped(how):
    vectorizer = TfidfVectorizer()
    first = make_pipeline(vectorizer, StandardScaler(with_mean=False))
    return make_pipeline(FeatureUnion([("words", vectorizer)]) if how == "union" else first, LogisticRegression())


def odd(what):
    return {
        "nothing": None,
        "class": LogisticRegression,
        "transformer": StandardScaler(),
        "vectorizer": TfidfVectorizer(),
        "empty": Pipeline([]),
    }[what]


def fails():
    raise ZeroDivisionError("division\n  by zero")


def ends():
    sys.exit(0)


# ── build


def test_a_function_is_called_with_the_params():
    assert build(f"{__name__}:named", column="text", c=0.5).steps[-1][1].C == 0.5


def test_a_class_is_as_good_as_a_function():
    assert isinstance(build("sklearn.linear_model:LogisticRegression", C=2.0), LogisticRegression)


@pytest.mark.parametrize(
    ("estimator", "fault"),
    [
        ("no_such.module:linear", "no_such.module cannot be imported: ModuleNotFoundError: No module named 'no_such'"),
        (f"{__name__}:missing", f"{__name__} has no function missing"),
        (f"{__name__}:TEXTS", f"{__name__} has no function TEXTS"),
    ],
)
def test_a_function_that_is_not_there_is_refused(estimator, fault):
    assert refusal(estimator) == f"candidate 'linear': estimator = {estimator!r}: {fault}"


@pytest.mark.parametrize("code", ["1 / 0", "import sys; sys.exit(0)"], ids=["raises", "ends the program"])
def test_a_module_that_fails_is_refused(code, tmp_path, monkeypatch):
    (tmp_path / "failing_estimators.py").write_text(code)
    monkeypatch.syspath_prepend(tmp_path)

    assert "failing_estimators cannot be imported: " in refusal("failing_estimators:linear")


@pytest.mark.parametrize(
    ("params", "fault"),
    [
        ({}, "missing a required argument: 'column'"),
        ({"column": "text", "C": 1}, "got an unexpected keyword argument 'C'"),
    ],
)
def test_params_that_do_not_fit_are_refused_with_those_that_would(params, fault):
    told = refusal(f"{__name__}:named", **params)

    assert told == f"candidate 'linear': params do not fit {__name__}:named: {fault}; it takes (column, c=1.0)"


def test_a_function_without_a_signature_is_no_traceback():
    assert refusal("builtins:dict").startswith("candidate 'linear': ")


@pytest.mark.parametrize(
    ("function", "fault"), [("fails", "ZeroDivisionError: division by zero"), ("ends", "SystemExit: 0")]
)
def test_a_function_that_fails_is_refused_in_one_line(function, fault):
    assert refusal(f"{__name__}:{function}") == f"candidate 'linear': {__name__}:{function} failed: {fault}"


@pytest.mark.parametrize(
    ("what", "type_"),
    [
        ("nothing", "NoneType"),
        ("class", "type"),
        ("transformer", "StandardScaler"),
        ("vectorizer", "TfidfVectorizer"),
        ("empty", "Pipeline"),
    ],
)
def test_what_is_no_estimator_that_predicts_is_refused(what, type_):
    assert refusal(f"{__name__}:odd", what=what) == (
        f"candidate 'linear': {__name__}:odd returned {type_}, which is no scikit-learn estimator that predicts"
    )


@pytest.mark.parametrize("kind", list(VECTORIZERS))
def test_a_bare_vectorizer_is_refused_with_a_remedy(kind):
    assert refusal(f"{__name__}:bare", kind=kind) == (
        f"candidate 'linear': {__name__}:bare returned a pipeline that begins with a bare "
        f"{VECTORIZERS[kind].__name__}; put it into a ColumnTransformer that names its column"
    )


@pytest.mark.parametrize("how", ["union", "pipeline"])
def test_a_bare_vectorizer_is_refused_wherever_it_stands_first(how):
    assert refusal(f"{__name__}:wrapped", how=how).endswith("put it into a ColumnTransformer that names its column")


# ── fit and predict


def test_a_fitted_estimator_predicts_one_label_for_each_row():
    model = training.fit(build(f"{__name__}:named", column="text"), TEXTS, LABELS)

    assert training.predict(model, TEXTS.iloc[::-1], Task.CLASSIFICATION).labels.tolist() == [
        "bad",
        "good",
        "bad",
        "good",
    ]


@pytest.mark.parametrize(
    ("labels", "texts"), [([3, 20, 3, 20], ["3", "20"]), ([True, False, True, False], ["True", "False"])]
)
def test_predictions_are_the_classes_as_text(labels, texts):
    model = training.fit(build(f"{__name__}:named", column="text"), TEXTS, pd.Series(labels))

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
    model = training.fit(build(f"{__name__}:named", column="text"), TEXTS, LABELS)

    with pytest.raises(EstimatorError, match=r"^LogisticRegression cannot predict: .*text"):
        training.predict(model, TEXTS.rename(columns={"text": "letter"}), Task.CLASSIFICATION)


def test_predictions_that_are_not_one_for_each_row_are_refused_with_a_remedy():
    # As many rows as columns, so that nothing is noticed when it is fitted.
    model = training.fit(build(f"{__name__}:behind_nothing"), TEXTS.head(2).assign(more="영화"), LABELS.head(2))

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
def test_a_label_that_is_no_finite_number_is_refused_in_a_regression(label):
    with pytest.raises(EstimatorError, match=r"^2 labels are no numbers \(e\.g\. .*\), and the task is regression$"):
        training.targets(Task.REGRESSION, pd.Series([1.5, label, 2.5, label], dtype=object))


def test_a_classification_learns_its_labels_as_they_are():
    assert training.targets(Task.CLASSIFICATION, LABELS) is LABELS


# ── answers

NUMBERS = pd.DataFrame({"number": [0.0, 1.0, 2.0, 3.0]})


class Says(BaseEstimator):
    """A model that says what it is told to."""

    def __init__(self, **methods):
        for name, answer in methods.items():
            setattr(self, name, answer if name == "classes_" else lambda _, answer=answer: answer)


def test_a_classifier_gives_the_probabilities_of_its_classes():
    model = LogisticRegression().fit(NUMBERS, LABELS)

    said = training.predict(model, NUMBERS, Task.CLASSIFICATION)

    assert (said.classes, said.margins) == (("bad", "good"), None)
    assert said.probabilities.tolist() == model.predict_proba(NUMBERS).tolist()


def test_a_classifier_without_probabilities_gives_margins():
    model = LinearSVC().fit(NUMBERS, LABELS)

    said = training.predict(model, NUMBERS, Task.CLASSIFICATION)

    assert (said.classes, said.probabilities) == (("bad", "good"), None)
    assert said.margins.tolist() == model.decision_function(NUMBERS).tolist()


def test_margins_of_three_classes_are_no_scores():
    model = LinearSVC().fit(NUMBERS, ["a", "b", "c", "a"])

    said = training.predict(model, NUMBERS, Task.CLASSIFICATION)

    assert (said.probabilities, said.margins) == (None, None)


def test_probabilities_that_nobody_needs_are_not_asked_for():
    model = Says(classes_=["bad", "good"], predict=LABELS, predict_proba=None)

    said = training.predict(model, NUMBERS, Task.CLASSIFICATION, probabilities=False)

    assert (said.labels.tolist(), said.probabilities) == (LABELS.tolist(), None)


def test_probabilities_of_nobody_knows_which_class_are_none():
    model = Says(predict=LABELS, predict_proba=np.ones((4, 2)) / 2)

    assert training.predict(model, NUMBERS, Task.CLASSIFICATION).probabilities is None


def test_a_regression_answers_with_numbers():
    said = training.predict(Says(predict=["1", 2, 3.5, np.float32(4)]), NUMBERS, Task.REGRESSION)

    assert (said.labels.tolist(), said.labels.dtype, said.classes) == ([1, 2, 3.5, 4], np.float64, ())


@pytest.mark.parametrize("answers", [[1, 2, "good", 4], [1, 2, [3], 4]], ids=["text", "list"])
def test_a_regression_that_does_not_answer_with_numbers_is_refused(answers):
    model = Says(predict=np.array(answers, dtype=object))

    with pytest.raises(EstimatorError, match=r"^Says gave what is no number: \w+Error: "):
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
    model = Says(classes_=["bad", "good"], predict=LABELS, **methods)

    with pytest.raises(EstimatorError, match=f"^Says gave numbers of shape {fault} was expected$"):
        training.predict(model, NUMBERS, Task.CLASSIFICATION)


def test_labels_have_the_same_text_as_their_class():
    # numpy turns numbers of 32 bits into a text with fewer digits than they have.
    third = np.float32(1 / 3)
    model = Says(classes_=np.array([0, third], np.float32), predict=np.array([third, 0, 0, third], np.float32))

    said = training.predict(model, NUMBERS, Task.CLASSIFICATION)

    assert {*said.labels} == {*said.classes}


# ── said, in the codes of the holdout

BOTH = ("bad", "good")


def test_probabilities_have_a_column_for_each_class_of_the_holdout():
    said = RawPredictions(
        np.array(["good", "odd"]), ("bad", "good", "odd"), np.array([[0.2, 0.7, 0.1], [0.1, 0.3, 0.6]])
    )

    answers = said.among(("bad", "good", "new"), "good")

    assert answers.labels.tolist() == [1, -1]
    assert answers.probabilities.tolist() == [[0.2, 0.7, 0], [0.1, 0.3, 0]]
    assert (answers.scores.tolist(), answers.positive) == ([0.7, 0.3], 1)


@pytest.mark.parametrize("positive", ["new", "odd", None])
def test_a_class_without_a_probability_has_no_scores(positive):
    said = RawPredictions(np.array(["good"]), BOTH, np.array([[0.2, 0.8]]))

    assert said.among(("bad", "good", "new"), positive).scores is None


@pytest.mark.parametrize(
    ("positive", "scores", "code"), [("good", [3, -1], 1), ("bad", [-3, 1], 0), (None, [3, -1], 1), ("new", None, None)]
)
def test_margins_are_for_the_second_class_and_against_the_first(positive, scores, code):
    answers = RawPredictions(np.array(["good", "bad"]), BOTH, margins=np.array([3.0, -1.0])).among(BOTH, positive)

    assert (None if answers.scores is None else answers.scores.tolist(), answers.positive) == (scores, code)


# ── scores


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
        (Gate(metric="f1", positive="great"), LABELS, r"^f1 is undefined on 4 rows of classes bad, good$"),
        (Gate(), LABELS.head(0), r"^f1_macro is undefined on 0 rows of classes -$"),
    ],
    ids=["class that does not occur", "no rows"],
)
def test_a_gate_whose_metric_is_undefined_is_refused(gate, labels, fault):
    with pytest.raises(EstimatorError, match=fault):
        training.scores(gate, Task.CLASSIFICATION, labels, RawPredictions(np.array(labels, dtype=str)))


def test_a_regression_has_its_own_common_scores():
    labels, said = pd.Series(["1", "2", "3", "4"]), RawPredictions(np.array([1.0, 2, 3, 6]))

    found = training.scores(Gate(metric="mae", ceiling=1), Task.REGRESSION, labels, said)

    assert found == pytest.approx({"mae": 0.5, "rmse": 1, "r2": 1 - 4 / 5})


@pytest.mark.parametrize("metric", ["log_loss", "brier"])
def test_a_loss_counts_a_class_that_only_the_model_knows(metric):
    # As scikit-learn does where it is told of all classes.
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


def test_a_scorer_that_scikit_learn_has_not_is_refused():
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
    with pytest.raises(EstimatorError, match=f"^{gate.metric} is undefined on 4 rows of classes bad, good$"):
        training.scores(gate, Task.CLASSIFICATION, LABELS, RawPredictions(LABELS.to_numpy(str)))
