"""Scorers of scikit-learn, by name, on answers that are known already."""

from collections.abc import Iterable
from typing import Any, Self

import numpy as np
from numpy.typing import NDArray
from sklearn.base import BaseEstimator, ClassifierMixin, RegressorMixin
from sklearn.metrics import get_scorer
from sklearn.utils.metaestimators import available_if

from retrain.codes import code
from retrain.errors import EstimatorError
from retrain.metrics import SCORER
from retrain.scores import Answers, Scorer, Values
from retrain.spec import Measured, Task


def scorers_for(wanted: Iterable[Measured], task: Task, classes: tuple[str, ...]) -> dict[str, Scorer]:
    """Of those metrics that are a scorer of scikit-learn. Raises EstimatorError where it has none of that name."""
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
    names = np.array([*classes, ""])  # a code of -1 is none of the classes
    stored = _StoredClassifier if task is Task.CLASSIFICATION else _StoredRegressor

    def score(labels: Values, answers: Answers) -> float:
        truth = names[labels.astype(np.int64)] if classes else labels
        said = names[answers.labels.astype(np.int64)] if classes else answers.labels
        # Of two classes, scikit-learn takes margins for those of the second.
        margins = -answers.scores if answers.scores is not None and positive == 0 else answers.scores
        estimator = stored(said, answers.probabilities, margins, names[:-1])
        try:
            return float(scorer(estimator, np.arange(len(labels)).reshape(-1, 1), truth))
        except (ValueError, AttributeError):  # undefined on these rows (of one class, say), or by what a model gives
            return float("nan")

    return score


def _has_probabilities(stored: Any) -> bool:
    return stored.probabilities is not None


def _has_margins(stored: Any) -> bool:
    # Scorers that take either ask for these first; probabilities say more, and are there for every class.
    return stored.probabilities is None and stored.margins is not None


class _Stored(BaseEstimator):  # type: ignore[misc]
    """An estimator whose answers are known: it is asked for rows by their place."""

    def __init__(self, said: Values, probabilities: Any, margins: Any, classes: NDArray[np.str_]) -> None:
        self.said, self.probabilities, self.margins, self.classes = said, probabilities, margins, classes
        self.classes_ = classes

    def fit(self, features: Any, labels: Any) -> Self:  # noqa: ARG002
        return self

    def __sklearn_is_fitted__(self) -> bool:
        return True

    def predict(self, rows: NDArray[np.intp]) -> Values:
        return self.said[rows[:, 0]]

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
