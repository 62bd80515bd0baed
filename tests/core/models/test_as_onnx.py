"""A fitted estimator in ONNX: it predicts as the estimator does, or is refused."""

from collections.abc import Sequence
from typing import Any

import numpy as np
import onnxruntime
import pandas as pd
import pytest
from sklearn.compose import ColumnTransformer, make_column_transformer
from sklearn.ensemble import GradientBoostingClassifier, RandomForestClassifier
from sklearn.feature_extraction.text import TfidfVectorizer
from sklearn.impute import SimpleImputer
from sklearn.linear_model import LogisticRegression, Ridge, SGDClassifier
from sklearn.model_selection import GridSearchCV
from sklearn.naive_bayes import MultinomialNB
from sklearn.pipeline import Pipeline, make_pipeline
from sklearn.preprocessing import OneHotEncoder, StandardScaler
from sklearn.svm import LinearSVC

from retrain import extras
from retrain.errors import EstimatorError, MissingExtraError
from retrain.gate.predictions import RawPredictions
from retrain.models import as_onnx as module
from retrain.models.as_onnx import as_onnx
from retrain.spec.task import Task
from retrain_features.characters import CharacterTfidf

DICE = np.random.default_rng(0)
ROWS = pd.DataFrame(
    {
        "age": np.where(DICE.random(3_000) < 0.1, np.nan, DICE.integers(18, 90, 3_000)),
        "money": DICE.lognormal(8, 2, 3_000),
        "region": DICE.choice(["busan", "seoul", "제주"], 3_000).astype(object),
    }
)
ROWS.loc[DICE.random(3_000) < 0.05, "region"] = None
CHURNED = (ROWS["money"] > 3_000) ^ (ROWS["region"] == "제주") ^ (DICE.random(3_000) < 0.1)
TEXTS = pd.DataFrame({"text": ["a good film", "very good", "a dull film", "so dull"] * 50})
LIKED = pd.Series(["yes", "yes", "no", "no"] * 50)


def pipeline(last: Any) -> Pipeline:
    """That of docs/model.md."""
    columns = make_column_transformer(
        (make_pipeline(SimpleImputer(strategy="median"), StandardScaler()), ["age", "money"]),
        (OneHotEncoder(handle_unknown="ignore"), ["region"]),
    )
    return make_pipeline(columns, last)


@pytest.mark.parametrize(
    "labels",
    [
        np.where(CHURNED, "yes", "no").astype(object),
        CHURNED.to_numpy(bool),
        CHURNED.to_numpy(int) + 3,
        np.where(CHURNED, "예", np.where(ROWS["age"] > 40, "아니요", "maybe")).astype(object),
    ],
    ids=["texts", "booleans", "numbers", "three"],
)
def test_labels_of_any_kind_are_the_same_there(labels: Any) -> None:
    labels = pd.Series(labels)
    model = pipeline(LogisticRegression(max_iter=1_000)).fit(ROWS, labels)
    data = as_onnx("it", model, ROWS, Task.CLASSIFICATION)
    found, probabilities = asked(data, ROWS)
    assert [str(each) for each in found] == [str(each) for each in _as_there(model.predict(ROWS))]
    assert probabilities == pytest.approx(model.predict_proba(ROWS), abs=1e-4)


def _as_there(labels: Any) -> Any:
    return labels.astype(int) if labels.dtype == bool else labels  # ONNX gives whole numbers


@pytest.mark.parametrize(
    "last",
    [
        LinearSVC(),
        RandomForestClassifier(21, random_state=0),
        GradientBoostingClassifier(n_estimators=20, random_state=0),
        SGDClassifier(random_state=0),
    ],
    ids=lambda each: type(each).__name__,
)
def test_estimators_of_many_kinds_are_written(last: Any) -> None:
    step = ColumnTransformer([("all", "passthrough", ["money"]), ("age", SimpleImputer(), ["age"])])
    model = make_pipeline(step, last).fit(ROWS, CHURNED)
    found = asked(as_onnx("it", model, ROWS[["age", "money"]], Task.CLASSIFICATION), ROWS[["age", "money"]])[0]
    assert list(found.astype(bool)) == list(model.predict(ROWS))


def test_another_label_is_the_same_only_where_it_is_as_probable() -> None:
    """Half of the trees say so: the last digit decides."""
    even = RawPredictions(np.array(["no", "yes"]), ("no", "yes"), np.array([[0.5, 0.5], [0.4, 0.6]]))
    assert list(module._differs(even, [np.array(["yes", "no"]), even.probabilities])) == [False, True]
    assert list(module._differs(even, [np.array(["yes", "maybe"]), even.probabilities])) == [False, True]
    nearly = np.array([[0.4995, 0.5005], [0.4, 0.6]])
    assert list(module._differs(even, [even.labels, nearly])) == [True, False]


def test_an_estimator_without_steps_takes_its_columns_by_name() -> None:
    rows = ROWS[["money", "age"]].fillna(0.0)
    model = LogisticRegression(max_iter=10_000).fit(rows, CHURNED.astype(int))
    found = asked(as_onnx("it", model, rows, Task.CLASSIFICATION), rows)[0]
    assert list(found) == list(model.predict(rows))


