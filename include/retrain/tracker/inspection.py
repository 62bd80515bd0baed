"""What MLflow has stored of versions, for readers who trust none of it: nothing here writes, or loads a model."""

import json
import re
import tempfile
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path
from types import MappingProxyType
from urllib.parse import unquote, urlsplit

import mlflow.entities as theirs

from retrain.errors import NotFoundError, RetrainError, TrackerError
from retrain.text import one_line
from retrain.tracker import filters, logins
from retrain.tracker.entities import Artifact, ModelVersion, Run
from retrain.tracker.runs import Runs, _run
from retrain.tracker.server import DIGEST, TEXTS_AT_ONCE, model_id, parts

MOST_FILES, MOST_FOLDERS = 2_000, 200
"""Of one model, that are listed."""
_SERVED = ("mlflow-artifacts", "http", "https", "runs", "models")
"""Schemes of places that MLflow's own server is asked for; other stores are asked directly."""


@dataclass(frozen=True)
class Origin:
    """The logged model that a version is made of."""

    id: str
    is_there: bool = True
    location: str = ""
    status: str = "READY"
    """READY, PENDING, FAILED or UNSPECIFIED."""
    run_id: str | None = None
    digest: str | None = None
    """Of all files, where Retrain has logged it."""


@dataclass(frozen=True)
class Place:
    """Where the files of a version are."""

    location: str
    origin: Origin | None
    """None for a version that is made of files without a logged model, as before MLflow 3."""


@dataclass(frozen=True)
class Listing:
    """The files at a place, in all folders."""

    files: tuple[Artifact, ...]
    is_whole: bool
    """False where there are more than the most that are listed."""


@dataclass(frozen=True)
class UsedData:
    """A data set that a run has logged."""

    digest: str
    rows: int | None
    context: str
    """What it was used for, in the words of who logged it, such as `training`; or ""."""


@dataclass(frozen=True)
class StoredRun:
    """A run, with the data sets that it has logged."""

    run: Run
    data: tuple[UsedData, ...]
    artifacts: str
    """Where its files are."""


