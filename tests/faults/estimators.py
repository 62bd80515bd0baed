"""Functions and types that a spec of these tests names."""

from typing import Any

from sklearn.base import BaseEstimator, ClassifierMixin
from sklearn.pipeline import Pipeline

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


_TRIES: list[str] = []


def later() -> Any:
    """Fail once to be fitted."""
    _TRIES.append("later")
    return Quoting() if len(_TRIES) <= 2 else toys.logistic(["a", "b"])
