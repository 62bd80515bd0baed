"""What the files of one version tell: are they there, are they those that were logged, can they be loaded."""

import json
import platform
import tempfile
from collections.abc import Generator, Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path

from retrain.errors import TrackerError
from retrain.models import files as model_files
from retrain.models.known_types import KNOWN
from retrain.preflight.audit_finding import AuditFinding
from retrain.preflight.audit_registry import in_use
from retrain.preflight.mlmodel import MOST_BYTES, MLmodel, measured
from retrain.text import one_line, printable, shorten
from retrain.tracker.client import ExperimentTracker
from retrain.tracker.entities import ModelVersion, Run
from retrain.tracker.inspection import Listing, Origin, Place

_SKEW = timedelta(hours=1)
"""How far the clock of a machine that trains may be ahead of the registry's."""
_MOST_NAMED = 5
_REQUIREMENTS = "requirements.txt"
_HISTORY = "mlflow.log-model.history"
"""Tag of a run: the models that it has logged, as JSON."""


@dataclass(frozen=True)
class VersionFiles:
    """One version, and where what it is made of can be read."""

    tracker: ExperimentTracker
    version: ModelVersion
    run: Run | None
    """None where it could not be read."""
    serves: bool
    """Whether it looks like Production."""
    known: Mapping[str, Origin]
    """Logged models, by id, that were found before."""
    download: bool
    """Whether to download all files of a version that is in use, or whose digest is known."""

    def findings(self) -> Iterator[AuditFinding]:
        place = self.tracker.place_of(self.version, self.known)
        yield from self._of_origin(place)
        try:
            listing = self.tracker.listing(place.location) if place.location else Listing((), is_whole=True)
        except TrackerError as error:
            if not self._is_foreign(error):
                raise
            yield self._found("not_seen", error.message)
            return
        sizes = {each.path: each.size or 0 for each in listing.files}
        if not sizes:
            yield self._found("files_gone", f"{self._owner()}there is no file")
            return
        if (about := (yield from self._description(place, sizes))) is None:
            return
        yield from self._of_files(about, place, listing, sizes)
        if self.serves and not about.has_signature:
            yield self._found("no_signature", "it serves, and its MLmodel has no signature")
        if in_use(self.version):
            yield from self._of_formats(about, place, sizes)
        if self.download and (in_use(self.version) or (place.origin and place.origin.digest)):
            yield from self._of_contents(place)

    def _found(self, kind: str, what: str) -> AuditFinding:
        version = self.version
        return AuditFinding.of(kind, version.model, version.version, what, in_use=in_use(version))

    def _owner(self) -> str:
        """Return the version's aliases, as the beginning of a sentence."""
        aliases = self.version.aliases
        if not aliases:
            return ""
        verb = "point" if len(aliases) > 1 else "points"
        return f"alias{'es' if len(aliases) > 1 else ''} {', '.join(aliases)} {verb} to it, and "

    @staticmethod
    def _is_foreign(error: TrackerError) -> bool:
        """Return whether the store, and not MLflow, was asked in vain."""
        return type(error) is TrackerError

    # ── what it is made of

    def _of_origin(self, place: Place) -> Iterator[AuditFinding]:
        origin = place.origin
        if origin is None:
            return
        if not origin.is_there:
            yield self._found("model_deleted", f"logged model {origin.id} was deleted")
        elif origin.status in ("PENDING", "FAILED"):
            yield self._found("not_ready", f"logged model {origin.id} is {origin.status}")
        if origin.run_id and self.version.run_id and origin.run_id != self.version.run_id:
            what = f"the registry names run {self.version.run_id}, its logged model names run {origin.run_id}"
            yield self._found("other_run", what)

    def _description(self, place: Place, sizes: dict[str, int]) -> Generator[AuditFinding, None, MLmodel | None]:
        """Yield what is wrong with its MLmodel; returns the MLmodel, or None."""
        if "MLmodel" not in sizes:
            yield self._found("unreadable", f"there is no MLmodel among {_files(len(sizes))}")
            return None
        if sizes["MLmodel"] > MOST_BYTES:
            yield self._found("unreadable", f"its MLmodel has {sizes['MLmodel']:,} bytes")
            return None
        try:
            return MLmodel.read(self.tracker.read_file(place.location, "MLmodel"))
        except ValueError as error:
            yield self._found("unreadable", f"its MLmodel cannot be read: {printable(str(error))}")
            return None

    # ── whether the files are those that were logged

    def _of_files(
        self, about: MLmodel, place: Place, listing: Listing, sizes: dict[str, int]
    ) -> Iterator[AuditFinding]:
        if not about.flavors:
            yield self._found("unloadable", "its MLmodel names no flavour")
        gone = {name for name in about.named_files() if not _is_among(name, sizes)}
        if gone and listing.is_whole:
            what = f"{self._owner()}{_some(sorted(gone))}, which its MLmodel names, {_is(gone)} not there"
            yield self._found("files_gone", what)
        elif changed := self._size_changed(about, listing, sizes) or self._identity_changed(about, place):
            yield self._found("files_changed", changed)
        run = about.text("run_id")
        is_told = place.origin and place.origin.run_id and place.origin.run_id != self.version.run_id
        if run and self.version.run_id and run != self.version.run_id and not is_told:
            what = f"the registry names run {self.version.run_id}, its MLmodel names run {printable(run[:80])}"
            yield self._found("other_run", what)

    def _size_changed(self, about: MLmodel, listing: Listing, sizes: dict[str, int]) -> str | None:
        # Weights of transformers may be added to a version afterwards.
        if about.size is None or not listing.is_whole or "transformers" in about.flavors:
            return None
        now = sum(size for path, size in sizes.items() if measured(path))
        if now == about.size:
            return None
        return f"its files had {about.size:,} bytes when they were logged, and have {now:,} bytes now"

    def _identity_changed(self, about: MLmodel, place: Place) -> str | None:
        """Return what shows that this MLmodel is another one than the one that was registered."""
        own, registered = about.text("model_id"), self.version.registered_at
        if place.origin is not None and own is not None and own != place.origin.id:
            return f"its MLmodel is of model {printable(own[:80])}, not of {place.origin.id}"
        logged = _logged(self.run, self.version) if place.origin is None else set()
        uuid = about.text("model_uuid")
        if logged and uuid is not None and uuid not in logged:
            return f"its MLmodel is of model {printable(uuid[:80])}, which its run has not logged there"
        created = _time(about.text("utc_time_created"))
        if place.origin is None and created is not None and created > registered + _SKEW:
            return f"its MLmodel was written at {created:%Y-%m-%d %H:%M} UTC, after the version was registered"
        return None

    # ── what it takes to load it

    def _of_formats(self, about: MLmodel, place: Place, sizes: dict[str, int]) -> Iterator[AuditFinding]:
        if pickles := about.pickles(iter(sizes)):
            yield self._found("pickle", f"{_some(pickles)} can run any code when {_it(pickles)} loaded")
        if foreign := sorted({*about.trusts} - {*KNOWN}):
            yield self._found("foreign_types", f"it asks to trust {_some(foreign)}")
        different = list[str]()
        here = platform.python_version_tuple()
        if about.python and about.python.split(".")[:2] != [*here[:2]]:
            different.append(f"Python {printable(about.python[:20])} ({platform.python_version()} is here)")
        if 0 < sizes.get(_REQUIREMENTS, 0) <= MOST_BYTES:
            text = self.tracker.read_file(place.location, _REQUIREMENTS).decode(errors="replace")
            different += model_files.differences(text)
        if different:
            yield self._found("other_versions", f"it was logged with {_some(different)}")

    def _of_contents(self, place: Place) -> Iterator[AuditFinding]:
        with tempfile.TemporaryDirectory(prefix="retrain-") as name:
            folder = self.tracker.download(place.location, Path(name))
            digest = place.origin and place.origin.digest
            if digest and model_files.digest(folder) != digest:
                yield self._found("files_changed", "the digest of its files is not the one that Retrain logged")
            for file in sorted(folder.rglob("*.skops")) if in_use(self.version) else ():
                try:
                    foreign = model_files.foreign_types(file)
                except Exception as error:  # of any kind: whoever may write into the store decides
                    what = f"{file.name} is not a file of skops: {type(error).__name__}: {one_line(error)}"
                    yield self._found("unreadable", what)
                else:
                    if foreign:
                        yield self._found("foreign_types", f"{file.name} holds {_some(foreign)}")


