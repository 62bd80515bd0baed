"""Steps that learn nothing are taken once, and change no model."""

from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest
from sklearn.compose import ColumnTransformer
from sklearn.feature_extraction.text import HashingVectorizer, TfidfVectorizer
from sklearn.linear_model import LogisticRegression
from sklearn.pipeline import FeatureUnion, Pipeline, make_pipeline
from sklearn.preprocessing import FunctionTransformer, Normalizer, StandardScaler

from retrain.backtest import steps
from retrain.models import training
from retrain.spec.task import Task

TEXTS = pd.DataFrame({"text": [f"글 {number % 7} {'좋다' if number % 3 else '싫다'}" for number in range(200)]})
NUMBERS = pd.DataFrame(np.random.default_rng(0).normal(size=(200, 2)), columns=["a", "b"])
LABELS = pd.Series(["yes" if number % 3 else "no" for number in range(200)])


@dataclass(frozen=True)
class Rows:
    features: pd.DataFrame

    def __len__(self) -> int:
        return len(self.features)


def hashed() -> Pipeline:
    grams = HashingVectorizer(analyzer="char_wb", ngram_range=(1, 2), n_features=2**10)
    return Pipeline([("hash", ColumnTransformer([("hash", grams, "text")])), ("logistic", LogisticRegression())])


@pytest.mark.parametrize(
    ("estimator", "first"),
    [
        (hashed(), 1),
        (make_pipeline(Normalizer(), FunctionTransformer(np.abs), StandardScaler(), LogisticRegression()), 2),
        (make_pipeline(FeatureUnion([("norm", Normalizer())]), LogisticRegression()), 1),
        (make_pipeline(StandardScaler(), Normalizer(), LogisticRegression()), 0),
        (make_pipeline(ColumnTransformer([("t", TfidfVectorizer(), "text")]), LogisticRegression()), 0),
        (LogisticRegression(), 0),
    ],
)
def test_only_the_first_steps_that_learn_nothing_are_cut_off(estimator: Any, first: int) -> None:
    stateless, rest = steps.cut(estimator)
    assert (len(stateless.steps) if stateless is not None else 0) == first
    assert stateless is not None or rest is estimator


@pytest.mark.parametrize(
    ("estimator", "features"),
    [(hashed(), TEXTS), (make_pipeline(Normalizer(), LogisticRegression()), NUMBERS)],
    ids=["sparse", "dense"],
)
def test_a_model_without_its_first_steps_predicts_as_the_whole_one(
    estimator: Any, features: pd.DataFrame, tmp_path: Path
) -> None:
    rows, asked = np.arange(0, 200, 2), np.arange(1, 200, 2)
    whole = training.fit(estimator, features.iloc[rows].reset_index(drop=True), LABELS.iloc[rows])
    expected = training.predict(whole, features.iloc[asked].reset_index(drop=True), Task.CLASSIFICATION)
    stateless, rest = steps.cut(estimator)
    for _ in range(2):  # the second time it is there already
        inputs = steps.inputs_of(stateless, Rows(features), tmp_path)  # type: ignore[arg-type] - of a history, these
        fitted = training.fit(rest, inputs.of(rows), LABELS.iloc[rows])
        found = training.predict(fitted, inputs.of(asked), Task.CLASSIFICATION)
        assert inputs.row_bytes > 0
        np.testing.assert_array_equal(found.labels, expected.labels)
        np.testing.assert_allclose(found.probabilities, expected.probabilities, rtol=1e-12)
    assert len([*tmp_path.glob("*.inputs")]) == 1
