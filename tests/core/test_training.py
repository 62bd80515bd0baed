"""An estimator that cannot work is refused with its candidate's name and a reason, before or where it fails."""

import sys

import numpy as np
import pandas as pd
import pytest
from sklearn.compose import ColumnTransformer
from sklearn.dummy import DummyClassifier
from sklearn.feature_extraction.text import CountVectorizer, HashingVectorizer, TfidfVectorizer
from sklearn.linear_model import LogisticRegression
from sklearn.pipeline import FeatureUnion, Pipeline, make_pipeline
from sklearn.preprocessing import StandardScaler

from retrain import training
from retrain.errors import EstimatorError
from retrain.scores import Said
from retrain.spec import CandidateSpec, Gate, Task

TEXTS = pd.DataFrame({"text": ["좋은 영화", "나쁜 영화", "좋은 배우", "나쁜 배우"]})
LABELS = pd.Series(["good", "bad", "good", "bad"])

VECTORIZERS = {"count": CountVectorizer, "tfidf": TfidfVectorizer, "hashing": HashingVectorizer}


def build(estimator, **params):
    return training.build(CandidateSpec(name="linear", estimator=estimator, params=params))


def refusal(estimator, **params):
    with pytest.raises(EstimatorError) as refused:
        build(estimator, **params)
    return str(refused.value)


# ── functions that a spec may name: `tests.core.test_training:…`


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

    assert training.answer(model, TEXTS.iloc[::-1], Task.CLASSIFICATION).labels.tolist() == [
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

    assert training.answer(model, TEXTS.head(2), Task.CLASSIFICATION).labels.tolist() == texts


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
        training.answer(model, TEXTS.rename(columns={"text": "letter"}), Task.CLASSIFICATION)


def test_predictions_that_are_not_one_for_each_row_are_refused_with_a_remedy():
    # As many rows as columns, so that nothing is noticed when it is fitted.
    model = training.fit(build(f"{__name__}:behind_nothing"), TEXTS.head(2).assign(more="영화"), LABELS.head(2))

    with pytest.raises(EstimatorError) as refused:
        training.answer(model, TEXTS.assign(more="영화"), Task.CLASSIFICATION)

    assert str(refused.value) == (
        "LogisticRegression gave predictions of shape (2,) for 4 rows; "
        "begin with a ColumnTransformer that names its column"
    )


# ── scores


def test_scores_are_those_that_the_labels_define_and_the_gates_own():
    predictions = np.array(["good", "bad", "bad", "bad"])

    common = training.scores(Gate(), Task.CLASSIFICATION, LABELS, Said(predictions))
    with_f1 = training.scores(Gate(metric="f1", positive="good"), Task.CLASSIFICATION, LABELS, Said(predictions))

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
        training.scores(gate, Task.CLASSIFICATION, labels, Said(np.array(labels, dtype=str)))
