"""Labelled histories: film reviews, cover letters whose words change, a table of numbers, what goes wrong in it."""

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
from sklearn.base import BaseEstimator, ClassifierMixin
from sklearn.ensemble import HistGradientBoostingClassifier
from sklearn.linear_model import LogisticRegression
from sklearn.pipeline import Pipeline, make_pipeline
from sklearn.preprocessing import StandardScaler

BEGIN = pd.Timestamp("2022-01-03", tz="UTC")
ROWS, A_WEEK = 40_000, 200
INCIDENT = (18_000, 26_000)
"""The rows that an incident has: 40 weeks, a fifth of the history."""

Change = Callable[[pd.DataFrame, np.random.Generator], None]


@dataclass(frozen=True)
class Incident:
    """What goes wrong in some rows."""

    name: str
    change: Change | None = None
    """Changes the rows of the incident in place."""
    estimator: str = "simulation.histories:logistic"
    labels_right: bool = True
    """Whether the labels, so the holdout's, stay what they should be."""


def numbers(incident: Incident | None = None, rows: int = ROWS) -> pd.DataFrame:
    """A table of six numbers and a class. The weights of the numbers turn slowly; a tenth of the labels is chance."""
    rng = np.random.default_rng(7)
    table = pd.DataFrame(rng.normal(size=(rows, 6)), columns=list("abcdef"))
    turn = np.linspace(0, 0.9, rows)
    value = np.cos(turn) * (table["a"] + table["b"]) + np.sin(turn) * (table["c"] - table["d"]) + 0.5 * table["e"]
    yes = (value > 0) ^ (rng.random(rows) < 0.1)
    table.insert(0, "id", np.arange(rows))
    table["label"] = np.where(yes, "yes", "no")
    table["at"] = BEGIN + pd.to_timedelta(np.arange(rows) * 7 * 24 * 3600 / A_WEEK, unit="s").floor("s")
    if incident is not None and incident.change is not None:
        begin, end = (round(each * rows / ROWS) for each in INCIDENT)
        part = table.iloc[begin:end].copy()
        incident.change(part, rng)
        table.iloc[begin:end] = part
    return table


def _constant(rows: pd.DataFrame, _: np.random.Generator) -> None:
    rows["a"] = 0.0


def _other_units(rows: pd.DataFrame, _: np.random.Generator) -> None:
    rows["b"] = rows["b"] * 1_000


def _shuffled(rows: pd.DataFrame, rng: np.random.Generator) -> None:
    month = rows.index[: round(len(rows) / 10)]  # four weeks
    rows.loc[month, "label"] = rng.permutation(rows.loc[month, "label"].to_numpy())


def logistic() -> Pipeline:
    """Logistic regression on standardised columns."""
    return make_pipeline(StandardScaler(), LogisticRegression())


def boosted() -> HistGradientBoostingClassifier:
    return HistGradientBoostingClassifier(max_iter=60, max_leaf_nodes=15, random_state=0)


class Broken(ClassifierMixin, BaseEstimator):
    """A logistic regression whose code has a fault while the incident lasts: it takes a column for another one.

    What it is fitted on tells it when: a release with a fault came at one time, and one without it at another.
    """

    def fit(self, features: Any, labels: Any) -> "Broken":
        self.classes_ = np.unique(labels)
        held = len(features) / 0.9  # about: those that judge do not train
        self.faulty_ = INCIDENT[0] <= held < INCIDENT[1]
        self.model_ = logistic().fit(self._taken(features), labels)
        return self

    def predict(self, features: Any) -> Any:
        taken = self._taken(features)
        return self.model_.predict(taken[:, [1, 0, 3, 2, 4, 5]] if self.faulty_ else taken)

    def _taken(self, features: Any) -> Any:
        return np.asarray(features, float)


def broken() -> Broken:
    return Broken()


INCIDENTS = (
    Incident("a feature is constant", _constant),
    Incident("units of a feature change", _other_units),
    Incident("a release has a fault", estimator="simulation.histories:broken"),
    Incident("labels are shuffled for four weeks", _shuffled, labels_right=False),
)


def letters(rows: int) -> pd.DataFrame:
    """Cover letters of the sample, whose words change by and by: from none that are new to half of them."""
    from stack.samples import cover_letters

    parts, step = [], 2_000
    for first in range(1, rows + 1, step):
        new = 0.5 * first / rows
        parts.append(cover_letters.generate(min(step, rows - first + 1), seed=first, first=first, new_words=new))
    table = pd.concat(parts, ignore_index=True)
    table = table.dropna(subset=["result"])
    table["reviewed_at"] = BEGIN + pd.to_timedelta(
        np.arange(len(table)) * 7 * 24 * 3600 / (2 * A_WEEK), unit="s"
    ).floor("s")
    return table


def reviews(folder: Path) -> pd.DataFrame:
    """Film reviews of ten years with at most 4 points, or at least 9."""
    from stack import feed

    rows = pd.concat([feed.read(file, "written_on") for file in sorted(folder.glob("*.tsv.gz"))], ignore_index=True)
    rows = rows[~rows["rating"].between(5, 8) & rows["text"].notna()]
    rows["sentiment"] = np.where(rows["rating"] >= 9, "positive", "negative")
    return rows[["review_id", "text", "written_on", "sentiment"]]
