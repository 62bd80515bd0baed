"""How an estimator learns: keywords, weights, rows that stop it early, metrics by step."""

from typing import Any

import numpy as np
import pandas as pd
import pytest
from lightgbm import LGBMClassifier, LGBMRegressor
from sklearn.ensemble import GradientBoostingClassifier, HistGradientBoostingClassifier
from sklearn.linear_model import LogisticRegression
from sklearn.pipeline import Pipeline, make_pipeline
from sklearn.preprocessing import StandardScaler
from xgboost import XGBClassifier

from retrain.errors import EstimatorError
from retrain.models import training
from retrain.models.learning import Options, Watch, options_of
from retrain.spec.candidates import CandidateSpec

DICE = np.random.default_rng(0)
ROWS = pd.DataFrame(DICE.normal(size=(3_000, 3)), columns=["a", "b", "c"])
LABELS = pd.Series(np.where(ROWS["a"] + ROWS["b"] + DICE.normal(size=len(ROWS)) > 0, "yes", "no").astype(object))
CLUSTERS = DICE.integers(-(2**63), 2**63 - 1, size=len(ROWS))
CODES = (LABELS == "yes").astype(int)


def candidate(**fields: Any) -> CandidateSpec:
    return CandidateSpec(name="one", estimator="tests.core.toys:logistic", **fields)


class Heard:
    def __init__(self) -> None:
        self.steps: list[tuple[int, dict[str, float]]] = []

    def __call__(self, step: int, metrics: Any) -> None:
        self.steps.append((step, dict(metrics)))


def test_rows_that_count_twice_are_as_good_as_rows_that_are_there_twice() -> None:
    twice = LABELS == "yes"
    weights = pd.DataFrame({"w": np.where(twice, 2.0, 1.0)})
    options = options_of(candidate(sample_weight="w"), LABELS, weights, CLUSTERS)
    model = make_pipeline(StandardScaler().fit(ROWS), LogisticRegression(tol=1e-10))
    model.steps[0] = ("none", "passthrough")
    weighed = training.fit(model, ROWS, LABELS, options)
    copied = LogisticRegression(tol=1e-10).fit(pd.concat([ROWS, ROWS[twice]]), pd.concat([LABELS, LABELS[twice]]))
    assert np.allclose(weighed[-1].coef_, copied.coef_, atol=1e-5)


def test_balanced_classes_count_the_same() -> None:
    few = LABELS.where(np.arange(len(LABELS)) % 10 == 0, "no")
    options = options_of(candidate(sample_weight="balanced"), few, ROWS, CLUSTERS)
    assert options.weights is not None
    sums = pd.Series(options.weights).groupby(few).sum()
    assert sums["yes"] == pytest.approx(sums["no"])


@pytest.mark.parametrize(
    ("values", "says"), [([1.0, None], "1 of 2"), ([-1.0, 1.0], "1 of 2"), ([0.0, 0.0], "all are 0")]
)
def test_what_is_not_a_weight_is_refused(values: list[float | None], says: str) -> None:
    with pytest.raises(EstimatorError, match=f"candidate 'one': sample_weight = 'w': {says}"):
        options_of(candidate(sample_weight="w"), LABELS[:2], pd.DataFrame({"w": values}), CLUSTERS[:2])


def test_keywords_reach_the_fit_of_the_last_step() -> None:
    model = make_pipeline(StandardScaler(), LGBMClassifier(n_estimators=5, verbose=-1))
    training.fit(model, ROWS, LABELS, Options(keywords={"feature_name": ["x", "y", "z"]}))
    assert model[-1].booster_.feature_name() == ["x", "y", "z"]


def test_a_keyword_that_the_fit_does_not_take_is_named() -> None:
    with pytest.raises(EstimatorError, match=r"LogisticRegression cannot be fitted on 3,000 rows: .*'epochs'"):
        training.fit(LogisticRegression(), ROWS, LABELS, Options(keywords={"epochs": 3}))


def test_the_rows_that_stop_it_are_a_share_and_clusters_stay_together() -> None:
    clusters = np.repeat(CLUSTERS[:1_000], 3)
    stops = options_of(candidate(early_stopping=0.2), LABELS, ROWS, clusters).stops
    assert stops is not None
    assert stops.mean() == pytest.approx(0.2, abs=0.05)
    assert (stops.reshape(-1, 3).sum(axis=1) % 3 == 0).all()


BOOSTERS = {
    "lightgbm": lambda: LGBMClassifier(n_estimators=400, learning_rate=0.3, verbose=-1),
    "xgboost": lambda: XGBClassifier(n_estimators=400, learning_rate=0.5, eval_metric="logloss"),
    "scikit-learn": lambda: HistGradientBoostingClassifier(max_iter=400, learning_rate=0.3),
}


def trees(model: Any) -> int:
    if isinstance(model, LGBMClassifier):
        return model.best_iteration_ or model.n_estimators_
    return model.best_iteration + 1 if isinstance(model, XGBClassifier) else model.n_iter_


