"""What a model learns to predict."""

from enum import StrEnum

from retrain.metrics import described


class Task(StrEnum):
    """Whether the labels are classes or numbers."""

    CLASSIFICATION = "classification"
    REGRESSION = "regression"

    def has(self, metric: str) -> bool:
        """Return whether the metric is one of this task; a scorer of scikit-learn may be one of both."""
        needs = described(metric).needs
        return needs == "anything" or (needs == "numbers") == (self is Task.REGRESSION)
