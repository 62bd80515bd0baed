"""The estimators that come with Retrain learn from a DataFrame, with the params that a spec may give them."""

import numpy as np
import pandas as pd
import pytest

from retrain.models import training
from retrain.spec.candidates import CandidateSpec
from retrain.spec.task import Task

# The stem gives the class; endings differ, so that no whole word comes twice.
GOOD = ["감동적인 영화", "감동적이었다", "감동적이네요", "감동적입니다만", "참 감동적이고", "감동적일 뿐"]
BAD = ["지루한 영화", "지루했다", "지루하네요", "지루합니다만", "참 지루하고", "지루할 뿐"]
TEXTS = pd.DataFrame({"id": range(12), "letter": GOOD + BAD})
LABELS = pd.Series(["합격"] * 6 + ["불합격"] * 6)


def predictions(model, features):
    return training.predict(model, features, Task.CLASSIFICATION).labels


def fitted(estimator, features, labels, **params):
    candidate = CandidateSpec(name="candidate", estimator=f"estimators.{estimator}", params=params)
    return training.fit(training.build(candidate), features, labels)


@pytest.mark.parametrize(
    ("estimator", "params"),
    [
        ("text:logistic", {}),
        ("text:logistic", {"analyzer": "char_wb", "longest": 3, "at_least": 3, "c": 2.0}),
        ("text:naive_bayes", {}),
        ("text:naive_bayes", {"analyzer": "char_wb", "longest": 3}),
        ("text:hashed_svm", {}),
        ("text:hashed_svm", {"longest": 4, "c": 0.2}),
        ("text:sgd", {}),
        ("text:sgd", {"analyzer": "char", "longest": 3, "at_least": 3, "alpha": 1e-4}),
    ],
)
def test_characters_know_a_korean_stem_by_any_ending(estimator, params):
    model = fitted(estimator, TEXTS, LABELS, column="letter", **params)

    found = predictions(model, pd.DataFrame({"id": [0, 0], "letter": ["감동적이겠지", "지루하겠지"]}))

    assert found.tolist() == ["합격", "불합격"]


@pytest.mark.parametrize("estimator", ["text:logistic", "text:naive_bayes", "text:sgd"])
def test_words_in_a_row_show_what_single_words_do_not(estimator):
    texts = ["개선 했습니다 낭비 못했습니다", "낭비 했습니다 개선 못했습니다"] * 5
    features, labels = pd.DataFrame({"letter": texts}), pd.Series(["합격", "불합격"] * 5)
    model = fitted(estimator, features, labels, column="letter", analyzer="word", longest=2)

    assert predictions(model, features).tolist() == labels.tolist()


@pytest.mark.parametrize(
    ("estimator", "features", "params"),
    [
        ("text:logistic", TEXTS, {"column": "letter"}),
        ("text:hashed_svm", TEXTS, {"column": "letter"}),
        ("table:logistic", pd.DataFrame({"a": np.arange(12.0)}), {}),
    ],
)
def test_c_loosens_the_regularisation(estimator, features, params):
    strict, loose = (fitted(estimator, features, LABELS, c=c, **params).steps[-1][1].coef_ for c in (0.01, 100.0))

    assert 2 * np.abs(strict).sum() < np.abs(loose).sum()


def test_alpha_tightens_the_regularisation():
    strict, loose = (fitted("text:sgd", TEXTS, LABELS, column="letter", alpha=a)[-1].coef_ for a in (1.0, 1e-5))

    assert 2 * np.abs(strict).sum() < np.abs(loose).sum()


def test_the_column_of_a_table_may_come_from_arrow():
    model = fitted("text:hashed_svm", TEXTS.astype({"letter": "string[pyarrow]"}), LABELS, column="letter")

    assert predictions(model, TEXTS).tolist() == LABELS.tolist()


@pytest.mark.parametrize(
    ("estimator", "params"),
    [("table:logistic", {}), ("table:boosted", {}), ("table:boosted", {"trees": 20, "leaves": 4})],
)
def test_a_table_of_numbers_is_learnt_however_large_they_are_and_with_some_of_them_missing(estimator, params):
    rng = np.random.default_rng(0)
    ill = rng.random(200) < 0.5
    features = pd.DataFrame(
        {"area": 1e6 + 1e5 * ill + rng.normal(scale=1e4, size=200), "smooth": rng.random(200) / 1e6}
    )
    features.loc[::10, "area"] = np.nan
    labels = pd.Series(np.where(ill, "malignant", "benign"))

    model = fitted(estimator, features, labels, **params)
    found = predictions(model, features)

    measured = features["area"].notna()
    assert (found == labels)[measured].mean() > 0.99


def decisions_of_two_fits(estimator, values, **params):
    features, labels = pd.DataFrame({"letter": values}), pd.Series(np.resize(["합격", "불합격", "합격"], len(values)))
    return [fitted(estimator, features, labels, **params).decision_function(features).tolist() for _ in range(2)]


@pytest.mark.parametrize("estimator", ["text:hashed_svm", "text:sgd"])
def test_what_draws_at_random_is_the_same_each_time(estimator):
    texts = [" ".join(np.random.default_rng(i).choice(GOOD + BAD, size=5)) for i in range(200)]

    first, again = decisions_of_two_fits(estimator, texts, column="letter")

    assert first == again


def test_trees_are_the_same_each_time():
    # From 10,000 rows on they draw some of them, to know when to stop.
    first, again = decisions_of_two_fits("table:boosted", np.random.default_rng(0).random(10_100), trees=5)

    assert first == again
