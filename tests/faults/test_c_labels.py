"""Labels are one thing, whatever type the database and the estimator have for them."""

from dataclasses import dataclass
from typing import Any

import numpy as np
import pandas as pd
import pytest
from catboost import CatBoostClassifier
from lightgbm import LGBMClassifier
from sklearn.base import BaseEstimator, ClassifierMixin
from sklearn.dummy import DummyClassifier
from sklearn.linear_model import LogisticRegression
from sklearn.tree import DecisionTreeClassifier
from xgboost import XGBClassifier

from retrain.errors import EstimatorError
from retrain.gate.labels import classes_in, encode
from retrain.gate.predictions import Evidence
from retrain.gate.scorers import scorers_for
from retrain.gate.slices import in_slice
from retrain.models import training
from retrain.records import Outcome, Subset
from retrain.snapshots.split import SplitVersion
from retrain.snapshots.store import SnapshotStore
from retrain.spec.gate import Gate, Slice
from retrain.spec.source import Split
from retrain.spec.task import Task
from tests.core.gate.evidence import matchup
from tests.core.source.tables import ONE_WAY, execute, source

TYPES = {
    "text": ("'no'", "'yes'"),
    "varchar(3)": ("'no'", "'yes'"),
    "char(3)": ("'no'", "'yes'"),
    "boolean": ("false", "true"),
    "smallint": ("0", "1"),
    "bigint": ("0", "1"),
    "real": ("0", "1"),
    "double precision": ("0", "1.0"),
    "numeric": ("0", "1.0"),
    "numeric(5,2)": ("0", "1"),
    "mood": ("'no'", "'yes'"),
}
"""Two labels as SQL writes them, by the column's type."""
ESTIMATORS = {
    "scikit-learn": DecisionTreeClassifier,
    "linear": lambda: LogisticRegression(C=1e3),
    "LightGBM": lambda: LGBMClassifier(n_estimators=20, min_child_samples=2, verbose=-1),
    "XGBoost": lambda: XGBClassifier(n_estimators=20),
    "CatBoost": lambda: CatBoostClassifier(n_estimators=20, learning_rate=0.5),
}


@dataclass
class Held:
    """Labelled rows as a snapshot gives them."""

    features: pd.DataFrame
    labels: pd.Series

    def accuracy(self, estimator: Any, positive: object = None) -> float:
        """Fit, predict and score as a cycle does."""
        labels = training.targets(Task.CLASSIFICATION, self.labels)
        fitted = training.fit(estimator, self.features, labels)
        predictions = training.predict(fitted, self.features, Task.CLASSIFICATION)
        training.refuse_foreign("it", predictions.labels, classes_in(labels))
        gate = Gate(metric="accuracy") if positive is None else Gate(metric="f1", positive=positive)
        return training.scores(gate, Task.CLASSIFICATION, self.labels, predictions)[gate.metric]


@pytest.fixture
def held(schema, tmp_path):
    """A hundred rows whose label is the sign of a feature."""

    def held(type_: str, values: tuple[str, str] | None = None) -> Held:
        no, yes = values or TYPES[type_]
        execute(
            schema,
            "CREATE TYPE mood AS ENUM ('no', 'yes'); "
            f"CREATE TABLE letters (id int PRIMARY KEY, text float8, label {type_}); "
            f"INSERT INTO letters SELECT n, n - 50.5, CASE WHEN n > 50 THEN {yes} ELSE {no} END::{type_} "
            "FROM generate_series(1, 100) AS n",
        )
        version = SplitVersion(1, b"salt", Split(), None, 0)
        store = SnapshotStore(tmp_path.as_uri())
        with source(schema).labelled() as rows:
            how = {"round_rows": 10, "last": None, "inherits": None}
            snapshot = store.write("letters", rows, split_version=version, **how)
        found = store.read(snapshot, Subset)
        return Held(found.features, found.labels)

    return held


@ONE_WAY
@pytest.mark.parametrize("estimator", ESTIMATORS)
@pytest.mark.parametrize("type_", TYPES)
def test_a_perfect_model_scores_1_and_a_constant_one_does_not(held, type_, estimator):
    """C1, B11, B12."""
    rows = held(type_)

    assert rows.accuracy(ESTIMATORS[estimator]()) == 1.0
    assert rows.accuracy(DummyClassifier(strategy="most_frequent")) == 0.5


