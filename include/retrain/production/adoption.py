"""Prove that a version is what the ledger says, and adopt a version that somebody else logged."""

import re
import tempfile
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path

from retrain.errors import AdoptionError, RetrainError
from retrain.ledger.ledger import Ledger
from retrain.models import files as model_files
from retrain.models.sandbox import Sandbox
from retrain.production import known
from retrain.records import ModelFile, Subset
from retrain.snapshots import sample
from retrain.snapshots.rows import Rows
from retrain.snapshots.store import SnapshotStore
from retrain.source.table import Source
from retrain.spec.spec import Spec
from retrain.tracker.client import ExperimentTracker
from retrain.tracker.entities import ModelVersion

_ROWS = 100
"""Rows that a version must score before it goes into Production."""
_DIGEST = re.compile(r"[0-9a-f]{12,64}")


@dataclass(frozen=True)
class Found:
    """A version as its files are now, before anything of them is loaded: what a person is shown who may trust it."""

    version: ModelVersion
    folder: Path
    """Where its files are: what is loaded later is this copy."""
    format: str
    digest: str
    """SHA-256 over all its files."""
    differences: str
    """The packages that it was logged with in other versions than those here, as a clause; or empty."""

    @property
    def runs_code(self) -> bool:
        """Whether loading it can run any code."""
        return self.format != model_files.SKOPS

    def __str__(self) -> str:
        """Return what a person must know before they trust it."""
        about = "Loading it can run any code: adopt it only if you know who made it." if self.runs_code else ""
        versions = f"Here, {self.differences}." if self.differences else ""
        lines = (f"{self.version.model}: {self.version.standing}", f"format: {self.format}", f"digest: {self.digest}")
        return "\n".join(filter(None, (*lines, about, versions)))


@dataclass(frozen=True)
class Trust:
    """What a person says of a version: it is this one, and I answer for it."""

    format: str
    digest: str
    """As they were shown; the first twelve characters of a digest are enough."""
    by: str
    why: str
    trained_before: datetime | None = None
    """Rows that were labelled later did not train it; None: when it was registered."""
    python: str | None = None
    """Name of the interpreter that loads it (`RETRAIN_PYTHONS`); None for that of the tasks."""


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
        with tempfile.TemporaryDirectory() as folder:
            self._ask(file, self.tracker.download_model(file.uri, Path(folder)), self._rows_of(file))

    def look(self, version: ModelVersion, folder: Path) -> Found:
        """Download the files of a version into a folder, and return what they are. Nothing of them is loaded.

        Raises EstimatorError where MLflow has not stored it as an estimator of scikit-learn's.
        """
        path = self.tracker.download_model(f"models:/{version.model}/{version.version}", folder)
        stored = model_files.estimator_in(f"{version.model}, version {version.version}", path)
        differences = model_files.version_differences(path)
        return Found(version, path, stored.format, model_files.digest(path), differences)

    def candidate(self, model: str, version: str | None) -> ModelVersion:
        """Return the version that a person may adopt: the one named, or the only one that is Production or looks so.

        Raises AdoptionError where that is none, several, or one that the ledger knows.
        """
        if version is not None:
            return self.tracker.get_model_version(model, version)
        owner = self.tracker.in_production(model)
        found = known.foreign(model, self.ledger, self.tracker) if owner is None else [owner]
        unknown = [each for each in found if known.file_of(each, self.ledger) is None]
        if len(unknown) == 1:
            return unknown[0]
        if (
            not unknown
            and owner is not None
            and any(file.adopted for file in self.ledger.model_files_of_version(model, owner.version))
        ):
            return owner  # this is a repeated call
        names = " and ".join(each.standing for each in unknown or found) or "none"
        what = "several look like Production" if unknown else "none that is not known looks like Production"
        raise AdoptionError(f"{model}: {what} ({names}); name the version that you mean")

    def adopt(self, found: Found, trust: Trust, spec: Spec, source: Source) -> ModelFile:
        """Adopt a version that Retrain did not log: the ledger trusts these files, and no others.

        It is loaded in a fresh process without logins, and must score rows of the source. Until more is known, only
        rows that were labelled after `trained_before` judge it. Raises AdoptionError where format or digest are not
        those of the files, and RetrainError where it does not load or does not score. A version that is in the ledger
        already is returned as it is.
        """
        version = found.version
        adopted = known.file_of(version, self.ledger)
        if adopted is not None:
            return adopted
        _refuse_another(found, trust)
        with tempfile.TemporaryDirectory() as folder, source.labelled(at_most=_ROWS) as labelled:
            rows = sample.rows(spec, labelled, SnapshotStore(Path(folder).as_uri()))
        if not len(rows):
            raise AdoptionError(f"{spec.model}: the source has no labelled row yet, so there is nothing to prove it on")
        file = ModelFile(
            uri=f"models:/{version.model}/{version.version}",
            digest=found.digest,
            model=version.model,
            name="adopted",
            snapshot=None,
            run_id=version.run_id,
            subsets=(),
            made_at=min(filter(None, (trust.trained_before, version.registered_at))),
            identity=version.identity,
            adopted=True,
            python=trust.python,
        )
        try:
            self._ask(file, found.folder, rows)
        except RetrainError as error:
            if not found.differences or trust.python or found.differences in str(error):
                raise
            raise AdoptionError(f"{error}; {found.differences}") from error
        self.ledger.adopt(file, version.version, by=trust.by, why=trust.why)
        return file

    def _ask(self, file: ModelFile, path: Path, rows: Rows) -> None:
        trust = model_files.trust_in(file, self.trust)
        with Sandbox() as sandbox:
            sandbox.ask(
                *(file.uri, path, file.digest, rows.features.head(_ROWS), trust),
                also=rows.also.head(_ROWS),
                python=file.python,
            )

    def _rows_of(self, file: ModelFile) -> Rows:
        """Return rows that it was fitted on, or those of the last consumed snapshot if these are not known."""
        if file.snapshot is not None:
            snapshot = self.ledger.snapshot(file.model, file.snapshot)
        elif (last := self.ledger.last_consumed(file.model)) is not None:
            snapshot = last
        else:
            raise RetrainError(f"{file.model}: has no judged snapshot yet, so there are no rows to prove it on")
        return self.snapshots.read(snapshot, file.subsets or (Subset.TRAIN, Subset.VALIDATION))


def _refuse_another(found: Found, trust: Trust) -> None:
    """Raise AdoptionError unless the person has repeated what the files are."""
    here = f"{found.version.model}, version {found.version.version}"
    if trust.format != found.format:
        raise AdoptionError(
            f"{here}: format = {trust.format!r}, and its files are {found.format}; repeat that if you trust it"
        )
    if not _DIGEST.fullmatch(trust.digest) or not found.digest.startswith(trust.digest):
        raise AdoptionError(
            f"{here}: digest = {trust.digest!r}, and that of its files is {found.digest}; look where they come from, "
            "and repeat this digest if you trust them"
        )
