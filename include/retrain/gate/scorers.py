"""Scorers of scikit-learn, by name, on known predictions, and how they are resampled."""

from collections.abc import Iterable
from dataclasses import dataclass
from typing import Any, ClassVar, Self

import numpy as np
from numpy.typing import NDArray
from sklearn.base import BaseEstimator, ClassifierMixin, RegressorMixin
from sklearn.metrics import get_scorer
from sklearn.utils.metaestimators import available_if

from retrain.errors import EstimatorError
from retrain.gate.labels import Floats, Values
from retrain.gate.predictions import Predictions, Scorer
from retrain.gate.swaps import Swaps
from retrain.labels import code
from retrain.metrics import SCORER
from retrain.spec.gate import Measured
from retrain.spec.task import Task


def scorers_for(wanted: Iterable[Measured], task: Task, classes: tuple[str, ...]) -> dict[str, Scorer]:
    """Return the scorer of each metric that is one of scikit-learn's. Raises EstimatorError for an unknown name."""
    return {
        each.metric: _scorer(each.metric.removeprefix(SCORER), task, classes, code(each.positive, classes))
        for each in wanted
        if each.metric.startswith(SCORER)
    }


def _scorer(name: str, task: Task, classes: tuple[str, ...], positive: int | None) -> Scorer:
    try:
        scorer = get_scorer(name)
    except ValueError:
        raise EstimatorError(f"scikit-learn has no scorer {name!r}; get_scorer_names() lists them") from None
    # Many scorers are about class 1 of two, whatever the classes are called: so the positive one is given to them as 1.
    of_two = positive is not None and len(classes) == 2
    order = [1, 0] if of_two and positive == 0 else list(range(len(classes)))
    # The last is for label code -1, which is not a class.
    names = np.array([0, 1, 2] if of_two else [*classes, ""])
    places = np.array([*order, -1], np.int64)
    stored = _StoredClassifier if task is Task.CLASSIFICATION else _StoredRegressor

    def named(values: Values) -> Values:
        return names[places[values.astype(np.int64)]] if classes else values

    def score(labels: Values, known: Predictions) -> float:
        truth, table = named(labels), known.probabilities
        estimator = stored(
            named(known.labels), table if table is None or not of_two else table[:, order], known.scores, names[:-1]
        )
        try:
            return float(scorer(estimator, np.arange(len(labels)).reshape(-1, 1), truth))
        except (ValueError, AttributeError):  # undefined on these rows (one class, say), or the model gives too little
            return float("nan")

    return score


def _has_probabilities(stored: Any) -> bool:
    return stored.probabilities is not None


def _has_margins(stored: Any) -> bool:
    # Scorers that take either ask for these first; probabilities say more, and are there for every class.
    return stored.probabilities is None and stored.margins is not None


class _Stored(BaseEstimator):  # type: ignore[misc]
    """An estimator whose predictions are known: its features are the places of rows."""

    def __init__(self, predicted: Values, probabilities: Any, margins: Any, classes: NDArray[np.str_]) -> None:
        self.predicted, self.probabilities, self.margins, self.classes = predicted, probabilities, margins, classes
        self.classes_ = classes

    def fit(self, features: Any, labels: Any) -> Self:  # noqa: ARG002
        return self

    def __sklearn_is_fitted__(self) -> bool:
        return True

    def predict(self, rows: NDArray[np.intp]) -> Values:
        return self.predicted[rows[:, 0]]

    @available_if(_has_probabilities)  # type: ignore[untyped-decorator]
    def predict_proba(self, rows: NDArray[np.intp]) -> Any:
        return self.probabilities[rows[:, 0]]

    @available_if(_has_margins)  # type: ignore[untyped-decorator]
    def decision_function(self, rows: NDArray[np.intp]) -> Any:
        return self.margins[rows[:, 0]]


class _StoredClassifier(ClassifierMixin, _Stored):  # type: ignore[misc]
    pass


class _StoredRegressor(RegressorMixin, _Stored):  # type: ignore[misc]
    pass


@dataclass(frozen=True, eq=False)
class Scored:
    """Two models under any metric, with one call for each resample: at 1 ms a call, a verdict takes seconds."""

    scorer: Scorer
    labels: Values
    own: Predictions
    theirs: Predictions
    cluster: NDArray[np.intp]
    """Shape (n,): 0..u-1."""
    slow: ClassVar[bool] = True

    def observed(self) -> tuple[float, float]:
        return self.scorer(self.labels, self.own), self.scorer(self.labels, self.theirs)

    def alike(self) -> bool:
        both = zip(*((each.labels, each.probabilities, each.scores) for each in (self.own, self.theirs)), strict=True)
        return all(np.array_equal(own, theirs) for own, theirs in both if own is not None and theirs is not None)

    def permuted(self, rng: np.random.Generator, draws: int) -> Floats:
        clusters = self.cluster.max() + 1
        return np.array([self._gain(rng.integers(0, 2, size=clusters)) for _ in range(draws)])

    def swapped(self, swaps: Swaps) -> Floats:
        return np.array([self._gain(draw) for part in swaps.chunks(len(swaps.keys)) for draw in part])

    def _gain(self, swaps: Values) -> float:
        """Return the difference where clusters swap: those with a 1, shape (u,)."""
        swapped = swaps.astype(np.bool_)[self.cluster]
        own, theirs = self.own.mixed(self.theirs, swapped), self.theirs.mixed(self.own, swapped)
        return self.scorer(self.labels, own) - self.scorer(self.labels, theirs)

    def bootstrapped(self, rng: np.random.Generator, draws: int) -> tuple[Floats, Floats]:
        order = np.argsort(self.cluster, kind="stable")
        of_cluster = np.split(order, np.cumsum(np.bincount(self.cluster))[:-1])
        values = np.empty((2, draws))
        for draw in range(draws):
            chosen = rng.integers(0, len(of_cluster), size=len(of_cluster))
            rows = np.concatenate([of_cluster[each] for each in chosen])
            values[:, draw] = [self.scorer(self.labels[rows], each.part(rows)) for each in (self.own, self.theirs)]
        return values[0], values[1]
