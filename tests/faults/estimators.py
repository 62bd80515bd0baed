"""Functions and types that a spec of these tests names."""

import threading
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
from sklearn.base import BaseEstimator, ClassifierMixin, TransformerMixin
from sklearn.compose import ColumnTransformer
from sklearn.ensemble import HistGradientBoostingClassifier, StackingClassifier
from sklearn.linear_model import LogisticRegression
from sklearn.model_selection import GridSearchCV
from sklearn.pipeline import Pipeline, make_pipeline
from sklearn.preprocessing import FunctionTransformer, OrdinalEncoder

from tests.core import toys


def wide(columns: list[str], **rest: Any) -> Pipeline:
    """Take the first two columns; the rest is only logged."""
    return toys.logistic(columns[:2])


def lengthy() -> None:
    raise ValueError("how long " * 1_200)


class Quoting(ClassifierMixin, BaseEstimator):
    """Fails as scikit-learn does, with a value of a row in its message."""

    def fit(self, features: Any, labels: Any) -> "Quoting":
        raise ValueError("cannot learn from '010-1234-5678'")

    def predict(self, features: Any) -> Any:
        raise NotImplementedError


def quoting() -> Quoting:
    return Quoting()


def typed() -> Pipeline:
    """Take a boolean, a whole number, a number and a text, each with nulls."""
    numbers = ("numbers", "passthrough", ["vip", "visits", "price"])
    text = ("text", OrdinalEncoder(handle_unknown="use_encoded_value", unknown_value=-1), ["remark"])
    return make_pipeline(ColumnTransformer([numbers, text]), HistGradientBoostingClassifier(max_iter=5))


def later(mark: str) -> Any:
    """Fail once to be fitted. mark: path of a file, which each process finds."""
    if Path(mark).exists():
        return toys.logistic(["a", "b"])
    Path(mark).touch()
    return Quoting()


# ── what skops cannot write


class Scaled(TransformerMixin, BaseEstimator):
    """A type of the user's own. series: whether it keeps a Series of pandas, and not an array."""

    def __init__(self, series: bool = False) -> None:
        self.series = series

    def fit(self, features: pd.DataFrame, labels: Any = None) -> "Scaled":
        means = features.mean()
        self.means_ = means if self.series else means.to_numpy()
        return self

    def transform(self, features: pd.DataFrame) -> Any:
        return np.asarray(features) - np.asarray(self.means_)


def with_lambda() -> Pipeline:
    return make_pipeline(FunctionTransformer(lambda rows: rows * 2), LogisticRegression())


def with_inner_function() -> Pipeline:
    def twice(rows: Any) -> Any:
        return rows * 2

    return make_pipeline(FunctionTransformer(twice), LogisticRegression())


def with_inner_class() -> Pipeline:
    class Inner(Scaled):
        pass

    return make_pipeline(Inner(), LogisticRegression())


def with_series() -> Pipeline:
    return make_pipeline(Scaled(series=True), LogisticRegression())


def with_lock() -> Pipeline:
    """Nothing can write a lock."""
    scaled = Scaled()
    scaled.lock = threading.Lock()  # type: ignore[attr-defined]
    return make_pipeline(scaled, LogisticRegression())


# ── what a class promises, and an object has only once it is fitted


class Late(ClassifierMixin, BaseEstimator):
    """Says that it predicts once it is fitted, as stacks do, and fits itself where it is asked before."""

    @property
    def predict(self) -> Any:
        if not hasattr(self, "inner_"):
            raise RuntimeError("asked too early")
        return self.inner_.predict

    def fit(self, features: Any, labels: Any) -> "Late":
        self.inner_ = LogisticRegression().fit(features, labels)
        self.classes_ = self.inner_.classes_
        return self


def late() -> Late:
    return Late()


def stack(in_pipeline: bool = False) -> Any:
    """The default final estimator is made by `fit`."""
    made = StackingClassifier([("one", toys.logistic(["a"])), ("other", toys.logistic(["b"]))])
    return make_pipeline("passthrough", made) if in_pipeline else made


def chosen() -> GridSearchCV:
    return GridSearchCV(stack(), {"passthrough": [True, False]}, cv=2)


def stack_without() -> Pipeline:
    """Ends with what cannot predict."""
    return make_pipeline(StackingClassifier([("one", LogisticRegression())]), Scaled())