class Inspection(Runs):
    """Reads what is stored of versions: where their files are, which these are, small ones of them; and their runs."""

    def origins(self, model_ids: Sequence[str], experiment_ids: Sequence[str]) -> dict[str, Origin]:
        """Return those logged models that one search for each hundred finds; for what it leaves out ask `origin`."""
        found: dict[str, Origin] = {}
        for part in parts(list(dict.fromkeys(model_ids)), TEXTS_AT_ONCE):
            names = ", ".join(filters.quoted(each) for each in part)
            # A list of one in brackets would be a text in brackets to some servers.
            among = f"model_id IN ({names})" if len(part) > 1 else f"model_id = {names}"
            with self._translated_errors("search for logged models"):
                page = self._client.search_logged_models(list(experiment_ids), among, max_results=len(part))
            found |= {each.model_id: _origin(each) for each in page}
        return found

    def origin(self, model: str) -> Origin:
        """Return a logged model, which may be gone."""
        with suppress(NotFoundError), self._translated_errors(f"logged model {model}"):
            return _origin(self._client.get_logged_model(model))
        return Origin(model, is_there=False)

    def place_of(self, version: ModelVersion, known: Mapping[str, Origin] = MappingProxyType({})) -> Place:
        """Return where a version's files are. The logged model that it is made of may be gone. known: some of these."""
        with self._translated_errors(f"model {version.model!r} version {version.version}"):
            location = self._stored_at(version)
        named = location.startswith("models:/")
        model = model_id(location) if named else version.model_id or version.logged_model
        if model is None:
            return Place(location, None)
        origin = known.get(model) or self.origin(model)
        return Place(origin.location if named else location, origin)

    def _stored_at(self, version: ModelVersion) -> str:
        # MLflow's own registry leaves files where they are; others copy them, and tell where.
        if urlsplit(version.source).scheme == "mlflow-artifacts":
            return version.source
        return str(self._client.get_model_version_download_uri(version.model, version.version))

    def listing(self, location: str) -> Listing:
        """Return all files at a place; none if there is no such place.

        Raises TrackerError where this machine cannot look there.
        """
        with self._store(location):
            files = self._files(location)
            found, folders, looked = list[Artifact](), list[str | None]([None]), 0
            while folders and len(found) < MOST_FILES and looked < MOST_FOLDERS:
                looked += 1
                for each in files.list_artifacts(folders.pop()):
                    if each.is_dir:
                        folders.append(each.path)
                    else:
                        found.append(Artifact(each.path, False, each.file_size or 0))
        return Listing(tuple(sorted(found, key=lambda each: each.path)), is_whole=not folders)

    def read_file(self, location: str, path: str) -> bytes:
        """Return a file's content. For small ones: look at its size before."""
        with self._store(location), tempfile.TemporaryDirectory(prefix="retrain-") as folder:
            file = Path(folder) / "file"
            self._files(location)._download_file(path, str(file))  # the public one lists the folder once more
            return file.read_bytes()

    def read_file_up_to(self, most: int, location: str, path: str) -> bytes | None:
        """Return a file's content; None where there is no such file, or where it has more bytes."""
        with self._store(location):
            folder = self._files(location).list_artifacts(path.rpartition("/")[0] or None)
        sizes = {each.path: each.file_size or 0 for each in folder}
        return self.read_file(location, path) if sizes.get(path, most + 1) <= most else None

    def download(self, location: str, folder: Path) -> Path:
        """Download all files at a place into a folder, and return where they are."""
        with self._store(location):
            return Path(self._files(location).download_artifacts("", str(folder)))

    @contextmanager
    def _store(self, location: str) -> Iterator[None]:
        """Look into a store in here; each store's own errors become TrackerError."""
        address = urlsplit(location)
        is_folder = address.scheme in ("", "file") and self._uri.startswith(("http://", "https://"))
        if is_folder and not Path(unquote(address.path)).is_dir():
            raise TrackerError("its files are in a folder that this machine does not have")
        is_served = address.scheme in _SERVED
        try:
            with self._translated_errors("its files") if is_served else logins.using(self._login):
                yield
        except RetrainError:
            raise
        except Exception as error:  # of any kind: whoever wrote the store decides
            # An address in it may hold a login, or be signed.
            text = re.sub(r"://[^/\s@]*@", "://", re.sub(r"\?\S+=\S+", "?…", one_line(error)))
            raise TrackerError(f"its files: {type(error).__name__}: {text}") from error

    def stored_runs(self, run_ids: Sequence[str]) -> dict[str, StoredRun | TrackerError]:
        """Return each run, active or deleted, and in the place of one that cannot be read why."""
        return {
            run_id: found
            if isinstance(found, TrackerError)
            else StoredRun(_run(found), _data(found), found.info.artifact_uri)
            for run_id, found in self._by_id(run_ids).items()
        }


def _origin(found: theirs.LoggedModel) -> Origin:
    return Origin(
        found.model_id,
        location=found.artifact_location,
        status=str(found.status),
        run_id=found.source_run_id or None,
        digest=dict(found.tags).get(DIGEST),
    )


def _data(run: theirs.Run) -> tuple[UsedData, ...]:
    inputs = run.inputs.dataset_inputs if run.inputs else []
    return tuple(
        UsedData(
            each.dataset.digest,
            _rows(each.dataset.profile),
            next((tag.value for tag in each.tags if tag.key == "mlflow.data.context"), ""),
        )
        for each in inputs
    )


def _rows(profile: str | None) -> int | None:
    """Return the number of rows in the profile of a data set: JSON, of which each kind of data set has its own."""
    try:
        rows = json.loads(profile or "{}").get("num_rows")
    except (ValueError, AttributeError, RecursionError):
        return None
    return rows if isinstance(rows, int) else None
