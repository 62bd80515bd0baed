"""The spec files of a folder: found and read."""

import os
import re
import stat
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path

from retrain.errors import SpecError
from retrain.spec.parse import parse
from retrain.spec.spec import Spec
from retrain.spec.yaml_text import data_in
from retrain.text import printable, shorten

LARGEST = 128 << 10
"""Bytes of a spec, and of its query."""
ROLLBACK_DAG = "retrain-rollback"  # a hyphen: no spec can make a DAG of this name
"""Id of the one DAG that takes back a promotion, of whichever model."""
ADOPT_DAG = "retrain-adopt"
"""Id of the one DAG that takes over a Production of somebody else's."""
FREEZE_DAG = "retrain-freeze"
"""Id of the one DAG that keeps Production as it is."""
_NAME = re.compile(r"[\w.-]{1,200}")


@dataclass(frozen=True)
class SpecFile:
    """A spec and the file that it was read from."""

    path: Path
    spec: Spec
    sql: str | None
    """Text of the file that `source.query` names; None for a table."""
    queries: Mapping[str, str] = field(default_factory=dict, hash=False)
    """Text of each query file that `predictions` and `ab` name, by its name."""

    @property
    def dag_id(self) -> str:
        return f"retrain_{self.path.stem}"

    @property
    def ab_dag_id(self) -> str:
        """Id of the DAG of its split tests."""
        return f"ab_{self.path.stem}"


@dataclass(frozen=True)
class SpecFolder:
    """Every good spec of a folder, and one message for each that is broken."""

    files: tuple[SpecFile, ...]
    faults: tuple[str, ...]

    def of_model(self, model: str) -> SpecFile:
        """Return the spec of a model. Raises SpecError where no good spec has it."""
        for file in self.files:
            if file.spec.model == model:
                return file
        known = ", ".join(repr(file.spec.model) for file in self.files) or "none"
        raise SpecError(
            "\n".join((f"model = {model!r}: no spec has this model; those that can be read: {known}", *self.faults))
        )


def folder() -> Path | None:
    """Return the folder of the specs, which `RETRAIN_SPECS` names; None where it names none."""
    named = os.environ.get("RETRAIN_SPECS")
    return Path(named) if named else None


def load(path: str | Path) -> SpecFile:
    """Read one spec file. Raises SpecError with every fault in it, whatever the file is and whatever is in it."""
    path = Path(path)
    name = printable(path.name)
    try:
        return _load(path, name)
    except SpecError:
        raise
    except Exception as error:
        # No file takes the others down, and no reader of one, even if nobody has thought of what is wrong with it.
        raise SpecError(
            f"{name}: cannot be read: {type(error).__name__}: {printable(shorten(str(error), 500))}"
        ) from error


def _load(path: Path, name: str) -> SpecFile:
    if not _NAME.fullmatch(path.stem):
        raise SpecError(
            f"{name}: the name becomes the id of a DAG: rename the file to at most 200 letters, digits, -, _ and ."
        )
    try:
        text = _read(path)
    except (OSError, UnicodeDecodeError, ValueError) as error:
        raise SpecError(f"{name}: cannot be read: {_reason(error)}") from error
    try:
        data = data_in(text)
    except ValueError as error:
        raise SpecError(f"{name}: {error}") from error
    spec = parse(data, name)
    return SpecFile(path, spec, _query(path, "source", spec.source.query), _queries(path, spec))


def load_folder(path: Path | None, *, only: str | None = None) -> SpecFolder:
    """Read every `*.yaml` in `path`; a broken one does not take the others down. None: no folder is named.

    only: id of a DAG; if it is that of a spec here, no other spec is read.
    """
    if path is None:
        return SpecFolder((), ("RETRAIN_SPECS is not set; set it to the folder that holds your specs",))
    try:
        found = [file for file in path.iterdir() if file.suffix == ".yaml"]
        own = {f"{kind}_{file.stem}": file.name for file in found for kind in ("retrain", "ab")}
        names = [own[only]] if only in own else sorted(file.name for file in found)
    except (OSError, ValueError):
        shown = printable(str(path))
        return SpecFolder((), (f"{shown}: is not a folder; set RETRAIN_SPECS to the one that holds your specs",))
    files: dict[str, SpecFile] = {}
    faults: list[str] = []
    for name in names:
        try:
            loaded = load(path / name)
        except SpecError as error:
            faults.append(str(error))
            continue
        twin = files.get(loaded.spec.model)
        if twin is not None:
            faults.append(
                f"{name}: model = {loaded.spec.model!r}: {twin.path.name} keeps this model already; rename one"
            )
            continue
        files[loaded.spec.model] = loaded
    return SpecFolder(tuple(files.values()), tuple(faults))


def _read(path: Path) -> str:
    """Return the text of a file. Raises OSError, UnicodeDecodeError, or ValueError for what is not a small file.

    Nothing waits here: a FIFO has no end before somebody writes to it, and a device may have none at all.
    """
    if not stat.S_ISREG(path.stat().st_mode):
        raise ValueError("is not a regular file; put one in its place")
    # Not to wait for a FIFO either that has just taken the file's place.
    with os.fdopen(os.open(path, os.O_RDONLY | os.O_NONBLOCK), "rb") as file:
        data = file.read(LARGEST + 1)
    if len(data) > LARGEST:
        raise ValueError(f"is larger than {LARGEST:,} bytes; make it smaller")
    return data.decode("utf-8-sig")


def _reason(error: Exception) -> str:
    """Return why a file cannot be read, without its path: readers of the API see this."""
    return (error.strerror if isinstance(error, OSError) else None) or str(error)


def _queries(path: Path, spec: Spec) -> dict[str, str]:
    """Return the text of each query file that `predictions` and `ab` name. Raises SpecError for all those that cannot
    be read.
    """
    texts: dict[str, str] = {}
    faults = []
    named = ({} if spec.predictions is None else {"predictions": spec.predictions}) | (
        {} if spec.ab is None else spec.ab.tables
    )
    for where, table in named.items():
        try:
            text = _query(path, where, table.query)
        except SpecError as error:
            faults.append(str(error))
            continue
        if table.query is not None and text is not None:
            texts[table.query] = text
    if faults:
        raise SpecError("\n".join(faults))
    return texts


def _query(spec: Path, where: str, name: str | None) -> str | None:
    """Return the text of a query file beside the spec. where: the field that names it, without `query`."""
    if name is None:
        return None
    named = f"{spec.name}: {where}.query = {name!r}"
    try:
        sql = _read(spec.parent / name).strip().rstrip(";")
    except (OSError, UnicodeDecodeError, ValueError) as error:
        raise SpecError(f"{named}: cannot be read ({_reason(error)}); put it beside the spec") from error
    if "\0" in sql:
        raise SpecError(f"{named}: holds \\u0000, which SQL cannot hold; remove it")
    if not sql:
        raise SpecError(f"{named}: is empty; write one SELECT into it")
    return sql
