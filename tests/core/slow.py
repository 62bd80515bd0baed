"""Pipelines whose first step takes long, and writes down each fit."""

import time
from pathlib import Path
from typing import Any

import numpy as np
from sklearn.linear_model import LogisticRegression, Ridge
from sklearn.naive_bayes import GaussianNB
from sklearn.pipeline import Pipeline
from sklearn.preprocessing import StandardScaler


class Slow(StandardScaler):
    def __init__(self, file: str = "", seconds: float = 1.1, draws: bool = False) -> None:
        super().__init__()
        self.file = file
        self.seconds = seconds
        self.draws = draws

    def fit(self, X: Any, y: Any = None, sample_weight: Any = None) -> "Slow":  # noqa: N803
        time.sleep(self.seconds)
        if self.draws:
            np.random.random()
        if self.file:
            with Path(self.file).open("a", encoding="utf-8") as file:
                file.write("fitted\n")
        super().fit(X, y, sample_weight)
        return self


def fits(file: Path) -> int:
    """How often a step was fitted that writes into this file."""
    return len(file.read_text(encoding="utf-8").splitlines()) if file.exists() else 0


def pipeline(kind: str, c: float | None = None, **step: Any) -> Pipeline:
    models = {"logistic": LogisticRegression, "bayes": GaussianNB, "ridge": Ridge}
    last = models[kind]() if c is None else LogisticRegression(C=c)
    return Pipeline([("slow", Slow(**step)), (kind, last)])
