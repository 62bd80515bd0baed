"""A classifier that learns labels of any kind and predicts them again, around one that only does so of 0, 1, 2 …."""

from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray
from sklearn.base import BaseEstimator, ClassifierMixin, MetaEstimatorMixin


class CodedLabels(MetaEstimatorMixin, ClassifierMixin, BaseEstimator):  # type: ignore[misc]
    """XGBoost's and CatBoost's classifier get whole numbers from 0 on without a gap, and what they predict is named.

    classifier: an unfitted classifier. It is fitted in place.
    """

    def __init__(self, classifier: Any) -> None:
        self.classifier = classifier

    def fit(self, X: Any, y: ArrayLike, **keywords: Any) -> "CodedLabels":  # noqa: N803 - scikit-learn's name
        """Fit the classifier. keywords: of its `fit`."""
        self.classifier.fit(X, self.learn_classes(y), **keywords)
        return self

    def learn_classes(self, y: ArrayLike) -> NDArray[np.int64]:
        """Learn which classes there are, and return the code of each label. Shape (n,)."""
        self.classes_, codes = np.unique(np.asarray(y), return_inverse=True)
        return codes.astype(np.int64)

    def codes(self, y: ArrayLike) -> NDArray[np.int64]:
        """Return the code of each label, all of which must be known. Shape (n,)."""
        return np.searchsorted(self.classes_, np.asarray(y)).astype(np.int64)

    def predict(self, X: Any) -> NDArray[Any]:  # noqa: N803
        """Return a label for each row. Shape (n,)."""
        # CatBoost's predicts a column of shape (n, 1) where there are more than two classes.
        found: NDArray[Any] = self.classes_[np.asarray(self.classifier.predict(X), np.int64).ravel()]
        return found

    def predict_proba(self, X: Any) -> NDArray[np.float64]:  # noqa: N803
        """Return the probability of each class, in the order of `classes_`. Shape (n, classes)."""
        return np.asarray(self.classifier.predict_proba(X), np.float64)

    @property
    def feature_importances_(self) -> NDArray[np.float64]:
        return np.asarray(self.classifier.feature_importances_, np.float64)