@ONE_WAY
@pytest.mark.parametrize(
    ("type_", "positive"),
    [
        ("boolean", True),
        ("boolean", "true"),
        ("boolean", 1),
        ("numeric(5,2)", 1),
        ("numeric(5,2)", 1.0),
        ("double precision", 1),
        ("bigint", True),
        ("text", "yes"),
    ],
)
def test_positive_is_written_as_the_label_is(held, type_, positive):
    """B11, B12."""
    assert held(type_).accuracy(DecisionTreeClassifier(), positive) == 1.0


@ONE_WAY
def test_a_number_that_is_written_in_two_ways_is_one_class(held):
    """B11."""
    rows = held("numeric", ("1.0", "1"))
    assert classes_in(rows.labels) == ("1",)


class _Odd(ClassifierMixin, BaseEstimator):
    def fit(self, features, labels):
        self.classes_ = np.unique(labels)
        return self

    def predict(self, features):
        return np.full(len(features), 7)


@ONE_WAY
def test_a_prediction_outside_the_classes_is_an_error_of_that_candidate(held):
    """C1."""
    with pytest.raises(EstimatorError, match=r"predicts '7' for 100 of 100 rows.*trained on the classes 'no', 'yes'"):
        held("text").accuracy(_Odd())


@ONE_WAY
def test_a_wrong_shape_of_predictions_has_the_right_remedy(held):
    """C11."""

    class Column(_Odd):
        def predict(self, features):
            return np.full((len(features), 1), "yes")

    with pytest.raises(EstimatorError, match=r"shape \(100, 1\) for 100 rows; let its predict return one value a row"):
        held("text").accuracy(Column())


@pytest.mark.parametrize("positive", ["no", "yes"])
@pytest.mark.parametrize("name", ["f1", "precision", "average_precision", "roc_auc"])
def test_a_scorer_about_one_class_gets_the_positive_one(name, positive):
    """C8."""
    classes, gate = ("no", "yes"), Gate(metric=f"sklearn:{name}", positive=positive, floor=0.5)
    labels = encode(["yes", "no", "no", "yes"], classes)
    right = labels == classes.index(positive)
    table = np.column_stack([np.where(labels == 0, 0.9, 0.2), np.where(labels == 0, 0.1, 0.8)])
    predictions = training.RawPredictions(np.array(["yes", "no", "yes", "yes"]), classes, table)

    scorer = scorers_for([gate], Task.CLASSIFICATION, classes)[gate.metric]
    score = scorer(labels, predictions.among(classes, positive))

    expected = {"f1": 2 / 3 if positive == "no" else 0.8, "precision": 1.0 if positive == "no" else 2 / 3}
    assert right.any()
    assert score == pytest.approx(expected.get(name, 1.0))


@ONE_WAY
def test_a_scorer_that_needs_a_class_says_so(held):
    """C8."""
    rows = held("text")
    labels = training.targets(Task.CLASSIFICATION, rows.labels)
    fitted = training.fit(DecisionTreeClassifier(), rows.features, labels)
    predictions = training.predict(fitted, rows.features, Task.CLASSIFICATION)

    with pytest.raises(EstimatorError, match=r"if it is about one class, name it as gate\.positive"):
        training.scores(Gate(metric="sklearn:f1", floor=0.5), Task.CLASSIFICATION, rows.labels, predictions)


@pytest.mark.parametrize(
    ("column", "value", "rows"),
    [
        (["3", "4", "3"], 3, 2),
        (["3", "4", "3"], "3", 2),
        ([3.0, 4.0, np.nan], 3, 1),
        ([3.0, 4.0, np.nan], "3", 1),
        ([1.0, 0.0, np.nan], True, 1),
        ([1.0, 0.0, np.nan], "false", 1),
        (["true", "false", None], True, 1),
    ],
)
def test_a_slice_is_compared_as_its_column_is(column, value, rows):
    """C9."""
    features = pd.DataFrame({"c": column})

    assert in_slice(Slice(column="c", value=value, margin=0.1), features).sum() == rows


def test_an_empty_slice_is_told_at_the_first_model():
    """C9."""
    from retrain.gate.judge import judge

    labels = encode(["yes", "no"] * 200, ("no", "yes"))
    part = Slice(column="region", value="nowhere", margin=0.1)
    right = training.RawPredictions(np.array(["yes", "no"] * 200), ("no", "yes")).among(("no", "yes"), None)
    evidence = Evidence(
        matchup(production=None),
        ("no", "yes"),
        labels,
        right,
        None,
        np.arange(400),
        slices={str(part): np.zeros(400, np.bool_)},
    )
    verdict = judge(evidence, Gate(metric="accuracy", slices=(part,)))

    assert verdict.outcome is Outcome.INCONCLUSIVE
    assert "slice region = nowhere holds no row of the holdout" in verdict.reason
