"""Fits a version again from what the ledger knows of it, and compares what both predict."""

import tempfile
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from retrain.cycle import fit_process
from retrain.cycle.fitting import MODEL, Order
from retrain.errors import NotInLedgerError, SnapshotError, TrackerError
from retrain.gate.predictions import RawPredictions
from retrain.models import files as model_files
from retrain.models.sandbox import Sandbox
from retrain.preflight.stores import Stores
from retrain.records import ModelFile, Snapshot, Subset
from retrain.snapshots.rows import Rows
from retrain.spec.spec import Spec


@dataclass(frozen=True)
class Reproduced:
    """What came of it."""

    version: str
    candidate: str = ""
    rows: int = 0
    """Of the snapshot, all subsets: on these both were asked."""
    other: int = 0
    """Rows for which they predict otherwise."""
    furthest: float = 0.0
    """The greatest difference between two probabilities, margins or numbers."""
    gone: str = ""
    """What is not there any more, so that nothing could be fitted or compared."""
    changed: tuple[str, ...] = ()
    """What is otherwise than when it was fitted."""

    @property
    def same(self) -> bool:
        return not self.gone and not self.other and not self.furthest


def reproduce(stores: Stores, version: str) -> Reproduced:
    """Fit a version again: by its candidate's spec of then, on its snapshot, in a process of its own.

    Raises NotInLedgerError where the ledger does not know the version, EstimatorError where it cannot be fitted now.
    """
    ledger, model = stores.ledger, stores.spec.model
    file = ledger.model_file_of_version(model, version)
    if file is None:
        raise NotInLedgerError(f"{model}: version {version} is not in the ledger; retrain history {model} names those")
    text = ledger.fitted_by(file)
    if text is None or file.snapshot is None:
        return Reproduced(version, gone="a person adopted it: how it was made, and on which rows, is not known")
    spec, snapshot = Spec.model_validate_json(text), ledger.snapshot(model, file.snapshot)
    try:
        rows = stores.snapshots.read(snapshot, [*Subset])
    except SnapshotError as error:
        return Reproduced(version, file.name, gone=f"its rows: {error.message}")
    with tempfile.TemporaryDirectory(prefix="retrain-") as temporary:
        folder = Path(temporary)
        try:
            logged = stores.tracker.download_model(file.uri, folder / "logged")
        except TrackerError as error:
            return Reproduced(version, file.name, gone=f"its files: {error.message}")
        again = folder / "again"
        again.mkdir()
        made = fit_process.fit(Order(spec, file.name, snapshot, file.subsets), stores.snapshots, again)
        one, other = _asked(spec, file, rows, logged, again / MODEL)
        changed = (*_changed(file, made.recipe, snapshot), *filter(None, [model_files.version_differences(logged)]))
    return Reproduced(version, file.name, len(rows), *_differences(one, other), changed=changed)


def _asked(spec: Spec, file: ModelFile, rows: Rows, *folders: Path) -> list[RawPredictions]:
    digests = [file.digest, *map(model_files.digest, folders[1:])]
    with Sandbox() as sandbox:
        return [
            sandbox.ask(
                f"{file.uri} {which}",
                folder,
                digest,
                rows.features,
                spec.trust,
                also=rows.also,
                task=spec.task,
                python=file.python,
            ).predictions
            for which, folder, digest in zip(("as it was logged", "fitted again"), folders, digests, strict=True)
        ]


def _differences(one: RawPredictions, other: RawPredictions) -> tuple[int, float]:
    """Return for how many rows the labels differ, and the greatest difference of a number."""
    if one.labels.dtype.kind == "f":  # a regression
        apart = np.abs(one.labels.astype(np.float64) - other.labels.astype(np.float64))
        return int((apart > 0).sum()), float(apart.max(initial=0.0))
    furthest = 0.0
    for name in ("probabilities", "margins"):
        first, second = getattr(one, name), getattr(other, name)
        if first is not None and second is not None and first.shape == second.shape:
            furthest = max(furthest, float(np.abs(first - second).max(initial=0.0)))
    return int((one.labels != other.labels).sum()), furthest


def _changed(file: ModelFile, recipe: str | None, snapshot: Snapshot) -> list[str]:
    found = []
    if file.recipe is not None and recipe != file.recipe:
        found.append("its function is another one now")
    if snapshot.content is not None:
        found.append("rows of its snapshot were erased since")
    return found
