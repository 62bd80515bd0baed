"""The score of one version, or of several one after another, on later rows, and how sure it is."""

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from retrain.gate.comparison import Alone, alone
from retrain.gate.encoded import encoded
from retrain.gate.guards import ece
from retrain.live.predicted import Predicted
from retrain.spec.spec import Spec
from retrain.spec.task import Task

DRAWS = 400
"""Resamples of a standard error: it is right to within a twenty-eighth of itself."""


@dataclass(frozen=True)
class Score:
    rows: int
    value: float | None
    """None where the metric is undefined."""
    error: float | None
    """Standard error, by cluster."""
    interval: tuple[float, float] | None
    calibration: float | None
    """Expected calibration error; None without probabilities."""
    slices: Mapping[str, tuple[int, float | None]]
    """Rows and value of each slice."""


NOTHING = Score(0, None, None, None, None, {})


def score_of(spec: Spec, predicted: Predicted, seed: str) -> Score:
    """Return the gate's metric on these rows. seed: the same text gives the same interval."""
    gate, classified = spec.gate, spec.task is Task.CLASSIFICATION
    classes, labels, (predictions,), scorers = encoded(gate, spec.task, predicted.labels, [predicted.predictions])

    def on(which: NDArray[np.bool_], draws: int) -> Alone | None:
        return alone(
            gate,
            predictions.part(which),
            labels=labels[which],
            classes=classes,
            clusters=predicted.clusters[which],
            scorers=scorers,
            seed=seed,
            draws=draws,
        )

    every = np.ones(len(predicted), np.bool_)
    whole = on(every, DRAWS) if len(predicted) else None
    parts = {name: (int(which.sum()), on(which, 0)) for name, which in predicted.slices.items()}
    return Score(
        rows=len(predicted),
        value=whole.value if whole else None,
        error=whole.error if whole else None,
        interval=whole.interval if whole else None,
        calibration=ece(predictions, labels.astype(np.int64)) if classified and len(predicted) else None,
        slices={name: (rows, found.value if found else None) for name, (rows, found) in parts.items()},
    )