def test_numbers_are_the_same_there() -> None:
    columns = make_column_transformer((SimpleImputer(), ["age", "money"]))
    model = make_pipeline(columns, Ridge()).fit(ROWS, ROWS["money"] * 3 + 1)
    rows = ROWS[["age", "money"]]
    (found,) = asked(as_onnx("it", model, rows, Task.REGRESSION), rows)
    assert found.ravel() == pytest.approx(model.predict(rows), rel=1e-4)


def test_words_of_texts_are_written() -> None:
    model = make_pipeline(ColumnTransformer([("words", TfidfVectorizer(), "text")]), MultinomialNB()).fit(TEXTS, LIKED)
    found = asked(as_onnx("it", model, TEXTS, Task.CLASSIFICATION), TEXTS)[0]
    assert list(found) == list(LIKED)


def asked(data: bytes, rows: pd.DataFrame) -> Sequence[Any]:
    """As a client asks: docs/production.md shows it."""
    session = onnxruntime.InferenceSession(data, providers=["CPUExecutionProvider"])
    types = {"tensor(double)": float, "tensor(float)": np.float32}
    feed = {
        each.name: rows[[each.name]].astype(object).map(str).to_numpy(object)
        if each.type == "tensor(string)"
        else rows[[each.name]].to_numpy(types[each.type])
        for each in session.get_inputs()
    }
    answers: Sequence[Any] = session.run(None, feed)
    return answers


def test_what_cannot_be_converted_is_one_clear_error() -> None:
    model = make_pipeline(ColumnTransformer([("text", CharacterTfidf(), "text")]), LogisticRegression())
    with pytest.raises(EstimatorError) as refused:
        as_onnx("it", model.fit(TEXTS, LIKED), TEXTS, Task.CLASSIFICATION)
    text = str(refused.value)
    assert text.startswith("it: cannot be written in ONNX: ")
    assert "CharacterTfidf" in text
    assert text.endswith("take onnx out of its format")
    assert "\n" not in text


@pytest.mark.parametrize("task", Task)
def test_one_that_predicts_otherwise_there_is_refused_with_how_often(
    task: Task, monkeypatch: pytest.MonkeyPatch
) -> None:
    rows = ROWS[["money"]]
    model: Any = pipeline_of_money(task).fit(rows, CHURNED.astype(int))
    other: Any = pipeline_of_money(task).fit(rows, (~CHURNED).astype(int))
    converted = module._converted
    monkeypatch.setattr(module, "_converted", lambda _, *how: converted(other, *how))
    with pytest.raises(
        EstimatorError, match=r"^it: in ONNX it predicts otherwise for [\d,]+ of 3,000 rows: .*; take onnx"
    ):
        as_onnx("it", model, rows, task)


def pipeline_of_money(task: Task) -> Pipeline:
    last = Ridge() if task is Task.REGRESSION else LogisticRegression(max_iter=10_000)
    return make_pipeline(make_column_transformer((StandardScaler(), ["money"])), last)


def test_what_is_missing_may_mean_something() -> None:
    """ONNX has no missing text: a word stands for it."""
    labels = ROWS["region"].isna()
    model = pipeline(LogisticRegression(C=100)).fit(ROWS, labels)
    assert (asked(as_onnx("it", model, ROWS, Task.CLASSIFICATION), ROWS)[0].astype(bool) == labels).all()


def test_a_text_that_is_this_word_and_a_missing_one_that_mean_different_things_are_refused() -> None:
    rows = pd.DataFrame({"a": ["nan", np.nan, "b", "b"] * 50}, dtype=object)
    columns = make_column_transformer((OneHotEncoder(handle_unknown="ignore"), ["a"]))
    model = make_pipeline(columns, LogisticRegression(C=100)).fit(rows, rows["a"].isna())
    with pytest.raises(EstimatorError, match=r"it: (in ONNX it predicts otherwise|cannot be written in ONNX)"):
        as_onnx("it", model, rows, Task.CLASSIFICATION)


def test_a_search_for_parameters_is_written_by_what_it_has_found() -> None:
    search = GridSearchCV(pipeline(LogisticRegression(max_iter=1_000)), {"logisticregression__C": [0.1, 1.0]}, cv=2)
    model = search.fit(ROWS, CHURNED)
    found = asked(as_onnx("it", model, ROWS, Task.CLASSIFICATION), ROWS)[0]
    assert list(found.astype(bool)) == list(model.predict(ROWS))


def test_a_folder_of_mlflows_is_refused() -> None:
    folder = module.SavedModel.__new__(module.SavedModel)
    with pytest.raises(EstimatorError, match="it: a folder of MLflow's is stored as it is"):
        as_onnx("it", folder, ROWS, Task.CLASSIFICATION)


def test_without_its_packages_it_says_what_to_install(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(extras.EXTRAS, "onnx", ("skl2onnx", "no_such_module"))  # type: ignore[index]
    with pytest.raises(MissingExtraError, match=r"^no_such_module: not installed; run `pip install '.*\[onnx\]'`$"):
        as_onnx("it", LogisticRegression(), ROWS, Task.CLASSIFICATION)
