"""A first step that was fitted for several candidates stands for itself in each, and changes nothing."""

from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest
from sklearn.compose import ColumnTransformer
from sklearn.ensemble import ExtraTreesClassifier
from sklearn.feature_selection import SelectFromModel
from sklearn.linear_model import LogisticRegression
from sklearn.pipeline import Pipeline, make_pipeline
from sklearn.preprocessing import FunctionTransformer, MinMaxScaler, StandardScaler

from estimators import text
from retrain.models import shared_steps
from retrain.models.shared_steps import FITTED, TRAIN, VALIDATION, Known
from retrain.spec.candidates import CandidateSpec
from tests.core import toys

WORDS = np.array(["좋은", "나쁜", "긴", "짧은", "영화", "배우", "음악", "이야기"])
DICE = np.random.default_rng(0)
TEXTS = pd.DataFrame({"text": [" ".join(DICE.choice(WORDS, 5)) for _ in range(400)]})
NUMBERS = pd.DataFrame(DICE.normal(size=(400, 2)), columns=["a", "b"])
LABELS = pd.Series(np.where(TEXTS["text"].str.contains("좋은") ^ (NUMBERS["a"] > 0), "yes", "no").astype(object))


class Folded(StandardScaler):
    """As a target encoder: what it gives for the rows that it learns from is something else than for others."""

    def fit_transform(self, X: Any, y: Any = None, **keywords: Any) -> Any:  # noqa: N803
        return super().fit_transform(X, y, **keywords) + np.linspace(0, 1, len(X))[:, None]


def folded() -> Pipeline:
    return Pipeline([("folded", Folded()), ("logistic", LogisticRegression())])


TRUST = (f"{__name__}.Folded",)


def in_place() -> Pipeline:
    """Its second step changes what the first one gave."""
    return Pipeline([("a", StandardScaler()), ("b", MinMaxScaler(copy=False)), ("logistic", LogisticRegression())])


def candidate(**fields: Any) -> CandidateSpec:
    return CandidateSpec(name="one", **({"estimator": "tests.core.toys:logistic"} | fields))


PIPELINES: dict[str, tuple[Callable[[], Pipeline], pd.DataFrame]] = {
    "words": (lambda: text.logistic("text", analyzer="word", longest=2), TEXTS),
    "characters": (lambda: text.logistic("text"), TEXTS),
    "bayes": (lambda: text.naive_bayes("text"), TEXTS),
    "svm": (lambda: text.hashed_svm("text"), TEXTS),
    "sgd": (lambda: text.sgd("text"), TEXTS),
    "numbers": (lambda: toys.logistic(["a", "b"]), NUMBERS),
    "folded": (folded, NUMBERS),
    "in place": (in_place, NUMBERS),
}


@pytest.mark.parametrize("name", PIPELINES)
def test_predictions_are_those_of_the_plain_pipeline_bit_by_bit(name: str, tmp_path: Path) -> None:
    make, rows = PIPELINES[name]
    train, validation, labels = rows[:300], rows[300:], LABELS[:300]
    plain = make().fit(train, labels)

    step = make().steps[0][1]
    fitted = step.fit_transform(train, labels)
    arrays = {FITTED: fitted, VALIDATION: step.transform(validation), TRAIN: step.transform(train)}
    files = shared_steps.write(step, arrays, tmp_path, TRUST)
    assert files is not None
    shared = make()
    key = shared_steps.key_of(candidate(), shared)
    assert key is not None
    shared_steps.put(candidate(), shared, Known.of(key, files, TRUST, train, validation))
    assert isinstance(shared.steps[0][1], Known)
    shared.fit(train, labels)

    for part in (train, validation, rows[:7]):
        assert np.array_equal(asked(shared, part), asked(plain, part))
    shared_steps.put_back(shared)
    assert type(shared.steps[0][1]) is type(step)
    assert np.array_equal(asked(shared, rows), asked(plain, rows))


def asked(model: Pipeline, rows: pd.DataFrame) -> Any:
    return model.decision_function(rows) if hasattr(model, "decision_function") else model.predict_proba(rows)


def test_other_rows_than_those_of_the_candidates_are_learnt_from_anew(tmp_path: Path) -> None:
    step = StandardScaler()
    arrays = {FITTED: step.fit_transform(NUMBERS), VALIDATION: step.transform(NUMBERS)}
    files = shared_steps.write(step, arrays, tmp_path, ())
    assert files is not None
    known = Known.of("key", files, (), NUMBERS, NUMBERS.copy())
    half = NUMBERS[:200]
    assert np.array_equal(known.fit_transform(half), StandardScaler().fit_transform(half))
    assert np.array_equal(known.transform(NUMBERS), StandardScaler().fit(half).transform(NUMBERS))


def seeded(seed: int | None) -> Pipeline:
    chosen = SelectFromModel(ExtraTreesClassifier(n_estimators=5, random_state=seed))
    return make_pipeline(chosen, LogisticRegression())


def test_two_steps_are_the_same_where_all_their_parameters_are() -> None:
    keys = [
        shared_steps.key_of(candidate(), make_pipeline(step, LogisticRegression()))
        for step in (StandardScaler(), StandardScaler(), StandardScaler(with_mean=False), MinMaxScaler())
    ]
    assert keys[0] == keys[1]
    assert len({*keys}) == 3


@pytest.mark.parametrize(
    ("estimator", "fields"),
    [
        (LogisticRegression(), {}),
        (make_pipeline(LogisticRegression()), {}),
        (seeded(None), {}),
        (
            make_pipeline(
                ColumnTransformer([("f", FunctionTransformer(lambda rows: rows), ["a"])]), LogisticRegression()
            ),
            {},
        ),
        (make_pipeline(StandardScaler(), LogisticRegression()), {"early_stopping": 0.1}),
        (make_pipeline(StandardScaler(), LogisticRegression()), {"stream": True}),
        (make_pipeline("passthrough", LogisticRegression()), {}),
        (Pipeline([("scale", StandardScaler()), ("l", LogisticRegression())], memory="/nowhere"), {}),
    ],
)
def test_what_is_no_step_or_learns_from_other_rows_or_at_random_is_not_shared(
    estimator: Any, fields: dict[str, Any]
) -> None:
    assert shared_steps.key_of(candidate(**fields), estimator) is None


def test_a_step_with_a_seed_is_shared() -> None:
    assert shared_steps.key_of(candidate(), seeded(0)) is not None


@pytest.mark.parametrize(
    "array", [pd.DataFrame({"a": [1.0]}), np.array([["text"]], dtype=object), np.array([["text"]])], ids=str
)
def test_what_is_no_table_of_numbers_is_not_written(array: Any, tmp_path: Path) -> None:
    assert shared_steps.write(StandardScaler().fit([[1.0]]), {FITTED: array}, tmp_path, ()) is None
