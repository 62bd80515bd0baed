"""Fits one candidate in this process, which is one of its own: what `retrain train` does. Knows no ledger, no MLflow
server: what it makes are files.
"""

import hashlib
import json
import math
import platform
import random
import tempfile
import time
from collections.abc import Mapping
from dataclasses import asdict, dataclass, field
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
from threadpoolctl import threadpool_limits

from retrain.cycle import folds
from retrain.cycle.scoring import needs_probabilities, options_for, predictions_of, scores
from retrain.cycle.streaming import Stream
from retrain.errors import EstimatorError
from retrain.gate.predictions import RawPredictions
from retrain.models import shared_steps, streamed, training
from retrain.models.as_onnx import as_onnx
from retrain.models.boosters import Log
from retrain.models.files import versions_in
from retrain.models.learning import Options, Watch, options_of
from retrain.models.own_train import Context, Given
from retrain.models.peak import peak_memory
from retrain.models.recipe import recipe_of
from retrain.models.steps import BATCH
from retrain.models.weights import heaviest
from retrain.records import Snapshot, Subset
from retrain.snapshots import prepared
from retrain.snapshots.rows import Rows
from retrain.snapshots.store import SnapshotStore
from retrain.source.columns import SUBSET
from retrain.spec.candidates import BALANCED, Format
from retrain.spec.spec import Spec
from retrain.tracker import model_writer
from retrain.tracker.aside import aside

MODEL, MADE, ERROR, STEPS = "model", "made.json", "error.json", "steps.jsonl"
"""What is in the folder: the model's files, `Made`, an error (`retrain.errors.packed`), metrics by step."""

_SCORED = 50_000
"""Training rows that a model is scored on at most."""


@dataclass(frozen=True)
class SharedStep:
    """A first step that several candidates have in common, fitted on the training rows."""

    key: str
    """What it is (`models.shared_steps.key_of`)."""
    candidates: tuple[str, ...]
    files: Mapping[str, str]
    """URI of each by its name; it is named by its digest."""

    def to_json(self) -> dict[str, Any]:
        return asdict(self)

    @staticmethod
    def from_json(value: Mapping[str, Any]) -> "SharedStep":
        return SharedStep(value["key"], tuple(value["candidates"]), value["files"])


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
    versions: dict[str, str] = field(default_factory=dict)
    """Of Python, and of the packages that the model needs."""

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
    shared: SharedStep | None = None
    """What the candidate need not fit itself, if it is still there."""
    keeps: bool = True
    """Whether its model is written; of a trial it is not."""
    folds: int | None = None
    """Of a trial: its score is the mean over so many folds of these subsets."""


def fit_here(order: Order, snapshots: SnapshotStore, folder: Path) -> Made:
    """Fit the candidate on these subsets of the snapshot, score it, and write its model into the folder.

    Raises EstimatorError if it cannot be built, fitted, scored or written, UntrustedModelError if it holds types that
    are not trusted.
    """
    spec = order.spec
    _seed(order)
    if order.folds is not None:
        return _in_folds(order, order.folds, snapshots)
    with threadpool_limits(spec.limits.threads), tempfile.TemporaryDirectory(prefix="retrain-") as temporary:
        log = None if Subset.VALIDATION in order.subsets else _Steps(folder / STEPS)
        learn = _streamed if spec.candidate(order.candidate).stream else _at_once
        with aside(log):
            learnt = learn(order, snapshots, log, Path(temporary))
        if not order.keeps:
            return Made(learnt.rows, learnt.metrics, learnt.seconds, peak_memory())
        # As long as the folder is there: the model may be one in it.
        _write(order, learnt, folder)
    return Made(
        learnt.rows,
        learnt.metrics,
        learnt.seconds,
        peak_memory(),
        recipe_of(spec, order.candidate),
        heaviest(learnt.estimator),
        {"python": platform.python_version(), **versions_in(folder / MODEL)},
    )


def _in_folds(order: Order, count: int, snapshots: SnapshotStore) -> Made:
    rows = snapshots.read(order.snapshot, order.subsets)
    with (
        threadpool_limits(order.spec.limits.threads),
        aside(None),
        tempfile.TemporaryDirectory(prefix="retrain-") as temporary,
    ):

        def known(prefix: str, learnt: Rows, judging: Rows) -> shared_steps.Known | None:
            return _known(order, snapshots, Path(temporary), learnt, judging, prefix=prefix)

        seconds, metrics = folds.scored(order.spec, order.candidate, rows, count, known)
    return Made(len(rows), metrics, seconds, peak_memory())


@dataclass(frozen=True, eq=False)
class _Learnt:
    estimator: Any
    rows: int
    metrics: dict[str, float]
    seconds: float
    example: pd.DataFrame
    """Some rows of features."""


def _at_once(order: Order, snapshots: SnapshotStore, log: Log | None, temporary: Path) -> _Learnt:
    spec, candidate = order.spec, order.spec.candidate(order.candidate)
    wanted = [order.subsets] if log is None else [order.subsets, (Subset.VALIDATION,)]
    rows, *others = snapshots.read_each(order.snapshot, wanted)
    labels = training.targets(spec.task, rows.labels)
    options = options_for(candidate, rows, labels)
    validation, watch, known = None, None, None
    if log is not None:
        (validation,) = others
        _refuse_none(len(validation), order)
        watch = Watch(log, validation.features, training.targets(spec.task, validation.labels))
        known = _known(order, snapshots, temporary, rows, validation)
    begun = time.monotonic()
    given = Given(rows.features, labels, order.snapshot.uri, _filters(order))
    estimator = training.made(candidate, given, options, watch, _context(order, temporary, options, log), known=known)
    seconds = time.monotonic() - begun

    def scored(which: str, of: Rows) -> dict[str, float]:
        return _scores(which, spec, of.labels, predictions_of(estimator, of, spec), labels)

    every = _every(len(rows))
    some = rows if every == 1 else rows.part(np.arange(len(rows)) % every == 0)
    try:
        metrics = scored("train", some)
    except EstimatorError:  # a class so rare that none of these rows has it leaves some metrics without a value
        if some is rows:
            raise
        metrics = scored("train", rows)
    if validation is not None:
        metrics |= scored("validation", validation)
    shared_steps.put_back(estimator)
    return _Learnt(estimator, len(rows), metrics, seconds, rows.features)


