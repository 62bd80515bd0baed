"""One candidate, tried as a cycle would: fitted, scored, saved, loaded in a fresh process and asked."""

import tempfile
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pandas as pd

from retrain import extras
from retrain.errors import EstimatorError, SettingsError
from retrain.gate.labels import classes_in
from retrain.models import files as model_files
from retrain.models import pythons, training
from retrain.models.as_onnx import EXTRA, as_onnx
from retrain.models.learning import options_of
from retrain.models.own_train import Context, Given
from retrain.models.sandbox import Sandbox
from retrain.preflight.finding import Finding
from retrain.spec.candidates import BALANCED, CandidateSpec, Format
from retrain.spec.spec import Spec
from retrain.spec.task import Task
from retrain.tracker import model_writer
from retrain.tracker.aside import aside

MOST_ROWS = 500
_SECONDS = 120
_OF_EACH = 20


@dataclass(frozen=True, eq=False)
class TrialRows:
    """A few hundred labelled rows."""

    features: pd.DataFrame
    labels: pd.Series

    @staticmethod
    def of(features: pd.DataFrame, labels: pd.Series) -> "TrialRows":
        """Take some of the rows: of each class a few, and a few in which each feature is missing."""
        rng, chosen = np.random.default_rng(0), [np.arange(min(len(labels), MOST_ROWS))]
        groups = [np.flatnonzero(features[name].isna()) for name in features]
        if labels.nunique() <= MOST_ROWS // _OF_EACH:
            groups += [np.flatnonzero(labels == each) for each in labels.unique()]
        chosen += [rng.permutation(group)[:_OF_EACH] for group in groups]
        rows = np.unique(np.concatenate(chosen))
        return TrialRows(features.iloc[rows].reset_index(drop=True), labels.iloc[rows].reset_index(drop=True))


def elsewhere(spec: Spec) -> Iterator[Finding]:
    """Yield why candidates are not tried here, if another interpreter fits them."""
    if spec.run_on.python is None:
        return
    try:
        pythons.of_name(spec.run_on.python)
    except SettingsError as error:
        yield Finding(f"run_on.{error}")
    else:
        told = f"run_on.python = {spec.run_on.python!r}: it fits the candidates, so they are not tried here"
        yield Finding(f"{told}; `retrain train` there tries one", fault=False)


def run_trial(spec: Spec, candidate: CandidateSpec, rows: TrialRows, sandbox: Sandbox) -> None:
    """Raises what the first run would: EstimatorError, or UntrustedModelError where types are not trusted."""
    labels = training.targets(spec.task, rows.labels)
    columns = rows.features
    if candidate.sample_weight not in (None, BALANCED, *columns):
        columns = columns.assign(
            **{str(candidate.sample_weight): 1.0}
        )  # of a column that is no feature, nothing is here
    options = options_of(candidate, labels, columns, np.arange(len(labels)))
    with (
        tempfile.TemporaryDirectory(prefix="retrain-") as own,
        tempfile.TemporaryDirectory(prefix="retrain-") as folder,
    ):
        context = Context.within(_SECONDS, Path(own), options.weights, None)
        with aside():
            estimator = training.made(candidate, Given(rows.features, labels), options, None, context)
        predictions = training.predict(estimator, rows.features, spec.task)
        if spec.task is Task.CLASSIFICATION:
            training.refuse_foreign(candidate.name, predictions.labels, classes_in(labels))
        training.scores(spec.gate, spec.task, labels, predictions)
        path = Path(folder) / "model"
        onnx = None
        if Format.ONNX in candidate.format and extras.has(EXTRA):  # else `missing_extras` says so
            onnx = as_onnx(candidate.name, estimator, rows.features, spec.task)
        model_writer.save(candidate.name, estimator, path, rows.features.head(), trust=spec.trust, onnx=onnx)
        digest = model_files.digest(path)
        reply = sandbox.ask(
            candidate.name, path, digest, rows.features, spec.trust, task=spec.task, seconds=_SECONDS
        ).predictions
    same = (
        np.array_equal(reply.labels, predictions.labels)
        if spec.task is Task.CLASSIFICATION
        else np.allclose(reply.labels.astype(float), predictions.labels.astype(float), equal_nan=True)
    )
    if not same:
        raise EstimatorError(
            f"{candidate.name}: loaded in a fresh process it predicts otherwise than here: something that it needs is "
            "not in the model; put it into the estimator when it is fitted"
        )
