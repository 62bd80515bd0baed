"""A classifier whose fit takes a given time of one processor."""

import time
from typing import Any, Self

from sklearn.linear_model import LogisticRegression


class Spinning(LogisticRegression):
    """Logistic regression, after so many seconds of CPU time."""

    def __init__(self, C: float = 1.0, spin: float = 0.0) -> None:  # noqa: N803 - scikit-learn's name
        super().__init__(C=C)
        self.spin = spin

    def fit(self, X: Any, y: Any, sample_weight: Any = None) -> Self:  # noqa: N803
        until = time.process_time() + self.spin
        while time.process_time() < until:
            pass
        super().fit(X, y, sample_weight)
        return self


def spinning(c: float, spin: float) -> Spinning:
    return Spinning(C=c, spin=spin)
