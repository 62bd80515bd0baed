"""Estimators that learn step by step: by `partial_fit`, or with `warm_start`."""

from typing import Any

import numpy as np
import pandas as pd
import pytest
from scipy.sparse import csr_matrix
from sklearn.compose import ColumnTransformer
from sklearn.ensemble import BaggingClassifier, ExtraTreesRegressor, RandomForestClassifier
from sklearn.feature_extraction.text import HashingVectorizer, TfidfVectorizer
from sklearn.linear_model import LogisticRegression, SGDClassifier, SGDRegressor
from sklearn.naive_bayes import GaussianNB
from sklearn.neural_network import MLPClassifier
from sklearn.pipeline import Pipeline, make_pipeline
from sklearn.preprocessing import FunctionTransformer, Normalizer, StandardScaler

from retrain.errors import EstimatorError
from retrain.models import steps, training
from retrain.models.learning import Options, Watch, options_of
from retrain.spec.candidates import CandidateSpec

DICE = np.random.default_rng(0)
ROWS = pd.DataFrame(DICE.normal(size=(25_000, 3)), columns=["a", "b", "c"])
NUMBERS = ROWS["a"] - ROWS["b"]
LABELS = pd.Series(np.where(NUMBERS + DICE.normal(size=len(ROWS)) > 0, "yes", "no").astype(object))


class Heard:
    def __init__(self) -> None:
        self.steps: list[tuple[int, dict[str, float]]] = []

    def __call__(self, step: int, metrics: Any) -> None:
        self.steps.append((step, dict(metrics)))


def watch(heard: Heard, labels: pd.Series = LABELS) -> Watch:
    return Watch(heard, ROWS[:2_000], labels[:2_000])


def test_each_pass_is_a_step_with_a_score_of_both_kinds_of_rows() -> None:
    heard, model = Heard(), make_pipeline(StandardScaler(), SGDClassifier(random_state=0))
    training.fit(model, ROWS, LABELS, Options(passes=4), watch(heard))
    assert [step for step, _ in heard.steps] == [0, 1, 2, 3]
    assert all({*scores} == {"train_score", "validation_score"} for _, scores in heard.steps)
    assert heard.steps[-1][1]["validation_score"] == pytest.approx(model.score(ROWS[:2_000], LABELS[:2_000]))


def test_passes_learn_what_fit_learns() -> None:
    by_passes = training.fit(SGDClassifier(random_state=0, average=True), ROWS, LABELS, Options(passes=5))
    at_once = SGDClassifier(random_state=0, average=True).fit(ROWS, LABELS)
    assert (by_passes.predict(ROWS) == at_once.predict(ROWS)).mean() > 0.99


@pytest.mark.parametrize("stream", [False, True])
def test_the_same_rows_give_the_same_model(stream: bool) -> None:
    options = Options(passes=2, stream=stream)
    one, two = (training.fit(SGDClassifier(random_state=0), ROWS, LABELS, options).coef_ for _ in range(2))
    assert np.array_equal(one, two)


def test_weights_are_those_of_the_rows_in_whatever_order_they_come() -> None:
    weights = np.where(LABELS == "yes", 1.0, 0.0)
    model = training.fit(SGDClassifier(random_state=0), ROWS, LABELS, Options(weights=weights, passes=1))
    assert (model.predict(ROWS) == "yes").all()


@pytest.mark.parametrize("rows", [ROWS, ROWS.to_numpy(), csr_matrix(ROWS)], ids=lambda rows: type(rows).__name__)
def test_all_kinds_of_tables_are_learnt_in_parts(rows: Any) -> None:
    step = FunctionTransformer(lambda _: rows) if not isinstance(rows, pd.DataFrame) else "passthrough"
    model = Pipeline([("as", step), ("nb", SGDClassifier(random_state=0))])
    assert training.fit(model, ROWS, LABELS, Options(passes=1)).classes_.tolist() == ["no", "yes"]


