"""Labels and raw predictions of several models as the gate compares them: in the same classes."""

from collections.abc import Sequence
from typing import NamedTuple

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from retrain.gate.labels import Values, encode
from retrain.gate.predictions import Predictions, RawPredictions, Scorers, classes_of
from retrain.gate.scorers import scorers_for
from retrain.metrics import described
from retrain.spec.gate import Gate
from retrain.spec.task import Task


class Encoded(NamedTuple):
    classes: tuple[str, ...]
    """Empty in a regression."""
    labels: Values
    """Shape (n,): label codes, or numbers."""
    predictions: list[Predictions]
    """Of each model, in the order in which they were given."""
    scorers: Scorers


def encoded(gate: Gate, task: Task, labels: NDArray[np.generic] | pd.Series, raw: Sequence[RawPredictions]) -> Encoded:
    """Return the labels, shape (n,), and the predictions of each model for these rows in the classes of them all."""
    of, classified = (gate, *gate.limits), task is Task.CLASSIFICATION
    joined = any(described(each.metric).needs == "probabilities" for each in of) or bool(gate.max_ece)
    classes = classes_of(labels, raw, joined=joined) if classified else ()
    return Encoded(
        classes,
        encode(labels, classes) if classified else np.asarray(labels, np.float64),
        [each.among(classes, gate.positive) for each in raw],
        scorers_for(of, task, classes),
    )
