"""The spec files of a folder: found and read."""

import os
from collections.abc import Hashable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import yaml

from retrain.errors import SpecError
from retrain.spec.parse import parse
from retrain.spec.spec import Spec
from retrain.text import one_line

SHIPPED = Path(__file__).parents[2] / "specs"


@dataclass(frozen=True)
class SpecFile:
    """A spec and the file that it was read from."""

    path: Path
    spec: Spec
    sql: str | None
    """Text of the file that `source.query` names; None for a table."""

    @property
    def dag_id(self) -> str:
        return f"retrain_{self.path.stem}"

    @property
    def rollback_dag_id(self) -> str:
        return f"rollback_{self.path.stem}"


@dataclass(frozen=True)
class SpecFolder:
    """Every good spec of a folder, and one message for each that is broken."""

    files: tuple[SpecFile, ...]
    faults: tuple[str, ...]


def folder() -> Path | None:
    """Return the folder of the specs, which `RETRAIN_SPECS` names; None where it names none."""
    named = os.environ.get("RETRAIN_SPECS")
    return Path(named) if named else None


def load(path: str | Path) -> SpecFile:
    """Read one spec file. Raises SpecError with every fault in it."""
    path = Path(path)
    try:
        text = path.read_text(encoding="utf-8")
    except (OSError, UnicodeDecodeError) as error:
        raise SpecError(f"{path.name}: cannot be read: {error}") from error
    try:
        data = yaml.load(text, _Loader)  # noqa: S506 - a SafeLoader
    except (yaml.YAMLError, ValueError, RecursionError) as error:
        raise SpecError(f"{path.name}: is not YAML: {one_line(error)}") from error
    spec = parse(data, path.name)
    return SpecFile(path, spec, _query(path, spec.source.query))


def load_folder(path: Path | None) -> SpecFolder:
    """Read every `*.yaml` in `path`; a broken one does not take the others down. None: no folder is named."""
    if path is None:
        return SpecFolder((), ("RETRAIN_SPECS is not set; set it to the folder that holds your specs",))
    if not path.is_dir():
        return SpecFolder((), (f"{path}: is not a folder; set RETRAIN_SPECS to the one that holds your specs",))
    files: dict[str, SpecFile] = {}
    faults: list[str] = []
    for file in sorted(path.glob("*.yaml")):
        try:
            loaded = load(file)
        except SpecError as error:
            faults.append(str(error))
            continue
        twin = files.get(loaded.spec.model)
        if twin is not None:
            faults.append(
                f"{file.name}: model = {loaded.spec.model!r}: {twin.path.name} keeps this model already; rename one"
            )
            continue
        files[loaded.spec.model] = loaded
    return SpecFolder(tuple(files.values()), tuple(faults))


class _Loader(yaml.CSafeLoader):
    """A loader that refuses a field that is written twice: YAML would keep the last and lose the first."""

    def construct_mapping(self, node: yaml.MappingNode, deep: bool = False) -> dict[Hashable, Any]:
        names = [key.value for key, _ in node.value]
        twice = sorted({str(name) for name in names if names.count(name) > 1})
        if twice:
            raise yaml.constructor.ConstructorError(
                None, None, f"names {', '.join(twice)} more than once", node.start_mark
            )
        return super().construct_mapping(node, deep)


def _query(spec: Path, name: str | None) -> str | None:
    if name is None:
        return None
    try:
        sql = (spec.parent / name).read_text(encoding="utf-8-sig").strip().rstrip(";")
    except (OSError, UnicodeDecodeError) as error:
        raise SpecError(
            f"{spec.name}: source.query = {name!r}: cannot be read ({error}); put it beside the spec"
        ) from error
    if not sql:
        raise SpecError(f"{spec.name}: source.query = {name!r}: is empty; write one SELECT into it")
    return sql