def test_a_network_and_a_regression_learn_in_passes() -> None:
    few, heard = ROWS[:2_000], Heard()
    network = MLPClassifier((8,), random_state=0)
    training.fit(network, few, LABELS[:2_000], Options(passes=3), watch(heard))
    assert heard.steps[2][1]["train_score"] > heard.steps[0][1]["train_score"]
    heard = Heard()
    training.fit(SGDRegressor(random_state=0), ROWS, NUMBERS, Options(passes=2), watch(heard, NUMBERS))
    assert heard.steps[-1][1]["validation_score"] > 0.99


def test_passes_of_what_does_not_learn_in_parts_are_refused() -> None:
    with pytest.raises(EstimatorError, match="passes: LogisticRegression has no partial_fit"):
        training.fit(LogisticRegression(), ROWS, LABELS, Options(passes=2))


def test_a_class_that_is_rare_is_known_before_its_first_row() -> None:
    rare = LABELS.copy()
    rare.iloc[-1] = "maybe"
    model = training.fit(GaussianNB(), ROWS, rare, Options(passes=1, stream=True))
    assert model.classes_.tolist() == ["maybe", "no", "yes"]


@pytest.mark.parametrize("kind", [RandomForestClassifier, BaggingClassifier])
def test_an_ensemble_with_warm_start_is_seen_while_it_grows_and_is_the_same_forest(kind: Any) -> None:
    few, labels, heard = ROWS[:3_000], LABELS[:3_000], Heard()
    grown = training.fit(kind(n_estimators=25, random_state=0, warm_start=True), few, labels, Options(), watch(heard))
    assert [step + 1 for step, _ in heard.steps] == [2, 5, 7, 10, 12, 15, 17, 20, 22, 25]
    whole = kind(n_estimators=25, random_state=0).fit(few, labels)
    assert np.array_equal(grown.predict_proba(few), whole.predict_proba(few))
    assert grown.n_estimators == 25


def test_an_ensemble_of_few_grows_one_by_one() -> None:
    heard = Heard()
    forest = ExtraTreesRegressor(n_estimators=3, random_state=0, warm_start=True)
    training.fit(forest, ROWS[:500], NUMBERS[:500], Options(), watch(heard, NUMBERS))
    assert [step for step, _ in heard.steps] == [0, 1, 2]


def test_without_warm_start_an_ensemble_is_fitted_at_once() -> None:
    heard = Heard()
    training.fit(RandomForestClassifier(5, random_state=0), ROWS[:500], LABELS[:500], Options(), watch(heard))
    assert heard.steps == []


@pytest.mark.parametrize(
    ("step", "nothing"),
    [
        (HashingVectorizer(), True),
        (ColumnTransformer([("h", HashingVectorizer(), "a"), ("n", Normalizer(), ["b"])]), True),
        (ColumnTransformer([("h", HashingVectorizer(), "a")], remainder="passthrough"), False),
        (StandardScaler(), False),
        (ColumnTransformer([("t", TfidfVectorizer(), "a")]), False),
        (make_pipeline(HashingVectorizer(), Normalizer()), True),
        ("passthrough", True),
    ],
    ids=str,
)
def test_which_steps_learn_nothing(step: Any, nothing: bool) -> None:
    assert steps.learns_nothing(step) is nothing


def test_a_stream_is_refused_to_a_step_that_learns_from_all_rows_at_once() -> None:
    words = ColumnTransformer([("tfidf", TfidfVectorizer(), "a")])
    with pytest.raises(EstimatorError, match=r"stream: step 'columntransformer' \(ColumnTransformer\) learns from all"):
        training.fit(make_pipeline(words, SGDClassifier()), ROWS, LABELS, Options(passes=1, stream=True))
    with pytest.raises(EstimatorError, match="LogisticRegression has no partial_fit"):
        steps.refuse_unstreamable(make_pipeline(StandardScaler(), LogisticRegression()))


def test_what_a_spec_says_is_what_a_fit_gets() -> None:
    def options(**fields: Any) -> Options:
        candidate = CandidateSpec(name="one", estimator="a:b", **fields)
        return options_of(candidate, LABELS, ROWS, np.empty(0, np.int64))

    assert (options().passes, options().stream) == (None, False)
    assert (options(passes=3).passes, options(passes=3).stream) == (3, False)
    assert (options(stream=True).passes, options(stream=True).stream) == (1, True)
    assert (options(stream=True, passes=4).passes, options(stream=True, passes=4).stream) == (4, True)