@pytest.mark.parametrize("kind", BOOSTERS)
@pytest.mark.parametrize("in_a_pipeline", [False, True])
def test_rows_that_it_does_not_learn_stop_a_booster_early(kind: str, in_a_pipeline: bool) -> None:
    labels = CODES if kind == "xgboost" else LABELS
    options = options_of(candidate(early_stopping=0.2), labels, ROWS, CLUSTERS)
    last = BOOSTERS[kind]()
    model = Pipeline([("scale", StandardScaler()), ("last", last)]) if in_a_pipeline else last
    before = last.get_params()
    training.fit(model, ROWS, labels, options)
    assert 1 < trees(last) < 200
    assert last.get_params() == before
    assert (model.predict(ROWS) == labels).mean() > 0.75


def test_one_that_no_rows_can_stop_is_refused() -> None:
    options = options_of(candidate(early_stopping=0.2), LABELS, ROWS, CLUSTERS)
    with pytest.raises(EstimatorError, match="early_stopping: LogisticRegression cannot be given rows"):
        training.fit(make_pipeline(StandardScaler(), LogisticRegression()), ROWS, LABELS, options)
    with pytest.raises(EstimatorError, match="write n_iter_no_change"):
        training.fit(GradientBoostingClassifier(), ROWS, LABELS, options)


@pytest.mark.parametrize("kind", ["lightgbm", "xgboost"])
@pytest.mark.parametrize("early", [None, 0.2])
def test_a_booster_tells_of_each_tree_and_learns_the_same_for_it(kind: str, early: float | None) -> None:
    labels = CODES if kind == "xgboost" else LABELS
    options = options_of(candidate(early_stopping=early), labels, ROWS, CLUSTERS)
    heard = Heard()
    told, alone = (BOOSTERS[kind]().set_params(n_estimators=15) for _ in range(2))
    training.fit(told, ROWS, labels, options, Watch(heard, ROWS[:100], labels[:100]))
    training.fit(alone, ROWS, labels, options)
    assert [step for step, _ in heard.steps] == list(range(15))
    first, last = heard.steps[0][1], heard.steps[-1][1]
    metric = {"lightgbm": "binary_logloss", "xgboost": "logloss"}[kind]
    assert set(last) == {f"train_{metric}", f"validation_{metric}"}
    assert last[f"train_{metric}"] < first[f"train_{metric}"]
    assert np.array_equal(told.predict_proba(ROWS), alone.predict_proba(ROWS))


def test_scikit_learns_own_tell_their_loss() -> None:
    heard = Heard()
    training.fit(GradientBoostingClassifier(n_estimators=5), ROWS, LABELS, watch=Watch(heard, ROWS, LABELS))
    assert [step for step, _ in heard.steps] == [0, 1, 2, 3, 4]
    assert heard.steps[4][1]["train_loss"] < heard.steps[0][1]["train_loss"]


def test_a_class_that_no_learnt_row_has_does_not_disturb() -> None:
    labels = LABELS.copy()
    labels[:3] = "rare"
    heard = Heard()
    watch = Watch(heard, ROWS[:100], labels[:100])
    training.fit(LGBMClassifier(n_estimators=3, verbose=-1), ROWS[3:], labels[3:], watch=watch)
    assert len(heard.steps) == 3


def test_a_regression_is_told_of_as_well() -> None:
    heard, numbers = Heard(), ROWS["a"] * 2
    training.fit(LGBMRegressor(n_estimators=3, verbose=-1), ROWS, numbers, watch=Watch(heard, ROWS, numbers))
    assert set(heard.steps[0][1]) == {"train_l2", "validation_l2"}


@pytest.mark.parametrize("in_a_pipeline", [False, True])
@pytest.mark.parametrize("labels", [LABELS, CODES.map({0: 3, 1: 7})], ids=["text", "numbers with a gap"])
def test_xgboost_learns_labels_of_any_kind(labels: pd.Series, in_a_pipeline: bool) -> None:
    last = XGBClassifier(n_estimators=20, eval_metric="logloss")
    model = Pipeline([("scale", StandardScaler()), ("last", last)]) if in_a_pipeline else last
    heard = Heard()
    options = options_of(candidate(early_stopping=0.2, sample_weight="balanced"), labels, ROWS, CLUSTERS)
    fitted = training.fit(model, ROWS, labels, options, Watch(heard, ROWS[:100], labels[:100]))
    assert (fitted.predict(ROWS) == labels).mean() > 0.75
    assert list(fitted.classes_) == sorted(labels.unique())
    assert fitted.predict_proba(ROWS).shape == (len(ROWS), 2)
    assert set(heard.steps[0][1]) == {"train_logloss", "validation_logloss"}


@pytest.mark.parametrize("labels", [CODES, CODES.astype(bool)], ids=["codes", "booleans"])
def test_labels_that_xgboost_takes_are_left_to_it(labels: pd.Series) -> None:
    model = XGBClassifier(n_estimators=3)
    assert training.fit(model, ROWS, labels) is model
