"""Estimators and rows for tests: the label is the sign of a + b, and some labels are wrong."""

import os
import sys
import time
from datetime import UTC, datetime, timedelta
from typing import Any

import numpy as np
from psycopg2.extensions import connection
from psycopg2.extras import execute_values
from sklearn.base import BaseEstimator, ClassifierMixin
from sklearn.compose import ColumnTransformer
from sklearn.linear_model import LogisticRegression, Ridge, SGDClassifier
from sklearn.neighbors import KNeighborsClassifier
from sklearn.pipeline import Pipeline
from sklearn.preprocessing import Normalizer, PolynomialFeatures, StandardScaler

START = datetime(2026, 1, 1, tzinfo=UTC)


def logistic(columns: list[str], c: float = 1.0) -> Pipeline:
    """Uses only these columns: with one of the two it cannot be good."""
    scale = ColumnTransformer([("scale", StandardScaler(), columns)])
    return Pipeline([("scale", scale), ("logistic", LogisticRegression(C=c))])


def sgd() -> Pipeline:
    """Learns in batches, from the first step on."""
    return Pipeline([("scale", StandardScaler()), ("sgd", SGDClassifier(random_state=0, average=True))])


def columned_sgd() -> Pipeline:
    """Its first step learns from all rows at once."""
    scale = ColumnTransformer([("scale", StandardScaler(), ["a", "b"])])
    return Pipeline([("scale", scale), ("sgd", SGDClassifier(random_state=0))])


def hashed_sgd() -> Pipeline:
    """Learns in batches, after a step that learns nothing."""
    return Pipeline([("scale", Normalizer()), ("sgd", SGDClassifier(random_state=0, average=True))])


def columns_of_a_trial(trial: Any) -> dict[str, Any]:
    """A search's own space."""
    return {"columns": ["a", "b"][: trial.suggest_int("number", 1, 2)]}


def failing_space(trial: Any) -> dict[str, Any]:
    return {"columns": 1 // 0}


def slow_booster(rate: float) -> Any:
    """Takes seconds, so that there is something to end."""
    from lightgbm import LGBMClassifier

    return LGBMClassifier(n_estimators=1_500, learning_rate=rate, num_leaves=63, min_child_samples=2, verbose=-1)


def neighbours(columns: list[str]) -> Pipeline:
    """Almost as good as `logistic`, on other rows."""
    return Pipeline(
        [("columns", ColumnTransformer([("scale", StandardScaler(), columns)])), ("knn", KNeighborsClassifier(51))]
    )


def ridge(columns: list[str], squares: bool = False) -> Pipeline:
    """Without squares it cannot learn the squares in `numbers`."""
    taken = [("columns", StandardScaler(), columns)]
    squared = [("squares", PolynomialFeatures(degree=2))] if squares else []
    return Pipeline([("scale", ColumnTransformer(taken)), *squared, ("ridge", Ridge())])


def numbers(database: connection, table: str, rows: int, *, first: int = 0) -> None:
    """y = a + b + 0.6 a² and noise, whose standard deviation is 0.5."""
    dice = np.random.default_rng(first)
    a, b, noise = dice.normal(size=(3, rows))
    y = a + b + 0.6 * a**2 + 0.5 * noise
    with database.cursor() as cursor:
        cursor.execute(
            f"CREATE TABLE IF NOT EXISTS {table} "
            "(id bigint PRIMARY KEY, a float8, b float8, y float8, labelled_at timestamptz)"
        )
        values = [
            (first + i, float(a[i]), float(b[i]), float(y[i]), START + timedelta(seconds=first + i))
            for i in range(rows)
        ]
        execute_values(cursor, f"INSERT INTO {table} VALUES %s", values, page_size=1000)


def create(database: connection, table: str) -> None:
    with database.cursor() as cursor:
        cursor.execute(
            f"CREATE TABLE {table} (id bigint PRIMARY KEY, a float8, b float8, label text, labelled_at timestamptz)"
        )


def insert(
    database: connection,
    table: str,
    rows: int,
    *,
    first: int,
    noise: float = 0.1,
    turn: float = 0.0,
    start: datetime = START,
) -> None:
    """Rows `first`, `first + 1`, …, labelled a second apart. turn: of the boundary between the classes, in radians."""
    dice = np.random.default_rng(first)
    a, b = dice.normal(size=(2, rows))
    positive = (np.cos(turn) * (a + b) + np.sin(turn) * (a - b) > 0) ^ (dice.random(rows) < noise)
    values: list[tuple[Any, ...]] = [
        (first + i, float(a[i]), float(b[i]), "yes" if positive[i] else "no", start + timedelta(seconds=first + i))
        for i in range(rows)
    ]
    with database.cursor() as cursor:
        execute_values(cursor, f"INSERT INTO {table} VALUES %s", values, page_size=1000)


SETTINGS: dict[str, str] = {}
"""Set while a program runs: another process does not have it."""


class Odd(ClassifierMixin, BaseEstimator):
    """Predicts a constant, and does something else beside it."""

    def __init__(self, does: str = "") -> None:
        self.does = does

    def __setstate__(self, state: dict[str, Any]) -> None:
        if state["does"] == "refuse to load" and sys.argv[0].endswith("forks.py"):
            raise AttributeError("no attribute '_fill_dtype'")
        super().__setstate__(state)

    def fit(self, features: Any, labels: Any) -> "Odd":
        self.classes_ = np.unique(labels)
        return self

    def predict(self, features: Any) -> Any:
        print('{"error": "EstimatorError"}')
        if self.does == "end the process" and sys.argv[0].endswith("forks.py"):
            os._exit(7)
        if self.does == "take for ever" and sys.argv[0].endswith("forks.py"):
            time.sleep(600)
        if self.does == "need a setting":
            return np.full(len(features), SETTINGS["answer"])
        if self.does == "tell types":
            types = [f"{features[name].dtype} {list(features[name])!r}" for name in features]
            return np.array([*types, repr(list(features.index))])
        return np.full(len(features) // 2 if self.does == "answer half" else len(features), "yes")


def odd(does: str = "") -> Odd:
    return Odd(does)
