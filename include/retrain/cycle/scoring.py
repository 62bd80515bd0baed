"""What a fit gets beside its rows, and how its model is scored: the same for a candidate and for a fold of a trial."""

from typing import Any

import pandas as pd

from retrain.gate.labels import classes_in
from retrain.gate.predictions import RawPredictions
from retrain.metrics import described
from retrain.models import training
from retrain.models.learning import Options, options_of
from retrain.snapshots.rows import Rows
from retrain.spec.candidates import BALANCED, CandidateSpec
from retrain.spec.spec import Spec
from retrain.spec.task import Task


def options_for(candidate: CandidateSpec, rows: Rows, labels: pd.Series) -> Options:
    """Return what the candidate's fit gets beside these rows. labels: theirs, as an estimator learns them."""
    weighs = candidate.sample_weight not in (None, BALANCED)
    columns = rows.features.join(rows.also) if weighs else rows.features  # joined, they are all copied
    return options_of(candidate, labels, columns, rows.clusters)


def needs_probabilities(spec: Spec) -> bool:
    """Return whether the gate's metric is of more than labels or numbers."""
    return described(spec.gate.metric).needs not in ("labels", "numbers")


def predictions_of(estimator: Any, rows: Rows, spec: Spec) -> RawPredictions:
    """Return what the scores of these rows need."""
    return training.predict(estimator, rows.features, spec.task, probabilities=needs_probabilities(spec))


def scores(spec: Spec, labels: pd.Series, predictions: RawPredictions, learnt: pd.Series) -> dict[str, float]:
    """Return every metric of these predictions. learnt: the labels that the model was trained on."""
    if spec.task is Task.CLASSIFICATION:
        training.refuse_foreign("the model", predictions.labels, classes_in(learnt))
    return training.scores(spec.gate, spec.task, labels, predictions)