def _logged(run: Run | None, version: ModelVersion) -> set[str]:
    """Return the ids of the models that its run has logged where the version's files are, as before MLflow 3."""
    try:
        history = json.loads(run.tags.get(_HISTORY, "[]")) if run else []
    except (ValueError, RecursionError):
        return set()
    return {
        str(each.get("model_uuid"))
        for each in (history if isinstance(history, list) else ())
        if isinstance(each, dict) and version.source.rstrip("/").endswith(f"/{each.get('artifact_path')}")
    }


def _is_among(name: str, sizes: dict[str, int]) -> bool:
    """Return whether a file or a folder is among those that are there."""
    name = name.strip("/")
    return name in sizes or any(path.startswith(f"{name}/") for path in sizes)


def _time(text: str | None) -> datetime | None:
    try:
        return datetime.fromisoformat(text).replace(tzinfo=UTC) if text else None
    except ValueError:
        return None


def _some(names: Sequence[str]) -> str:
    shown = ", ".join(printable(shorten(name, 120)) for name in names[:_MOST_NAMED])
    return shown if len(names) <= _MOST_NAMED else f"{shown} and {len(names) - _MOST_NAMED:,} more"


def _files(count: int) -> str:
    return "1 file" if count == 1 else f"{count:,} files"


def _is(names: set[str]) -> str:
    return "are" if len(names) > 1 else "is"


def _it(names: Sequence[str]) -> str:
    return "they are" if len(names) > 1 else "it is"