def _streamed(order: Order, snapshots: SnapshotStore, log: Log | None, temporary: Path) -> _Learnt:
    spec, candidate = order.spec, order.spec.candidate(order.candidate)
    train = Stream(snapshots, order.snapshot, order.subsets, spec.task)
    column = candidate.sample_weight
    columns = train.columns(["label", *([column] if column not in (None, BALANCED) else [])])
    labels = training.targets(spec.task, columns.pop("label"))
    options = options_of(candidate, labels, columns, np.empty(0, np.int64))
    validation = None
    if log is not None:
        validation = Stream(snapshots, order.snapshot, [Subset.VALIDATION], spec.task)
        _refuse_none(order.snapshot.subsets.get(Subset.VALIDATION, 0), order)
    begun = time.monotonic()
    if candidate.train is not None:
        given = Given(None, labels, order.snapshot.uri, _filters(order), train.features)
        estimator = training.made(candidate, given, options, None, _context(order, temporary, options, log))
    else:
        estimator = training.build(candidate)
        watched = {} if validation is None else {"train": train.first(), "validation": validation.first()}
        streamed.fit(estimator, partial(train.features, BATCH), labels, options, watched=watched, log=log)
    seconds = time.monotonic() - begun
    metrics = dict[str, float]()
    for which, stream, every in (("train", train, _every(len(labels))), ("validation", validation, 1)):
        if stream is not None:
            found, predictions = stream.predictions(estimator, probabilities=needs_probabilities(spec), every=every)
            metrics |= _scores(which, spec, found, predictions, labels)
    return _Learnt(estimator, len(labels), metrics, seconds, next(iter(train)).features)


def _every(count: int) -> int:
    """Return of how many training rows one is scored: all would take longer than many a fit, and decide nothing."""
    return max(1, -(-count // _SCORED))


def _context(order: Order, temporary: Path, options: Options, log: Log | None) -> Context:
    own = temporary / "own"
    own.mkdir()
    return Context.within(order.spec.limits.time.total_seconds(), own, options.weights, log)


def _filters(order: Order) -> tuple[tuple[str, str, list[str]], ...]:
    return ((SUBSET, "in", [subset.value for subset in order.subsets]),)


def _known(
    order: Order, snapshots: SnapshotStore, folder: Path, rows: Rows, validation: Rows, *, prefix: str = ""
) -> shared_steps.Known | None:
    """Return the candidate's first step as it was fitted for all; None where there is none, or its files are gone.

    prefix: of the names of its files.
    """
    if order.shared is None:
        return None
    own = {name.removeprefix(prefix): uri for name, uri in order.shared.files.items() if name.startswith(prefix)}
    files = {name: prepared.get(snapshots, uri, folder) for name, uri in own.items()}
    here = {name: file for name, file in files.items() if file is not None}
    if here.keys() != files.keys():
        return None
    return shared_steps.Known.of(order.shared.key, here, order.spec.trust, rows.features, validation.features)


def _write(order: Order, learnt: _Learnt, folder: Path) -> None:
    name, spec, onnx = order.candidate, order.spec, None
    if Format.ONNX in spec.candidate(name).format:
        onnx = as_onnx(name, learnt.estimator, learnt.example, spec.task)
    model_writer.save(name, learnt.estimator, folder / MODEL, learnt.example.head(), trust=spec.trust, onnx=onnx)


def _seed(order: Order) -> None:
    """Seed the generators of this process, which libraries draw from where nobody has given them a seed."""
    text = json.dumps([order.candidate, order.snapshot.id, *order.subsets])
    seed = int.from_bytes(hashlib.sha256(text.encode()).digest()[:4])
    random.seed(seed)
    np.random.seed(seed)


def _refuse_none(rows: int, order: Order) -> None:
    """Raise EstimatorError where there are no validation rows."""
    if not rows:
        raise EstimatorError(
            f"{order.spec.model}: none of the {order.snapshot.rows:,} rows is for validation, so candidates cannot be "
            "compared; wait for more distinct rows, or enlarge split.validation"
        )


class _Steps:
    """Writes metrics by step to a file, which `cycle.live` reads while the fit runs. What is not finite is left out."""

    def __init__(self, path: Path) -> None:
        self._path = path

    def __call__(self, step: int, metrics: Mapping[str, float]) -> None:
        finite = {name: float(value) for name, value in metrics.items() if math.isfinite(value)}
        with self._path.open("a", encoding="utf-8") as file:
            file.write(json.dumps({"step": step, "at": time.time(), "metrics": finite}) + "\n")


def _scores(
    which: str, spec: Spec, labels: pd.Series, predictions: RawPredictions, learnt: pd.Series
) -> dict[str, float]:
    return {f"{which}_{name}": score for name, score in scores(spec, labels, predictions, learnt).items()}
