"""How an estimator learns: keywords, weights, rows that stop it early, metrics by step."""

from contextlib import chdir
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest
import skops.io
from catboost import CatBoostClassifier, CatBoostRegressor
from catboost.utils import get_gpu_device_count
from lightgbm import LGBMClassifier, LGBMRegressor
from sklearn.ensemble import GradientBoostingClassifier, HistGradientBoostingClassifier
from sklearn.linear_model import LogisticRegression
from sklearn.pipeline import Pipeline, make_pipeline
from sklearn.preprocessing import StandardScaler
from xgboost import XGBClassifier

from retrain.errors import EstimatorError
from retrain.gate.labels import spell
from retrain.models import training
from retrain.models.learning import Options, Watch, options_of
from retrain.spec.candidates import CandidateSpec
from retrain.spec.task import Task
from retrain_features.categories import Categories

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
    "catboost": lambda: CatBoostClassifier(n_estimators=400, learning_rate=0.5),
    "scikit-learn": lambda: HistGradientBoostingClassifier(max_iter=400, learning_rate=0.3),
}


def trees(model: Any) -> int:
    if isinstance(model, LGBMClassifier):
        return model.best_iteration_ or model.n_estimators_
    if isinstance(model, CatBoostClassifier):
        return model.tree_count_
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
    assert last.get_params() == before | ({"allow_writing_files": False} if kind == "catboost" else {})
    assert (model.predict(ROWS) == labels).mean() > 0.75


def test_one_that_no_rows_can_stop_is_refused() -> None:
    options = options_of(candidate(early_stopping=0.2), LABELS, ROWS, CLUSTERS)
    with pytest.raises(EstimatorError, match="early_stopping: LogisticRegression cannot be given rows"):
        training.fit(make_pipeline(StandardScaler(), LogisticRegression()), ROWS, LABELS, options)
    with pytest.raises(EstimatorError, match="write n_iter_no_change"):
        training.fit(GradientBoostingClassifier(), ROWS, LABELS, options)


@pytest.mark.parametrize("kind", ["lightgbm", "xgboost", "catboost"])
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
    metric = {"lightgbm": "binary_logloss", "xgboost": "logloss", "catboost": "Logloss"}[kind]
    assert set(last) == {f"train_{metric}", f"validation_{metric}"}
    assert last[f"train_{metric}"] < first[f"train_{metric}"]
    assert np.array_equal(told.predict_proba(ROWS), alone.predict_proba(ROWS))


WAITING = {
    "lightgbm": lambda: LGBMClassifier(n_estimators=60, learning_rate=1.0, early_stopping_round=2, verbose=-1),
    "xgboost": lambda: XGBClassifier(n_estimators=60, learning_rate=2.0, early_stopping_rounds=2),
    "catboost": lambda: CatBoostClassifier(n_estimators=60, learning_rate=1.0, early_stopping_rounds=2),
}
"""By a parameter of theirs, they stop as soon as nothing is gained."""


@pytest.mark.parametrize("kind", WAITING)
def test_the_validation_rows_never_stop_a_booster(kind: str) -> None:
    heard, model = Heard(), WAITING[kind]()
    before = model.get_params()
    training.fit(model, ROWS, CODES, watch=Watch(heard, ROWS[:100], 1 - CODES[:100]))
    assert len(heard.steps) == 60
    assert before.items() <= model.get_params().items()


@pytest.mark.parametrize("kind", WAITING)
def test_how_long_a_booster_waits_is_its_own_parameter(kind: str) -> None:
    heard, model = Heard(), WAITING[kind]()
    options = options_of(candidate(early_stopping=0.2), CODES, ROWS, CLUSTERS)
    training.fit(model, ROWS, CODES, options, Watch(heard, ROWS[:100], 1 - CODES[:100]))
    assert trees(model) + 2 == len(heard.steps) < 20


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


KINDS_OF_LABELS = {
    "two texts": LABELS,
    "three texts": LABELS.where(ROWS["c"] > -1, "perhaps"),
    "booleans": CODES.astype(bool),
    "two numbers": CODES.map({0: 3, 1: 7}),
    "three numbers": LABELS.where(ROWS["c"] > -1, "perhaps").map({"no": 0, "yes": 5, "perhaps": 9}),
}


@pytest.mark.parametrize("labels", KINDS_OF_LABELS.values(), ids=KINDS_OF_LABELS)
def test_catboost_predicts_the_labels_that_it_has_learnt(labels: pd.Series, tmp_path: Path) -> None:
    """By itself it makes texts of booleans, and predicts a column where there are more than two classes."""
    heard = Heard()
    options = options_of(candidate(early_stopping=0.2, sample_weight="balanced"), labels, ROWS, CLUSTERS)
    with chdir(tmp_path):
        watch = Watch(heard, ROWS[:100], labels[:100])
        fitted = training.fit(CatBoostClassifier(n_estimators=30), ROWS, labels, options, watch)
    predictions = training.predict(fitted, ROWS, Task.CLASSIFICATION)
    assert (predictions.labels == spell(labels.to_numpy())).mean() > 0.75
    assert predictions.classes == tuple(spell(np.sort(labels.unique())))
    assert predictions.probabilities is not None
    assert predictions.probabilities.shape == (len(ROWS), labels.nunique())
    assert list(tmp_path.iterdir()) == []  # where it is fitted, it would leave a folder
    assert {name.partition("_")[0] for name in heard.steps[0][1]} == {"train", "validation"}


