"""Fits one candidate in this process, which is one of its own: what `retrain train` does. Knows no ledger, no MLflow
server: what it makes are files.
"""

import hashlib
import json
import math
import random
import tempfile
import time
from collections.abc import Mapping
from dataclasses import asdict, dataclass, field
from pathlib import Path

import numpy as np
from threadpoolctl import threadpool_limits

from retrain.errors import EstimatorError
from retrain.gate.labels import classes_in
from retrain.metrics import described
from retrain.models import training
from retrain.models.as_onnx import as_onnx
from retrain.models.learning import Watch, options_of
from retrain.models.own_train import Context, Given
from retrain.models.peak import peak_memory
from retrain.models.recipe import recipe_of
from retrain.models.weights import heaviest
from retrain.records import Snapshot, Subset
from retrain.snapshots.store import Rows, SnapshotStore
from retrain.source.columns import SUBSET
from retrain.spec.candidates import Format
from retrain.spec.spec import Spec
from retrain.spec.task import Task
from retrain.tracker import model_writer
from retrain.tracker.aside import aside

MODEL, MADE, ERROR, STEPS = "model", "made.json", "error.json", "steps.jsonl"
"""What is in the folder: the model's files, `Made`, an error (`retrain.errors.packed`), metrics by step."""


@dataclass(frozen=True)
class Made:
    """A fit: its model is in the folder `model` beside it."""

    rows: int
    """Rows that it was fitted on."""
    metrics: dict[str, float]
    """By name: `train_…` and, if the model was not fitted on the validation rows, `validation_…`."""
    seconds: float
    """Of the fit alone, without reading rows, scores and files."""
    memory: int
    """The most that the process had in memory, in bytes."""
    recipe: str | None = None
    """Digest of how it was made (`models.recipe`), if known."""
    heaviest: dict[str, float] = field(default_factory=dict)
    """The features with the greatest weights or importances, at most twenty, the greatest first."""

    def to_text(self) -> str:
        return json.dumps(asdict(self))

    @staticmethod
    def from_text(text: str) -> "Made":
        return Made(**json.loads(text))


@dataclass(frozen=True)
class Order:
    """What is to be fitted."""

    spec: Spec
    candidate: str
    snapshot: Snapshot
    subsets: tuple[Subset, ...]


def fit_here(order: Order, snapshots: SnapshotStore, folder: Path) -> Made:
    """Fit the candidate on these subsets of the snapshot, score it, and write its model into the folder.

    Raises EstimatorError if it cannot be built, fitted, scored or written, UntrustedModelError if it holds types that
    are not trusted.
    """
    spec, snapshot = order.spec, order.snapshot
    _seed(order)
    with threadpool_limits(spec.limits.threads):
        candidate = spec.candidate(order.candidate)
        rows = snapshots.read(snapshot, order.subsets)
        labels = training.targets(spec.task, rows.labels)
        options = options_of(candidate, labels, rows.features.join(rows.also), rows.clusters)
        validation, watch = None, None
        if Subset.VALIDATION not in order.subsets:
            validation = _validation(snapshots, snapshot, spec)
            watch = Watch(_Steps(folder / STEPS), validation.features, training.targets(spec.task, validation.labels))
        filters = ((SUBSET, "in", [subset.value for subset in order.subsets]),)
        given = Given(rows.features, labels, snapshot.uri, filters)
        classes = classes_in(labels) if spec.task is Task.CLASSIFICATION else ()
        with tempfile.TemporaryDirectory(prefix="retrain-") as own:
            log = None if watch is None else watch.log
            context = Context.within(spec.limits.time.total_seconds(), Path(own), options.weights, log)
            begun = time.monotonic()
            with aside(log):
                estimator = training.made(candidate, given, options, watch, context)
            seconds = time.monotonic() - begun
            metrics = _metrics("train", estimator, rows, spec, classes)
            if validation is not None:
                metrics |= _metrics("validation", estimator, validation, spec, classes)
            # As long as `own` is there: the model may be a folder in it.
            _write(order, estimator, rows, folder)
    return Made(len(rows), metrics, seconds, peak_memory(), recipe_of(spec, order.candidate), heaviest(estimator))


def _write(order: Order, estimator: object, rows: Rows, folder: Path) -> None:
    name, spec, onnx = order.candidate, order.spec, None
    if Format.ONNX in spec.candidate(name).format:
        onnx = as_onnx(name, estimator, rows.features, spec.task)
    model_writer.save(name, estimator, folder / MODEL, rows.features.head(), trust=spec.trust, onnx=onnx)


def _seed(order: Order) -> None:
    """Seed the generators of this process, which libraries draw from where nobody has given them a seed."""
    text = json.dumps([order.candidate, order.snapshot.id, *order.subsets])
    seed = int.from_bytes(hashlib.sha256(text.encode()).digest()[:4])
    random.seed(seed)
    np.random.seed(seed)


def _validation(snapshots: SnapshotStore, snapshot: Snapshot, spec: Spec) -> Rows:
    validation = snapshots.read(snapshot, [Subset.VALIDATION])
    if not len(validation):
        raise EstimatorError(
            f"{spec.model}: none of the {snapshot.rows:,} rows is for validation, so candidates cannot be compared; "
            "wait for more distinct rows, or enlarge split.validation"
        )
    return validation


class _Steps:
    """Writes metrics by step to a file, which `cycle.live` reads while the fit runs. What is not finite is left out."""

    def __init__(self, path: Path) -> None:
        self._path = path

    def __call__(self, step: int, metrics: Mapping[str, float]) -> None:
        finite = {name: float(value) for name, value in metrics.items() if math.isfinite(value)}
        with self._path.open("a", encoding="utf-8") as file:
            file.write(json.dumps({"step": step, "at": time.time(), "metrics": finite}) + "\n")


def _metrics(prefix: str, estimator: object, rows: Rows, spec: Spec, classes: tuple[str, ...]) -> dict[str, float]:
    """classes: those that it was trained on; empty in a regression."""
    probabilities = described(spec.gate.metric).needs not in ("labels", "numbers")
    predictions = training.predict(estimator, rows.features, spec.task, probabilities=probabilities)
    if classes:
        training.refuse_foreign(type(estimator).__name__, predictions.labels, classes)
    scores = training.scores(spec.gate, spec.task, rows.labels, predictions)
    return {f"{prefix}_{name}": score for name, score in scores.items()}
