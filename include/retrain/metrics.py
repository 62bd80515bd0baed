"""The metrics that the gate can measure. Every DAG file reads specs, and so this: it must not wait for numpy."""

from dataclasses import dataclass
from typing import Literal

Needs = Literal["labels", "scores", "probabilities", "numbers", "anything"]

SCORER = "sklearn:"
"""Prefix of the name of a scikit-learn scorer."""


@dataclass(frozen=True)
class Metric:
    words: str
    """Its name in a sentence."""
    needs: Needs
    """What a model must give so that it can be computed."""
    greater_is_better: bool = True
    of_class: bool = False
    """Whether it is about one class, `positive`."""

    @property
    def in_points(self) -> bool:
        """Whether 1 is the best and 0 is worthless, so that a hundredth is a point."""
        return self.greater_is_better and self.needs != "anything"

    @property
    def sign(self) -> int:
        return 1 if self.greater_is_better else -1


METRICS = {
    "accuracy": Metric("accuracy", "labels"),
    "balanced_accuracy": Metric("balanced accuracy", "labels"),
    "f1": Metric("F1", "labels", of_class=True),
    "f1_macro": Metric("macro F1", "labels"),
    "f1_weighted": Metric("weighted F1", "labels"),
    "precision": Metric("precision", "labels", of_class=True),
    "recall": Metric("recall", "labels", of_class=True),
    "roc_auc": Metric("ROC AUC", "scores", of_class=True),
    "average_precision": Metric("average precision", "scores", of_class=True),
    "log_loss": Metric("log loss", "probabilities", greater_is_better=False),
    "brier": Metric("Brier score", "probabilities", greater_is_better=False),
    "mae": Metric("mean absolute error", "numbers", greater_is_better=False),
    "rmse": Metric("RMSE", "numbers", greater_is_better=False),
    "r2": Metric("R²", "numbers"),
}


def described(name: str) -> Metric:
    """Return the metric of this name. Raises KeyError if it is neither in the table nor a scorer's."""
    if name.startswith(SCORER):
        return Metric(name.removeprefix(SCORER), "anything")
    return METRICS[name]