def test_catboost_leaves_no_folder_and_prints_nothing_where_nobody_listens(
    tmp_path: Path, capfd: pytest.CaptureFixture[str]
) -> None:
    with chdir(tmp_path):
        fitted = training.fit(CatBoostRegressor(n_estimators=5), ROWS, ROWS["a"] * 2)
    assert fitted.predict(ROWS).shape == (len(ROWS),)
    assert list(tmp_path.iterdir()) == []
    assert capfd.readouterr().out == ""


def test_a_file_of_catboost_holds_no_prediction_for_the_rows_it_was_measured_on() -> None:
    told, alone = (CatBoostClassifier(n_estimators=5) for _ in range(2))
    training.fit(told, ROWS, LABELS, watch=Watch(Heard(), ROWS, LABELS))
    training.fit(alone, ROWS, LABELS)
    assert len(skops.io.dumps(told)) < len(skops.io.dumps(alone)) + 1_000


@pytest.mark.skipif(get_gpu_device_count() > 0, reason="there is a GPU, which would fit it")
def test_on_a_gpu_catboost_is_asked_for_nothing_that_it_cannot_do_there() -> None:
    """Without one it fails, but not because of callbacks or of several sets of rows, as it would before it looks."""
    watch = Watch(Heard(), ROWS[:100], LABELS[:100])
    with pytest.raises(EstimatorError, match="CUDA"):
        training.fit(CatBoostClassifier(n_estimators=3, task_type="GPU"), ROWS, LABELS, watch=watch)


def test_names_of_metrics_are_those_that_can_be_logged() -> None:
    heard = Heard()
    model = CatBoostClassifier(n_estimators=2, custom_metric=["F:beta=0.5"])
    training.fit(model, ROWS, LABELS, watch=Watch(heard, ROWS[:100], LABELS[:100]))
    assert set(heard.steps[0][1]) > {"train_F_beta_0_5", "validation_F_beta_0_5"}


def test_weights_by_class_are_refused_where_the_labels_are_coded() -> None:
    model = CatBoostClassifier(class_weights={"yes": 2, "no": 1, "perhaps": 1})
    with pytest.raises(EstimatorError, match=r"^class_weights: .*write a list of weights, in the order of the sorted"):
        training.fit(model, ROWS, KINDS_OF_LABELS["three texts"])
    weighed = CatBoostClassifier(n_estimators=5, class_weights={"yes": 100, "no": 1})
    assert (training.fit(weighed, ROWS, LABELS).predict(ROWS) == "yes").mean() > 0.9


WITH_CATEGORIES = {
    "lightgbm": lambda: make_pipeline(Categories(), LGBMClassifier(n_estimators=60, verbose=-1)),
    "xgboost": lambda: make_pipeline(Categories(), XGBClassifier(n_estimators=60, enable_categorical=True)),
    "catboost": lambda: make_pipeline(Categories(missing="none"), CatBoostClassifier(n_estimators=60)),
    "catboost by name": lambda: make_pipeline(
        Categories(missing="none"), CatBoostClassifier(n_estimators=60, cat_features=["kind", "empty"])
    ),
    "scikit-learn": lambda: make_pipeline(
        Categories(), HistGradientBoostingClassifier(max_iter=60, categorical_features="from_dtype")
    ),
}
MIXED = pd.DataFrame(
    {
        "a": ROWS["a"].where(ROWS["c"] > -1),
        "kind": pd.Series(DICE.choice(["x", "y", "z"], len(ROWS)), dtype=object).where(ROWS["b"] > -1, None),
        "empty": pd.Series([None] * len(ROWS), dtype=object),
    }
)
KINDLY = pd.Series(np.where((MIXED["kind"] == "x") | (ROWS["a"] > 1), "yes", "no").astype(object))


@pytest.mark.parametrize("kind", WITH_CATEGORIES)
@pytest.mark.parametrize("early", [None, 0.2])
def test_a_booster_with_categories_and_nulls_tells_of_each_tree_and_stops_early(kind: str, early: float | None) -> None:
    """One column has no value at all."""
    heard, model = Heard(), WITH_CATEGORIES[kind]()
    options = options_of(candidate(early_stopping=early), KINDLY, MIXED, CLUSTERS)
    training.fit(model, MIXED[100:], KINDLY[100:], _from(options, 100), Watch(heard, MIXED[:100], KINDLY[:100]))
    assert (model.predict(MIXED) == KINDLY).mean() > 0.9
    assert len(model.predict(MIXED.assign(kind="a new one", empty="not empty"))) == len(MIXED)
    if kind != "scikit-learn":  # which tells of nothing
        assert {name.partition("_")[0] for name in heard.steps[-1][1]} == {"train", "validation"}
        assert len(heard.steps) == 60 or early is not None


def _from(options: Options, row: int) -> Options:
    return replace(options, stops=None if options.stops is None else options.stops[row:])


def test_catboost_is_refused_where_a_later_level_would_be_missing() -> None:
    model = make_pipeline(Categories(), CatBoostClassifier(n_estimators=5))
    with pytest.raises(
        EstimatorError, match=r"^CatBoost takes no missing category.*write Categories\(missing='none'\)"
    ):
        training.fit(model, MIXED, KINDLY)
