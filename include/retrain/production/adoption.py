"""Prove that a version is what the ledger says, and adopt a version that somebody else logged."""

import tempfile
from dataclasses import dataclass
from pathlib import Path

from retrain.errors import RetrainError
from retrain.ledger.ledger import Ledger
from retrain.models import files as model_files
from retrain.models.sandbox import Sandbox
from retrain.production import known
from retrain.records import ModelFile, Subset
from retrain.snapshots.store import SnapshotStore
from retrain.tracker.client import ExperimentTracker
from retrain.tracker.entities import ModelVersion

_ROWS = 100
"""Rows that a version must score before it goes into Production again."""


@dataclass(frozen=True)
class Adoption:
    """What proves and adopts versions."""

    ledger: Ledger
    tracker: ExperimentTracker
    snapshots: SnapshotStore
    trust: tuple[str, ...] = ()
    """Types that a model file may hold beyond Retrain's own list: the spec's `trust`."""

    def prove(self, version: ModelVersion) -> None:
        """Raises RetrainError unless the version's files are those in the ledger and score rows in a fresh process."""
        file = known.file_of(version, self.ledger)
        if file is None:
            raise RetrainError(f"{version.model}: {known.why_unknown(version, self.ledger)}")
        self._prove(file)

    def adopt(self, model: str, version: str, *, by: str, why: str, trained_on: str | None = None) -> ModelFile:
        """Adopt a version that Retrain did not log: put the digest of its present files into the ledger.

        by: the person who answers for it. trained_on: id of the snapshot on whose training and validation rows it was
        fitted; without one it is judged only on rows that were labelled after it was made. Raises RetrainError if it
        does not load or does not score rows. A version that is in the ledger already is returned as it is; one that
        was registered anew under a number that the ledger knows is another, and is adopted beside it.
        """
        found, uri = self.tracker.get_model_version(model, version), f"models:/{model}/{version}"
        adopted = known.file_of(found, self.ledger)
        if adopted is not None:
            return adopted
        with tempfile.TemporaryDirectory() as folder:
            digest = model_files.digest(self.tracker.download_model(uri, Path(folder)))
        file = ModelFile(
            uri=uri,
            digest=digest,
            model=model,
            name="adopted",
            snapshot=trained_on,
            run_id=found.run_id,
            subsets=(Subset.TRAIN, Subset.VALIDATION) if trained_on else (),
            made_at=found.registered_at,
            identity=found.identity,
        )
        self._prove(file)
        self.ledger.adopt(file, version, by=by, why=why)
        return file

    def _prove(self, file: ModelFile) -> None:
        """Let it score rows that it was fitted on, or rows of the last consumed snapshot if these are not known."""
        if file.snapshot is not None:
            snapshot = self.ledger.snapshot(file.model, file.snapshot)
        elif (last := self.ledger.last_consumed(file.model)) is not None:
            snapshot = last
        else:
            raise RetrainError(f"{file.model}: has no judged snapshot yet, so there are no rows to prove it on")
        rows = self.snapshots.read(snapshot, file.subsets or (Subset.TRAIN, Subset.VALIDATION))
        with tempfile.TemporaryDirectory() as folder, Sandbox() as sandbox:
            path = self.tracker.download_model(file.uri, Path(folder))
            sandbox.ask(file.uri, path, file.digest, rows.features.head(_ROWS), self.trust)
