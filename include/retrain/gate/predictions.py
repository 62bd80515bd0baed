"""Predictions of models on the holdout, as the gate takes them."""

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace

import numpy as np
from numpy.typing import ArrayLike, NDArray

from retrain.gate.labels import Floats, Integers, Values, check_label_codes, classes_in, encode
from retrain.labels import code
from retrain.records import Matchup


@dataclass(frozen=True, eq=False)
class RawPredictions:
    """One model's predictions for n rows, in its own classes."""

    labels: NDArray[np.str_] | Floats
    """Shape (n,): the predicted classes, spelled; in a regression, numbers."""
    classes: tuple[str, ...] = ()
    """The class of each column of `probabilities`."""
    probabilities: Floats | None = None
    """Shape (n, k)."""
    margins: Floats | None = None
    """Shape (n,): how much a row belongs to the second class, from a classifier of two without probabilities."""

    def part(self, rows: NDArray[np.bool_] | NDArray[np.intp]) -> "RawPredictions":
        """Return the predictions for these rows."""
        return replace(
            self,
            labels=self.labels[rows],
            probabilities=None if self.probabilities is None else self.probabilities[rows],
            margins=None if self.margins is None else self.margins[rows],
        )

    @staticmethod
    def joined(parts: Sequence["RawPredictions"]) -> "RawPredictions":
        """Return the predictions of one model for the rows of all parts, one after another."""
        first = parts[0]
        return RawPredictions(
            np.concatenate([each.labels for each in parts]),
            first.classes,
            None if first.probabilities is None else np.concatenate([each.probabilities for each in parts]),
            None if first.margins is None else np.concatenate([each.margins for each in parts]),
        )

    def among(self, classes: tuple[str, ...], positive: str | None) -> "Predictions":
        """Return the same as label codes of `classes`, with a column for each: 0 where the model does not know it.

        Without a positive class, margins are scores of the second of the two.
        """
        if not classes:
            return Predictions(self.labels)
        probabilities = None
        if self.probabilities is not None:
            probabilities = np.zeros((len(self.labels), len(classes)))
            for place, name in enumerate(self.classes):
                if (column := code(name, classes)) is not None:
                    probabilities[:, column] = self.probabilities[:, place]
        if positive is None and self.margins is not None:
            positive = self.classes[1]
        own = code(positive, self.classes)
        scores = None
        if self.probabilities is not None and own is not None:
            scores = self.probabilities[:, own]
        elif self.margins is not None and own is not None:
            scores = self.margins if own == 1 else -self.margins
        return Predictions(encode(self.labels, classes), probabilities, scores, code(positive, classes))


def classes_of(labels: ArrayLike, predictions: Iterable[RawPredictions], *, joined: bool) -> tuple[str, ...]:
    """Return the classes of the labels, in order.

    joined: add those that only a model knows, so that no probability is lost.
    """
    known = classes_in(labels)
    if not joined:
        return known
    names = {name for each in predictions for name in each.classes}
    return tuple(sorted({*known, *(name for name in names if code(name, known) is None)}))


@dataclass(frozen=True, eq=False)
class Predictions:
    """One model's predictions for the n rows of the holdout, and what it costs."""

    labels: Values
    """Shape (n,): label codes, -1 for a prediction outside of the classes; or numbers."""
    probabilities: Floats | None = None
    """Shape (n, k), a column for each class."""
    scores: Floats | None = None
    """Shape (n,): how much the row belongs to the positive class, on any scale."""
    positive: int | None = None
    """The label code of that class; None where it is the class that the metric is about."""
    latency_ms: float | None = None
    """95th percentile of the time for one row."""
    size: int | None = None
    """Bytes of its files."""
    train_rows: int | None = None
    inputs: Mapping[str, str] | None = None
    """Type of each column that it takes, from its signature."""

    def part(self, rows: NDArray[np.bool_] | NDArray[np.intp]) -> "Predictions":
        """Return the predictions for these rows."""
        return replace(
            self,
            labels=self.labels[rows],
            probabilities=None if self.probabilities is None else self.probabilities[rows],
            scores=None if self.scores is None else self.scores[rows],
        )

    def mixed(self, other: "Predictions", where: NDArray[np.bool_]) -> "Predictions":
        """Return these predictions, with the other's in the rows that `where`, shape (n,), selects."""
        return Predictions(
            np.where(where, other.labels, self.labels),
            _mixed(self.probabilities, other.probabilities, where[:, None]),
            _mixed(self.scores, other.scores, where),
            self.positive,
        )


@dataclass(frozen=True)
class Rate:
    """How fast rows arrive."""

    holdout_rows: float
    """New rows of the holdout in a year."""
    cycles: float
    """Cycles in a year."""


Scorer = Callable[[Values, Predictions], float]
"""A metric of any kind: labels of shape (n,) and a model's predictions give a number."""

Scorers = Mapping[str, Scorer]
"""Scorers by the name of the metric."""


@dataclass(frozen=True, eq=False)
class Evidence:
    """What was measured on the n rows of the holdout. Raises ValueError where shapes or label codes do not fit."""

    matchup: Matchup
    classes: tuple[str, ...]
    """The class of each label code, as text; empty in a regression."""
    labels: Values
    """Shape (n,): label codes of the true classes, or numbers."""
    challenger: Predictions | None
    """None where it could not be measured; `faults` then says why."""
    production: Predictions | None
    """None where there is no Production, or where it could not be measured."""
    clusters: Integers
    """Shape (n,): rows with the same key are one cluster."""
    anchor: Predictions | None = None
    """Those of the gate's anchor, where the matchup names one."""
    anchor_fault: str = ""
    """Why the anchor cannot be asked, as a clause."""
    rate: Rate | None = None
    """None where nothing says how fast rows arrive."""
    slices: Mapping[str, NDArray[np.bool_]] = field(default_factory=dict)
    """Shape (n,) each: the rows of each guarded slice, by its name."""
    overlap: int = 0
    """Holdout rows already left out because one of the models trained on them."""
    unknown: int = 0
    """Holdout rows already left out because they were labelled before an adopted version was made."""
    twin: bool = False
    """Whether Production is the same candidate on the same snapshot."""
    faults: tuple[str, ...] = ()
    """What could not be measured, each as a clause: `version 3 cannot be loaded`."""
    scorers: Scorers = field(default_factory=dict)
    """For metrics that are a scorer of scikit-learn."""

    def __post_init__(self) -> None:
        if self.clusters.shape != self.labels.shape:
            raise ValueError(f"clusters of shape {self.clusters.shape} do not fit labels of shape {self.labels.shape}")
        for name, rows in self.slices.items():
            if rows.shape != self.labels.shape:
                raise ValueError(f"slice {name} of shape {rows.shape} does not fit {len(self.labels)} labels")
        for predictions in (self.challenger, self.production, self.anchor):
            if predictions is not None:
                self._check(predictions)

    def _check(self, predictions: Predictions) -> None:
        if self.classes:
            check_label_codes(self.labels, predictions.labels, len(self.classes))
        elif predictions.labels.shape != self.labels.shape:
            raise ValueError(f"predictions of shape {predictions.labels.shape} do not fit {len(self.labels)} labels")
        rows, table = self.labels.shape, (len(self.labels), len(self.classes))
        for name, values, shape in (
            ("probabilities", predictions.probabilities, table),
            ("scores", predictions.scores, rows),
        ):
            if values is not None and values.shape != shape:
                raise ValueError(f"{name} of shape {values.shape} are not of shape {shape}")

    def flips(self) -> tuple[NDArray[np.intp], NDArray[np.intp]]:
        """Return the places of rows that went from right to wrong, and from wrong to right; none in a regression."""
        if self.challenger is None or self.production is None or not self.classes:
            return np.array([], np.intp), np.array([], np.intp)
        was, is_now = self.production.labels == self.labels, self.challenger.labels == self.labels
        return np.flatnonzero(was & ~is_now), np.flatnonzero(~was & is_now)

    def part(self, rows: NDArray[np.bool_]) -> "Evidence":
        """Return the evidence on some of the rows, shape (n,)."""
        return replace(
            self,
            labels=self.labels[rows],
            clusters=self.clusters[rows],
            slices={},
            challenger=self.challenger and self.challenger.part(rows),
            production=self.production and self.production.part(rows),
            anchor=self.anchor and self.anchor.part(rows),
        )


def _mixed(own: Floats | None, theirs: Floats | None, where: NDArray[np.bool_]) -> Floats | None:
    return None if own is None or theirs is None else np.where(where, theirs, own)
