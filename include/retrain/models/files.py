"""Model files: the digest that proves that one is unchanged, and the types that may be loaded. Needs no MLflow."""

import hashlib
import json
import re
import warnings
from collections.abc import Iterator
from dataclasses import dataclass
from functools import cache
from importlib.metadata import PackageNotFoundError
from importlib.metadata import version as installed
from pathlib import Path
from typing import TYPE_CHECKING, Any

import cloudpickle
import yaml

from retrain.errors import EstimatorError, UntrustedModelError
from retrain.models import pyfunc
from retrain.models.known_types import KNOWN
from retrain.records import ModelFile

if TYPE_CHECKING:
    import pandas as pd

PICKLE = "pickle"
"""A spec that trusts this accepts any type, in files that can run any code when they are loaded."""
COLUMNS = "retrain.columns"
"""In the description of a model: the type of each column that it takes, `double` or `string`."""
_SKOPS_FILE, _PICKLE_FILE = "model.skops", "model.pkl"
SKOPS = "skops"
_MOST_NAMED = 5
_PINNED = re.compile(r"^([\w.-]+)==(\S+)$", re.MULTILINE)
"""A line of a requirements.txt."""


@cache
def skops() -> Any:
    """Return `skops.io`. It imports all of scikit-learn, which takes seconds: a digest should not wait for it."""
    with warnings.catch_warnings():
        # skops looks at every loaded module, and warns about what it finds there.
        warnings.simplefilter("ignore")
        import skops.io
    return skops.io


def load(name: str, path: Path, expected: str, trust: tuple[str, ...]) -> Any:
    """Return the model in a folder. Its arguments, and what it raises: as `may_load` has them."""
    stored, _ = may_load(name, path, expected, trust)
    if stored.by_mlflow:
        return pyfunc.load(path)
    if stored.format != SKOPS:
        with stored.file.open("rb") as file:
            return cloudpickle.load(file)
    return load_skops(stored.file, trust)


def load_skops(file: Path, trust: tuple[str, ...]) -> Any:
    """Return what a file of skops holds. What skops raises for a type that is not trusted comes through."""
    types = tuple(skops().get_untrusted_types(file=file)) if PICKLE in trust else trust
    return skops().load(file, trusted=trusted(types))


def may_load(name: str, path: Path, expected: str, trust: tuple[str, ...]) -> "tuple[Stored, list[str]]":
    """Return how the model in a folder is stored, and which of its types `trust` does not name; loads nothing.

    name: what errors call it. Raises UntrustedModelError if the digest of the files is another one, or if they hold
    types that are not trusted.
    """
    if digest(path) != expected:
        raise UntrustedModelError(f"{name}: its files are not the ones that were logged; it is not loaded")
    stored = stored_in(name, path)
    if stored.by_mlflow:
        if stored.format == pyfunc.ANY and PICKLE not in trust:
            raise UntrustedModelError(
                f"{name}: MLflow may run any code when it loads it, and the spec's `trust` does not name {PICKLE}"
            )
        return stored, []
    if stored.format != SKOPS:
        if PICKLE not in trust:
            raise UntrustedModelError(f"{name}: is a pickle, and the spec's `trust` does not name {PICKLE}")
        return stored, []
    foreign = _foreign(skops().get_untrusted_types(file=stored.file), trust)
    if foreign and PICKLE not in trust:
        raise UntrustedModelError(f"{name}: holds {', '.join(foreign)}, which the spec does not trust")
    return stored, foreign


@dataclass(frozen=True)
class Stored:
    """How a model is stored."""

    file: Path
    format: str
    """`skops`, which names its types; or `pickle` or `cloudpickle`, which run code of theirs when they are loaded. Of
    one that is no estimator of scikit-learn's: see `retrain.models.pyfunc`."""
    by_mlflow: bool = False
    """Whether MLflow loads it, from the whole folder."""


def stored_in(name: str, folder: Path) -> Stored:
    """Return how the model in a folder is stored, by MLflow's description; nothing of it is loaded.

    name: what errors call it. Raises EstimatorError where MLflow has not stored it with a `predict`.
    """
    flavors = _about(folder).get("flavors") or {}
    if pyfunc.is_one(flavors):
        return Stored(folder, pyfunc.format_of(flavors, folder), by_mlflow=True)
    if "sklearn" not in flavors:
        raise EstimatorError(
            f"{name}: MLflow has stored it without a predict (its flavors: {_listed(flavors)}); save it by a flavor "
            "that has one, or by mlflow.pyfunc"
        )
    return estimator_in(name, folder)


def estimator_in(name: str, folder: Path) -> Stored:
    """Return the file of an estimator in a folder, and its format, by MLflow's description; nothing of it is loaded.

    name: what errors call it. Raises EstimatorError where MLflow has not stored it as an estimator of scikit-learn's.
    """
    flavors = _about(folder).get("flavors") or {}
    flavor = flavors.get("sklearn")
    if not isinstance(flavor, dict):
        raise EstimatorError(
            f"{name}: is not an estimator of scikit-learn's as MLflow stores it (its flavors: {_listed(flavors)}); log "
            "it with mlflow.sklearn.log_model"
        )
    default = _SKOPS_FILE if (folder / _SKOPS_FILE).exists() else _PICKLE_FILE
    file = folder / str(flavor.get("pickled_model") or default)
    if not file.resolve().is_relative_to(folder.resolve()) or not file.is_file():
        raise EstimatorError(f"{name}: its description names {file.name}, which is not among its files")
    format_ = str(flavor.get("serialization_format") or (SKOPS if file.suffix == ".skops" else PICKLE))
    return Stored(file, format_)


def _listed(flavors: dict[str, Any]) -> str:
    return ", ".join(sorted(map(str, flavors))) or "none"


def _about(folder: Path) -> dict[str, Any]:
    """Return MLflow's description of a model; empty where it is not a mapping."""
    about = yaml.safe_load((folder / "MLmodel").read_text(encoding="utf-8"))
    return about if isinstance(about, dict) else {}


def trust_in(file: ModelFile, trust: tuple[str, ...]) -> tuple[str, ...]:
    """Return what may be loaded from a file: of an adopted one everything, as long as its digest is the adopted one.

    trust: that of the spec.
    """
    return (PICKLE,) if file.adopted else trust


def trusted(trust: tuple[str, ...]) -> list[str]:
    """Return all types that skops may load beside its own: those that are known, and those that the spec trusts."""
    return [*KNOWN, *trust]


def digest(folder: Path) -> str:
    """Return the SHA-256 over the paths and contents of all files, in the order of their paths.

    Not of what Python compiles: plain MLflow imports the code that travels with a model, and may do so in this folder.
    Retrain never imports that code.
    """
    whole = hashlib.sha256()
    for file in _files(folder):
        name, content = file.relative_to(folder).as_posix().encode(), file.read_bytes()
        whole.update(b"%d:%s%d:" % (len(name), name, len(content)) + content)
    return whole.hexdigest()


def inputs(folder: Path) -> dict[str, str] | None:
    """Return the type of each column that the model takes, in its order, from its description or else its signature.

    None if neither names them. The type `any` is one that nobody knows.
    """
    about = _about(folder)
    columns = (about.get("metadata") or {}).get(COLUMNS)
    if columns:
        return dict(columns)
    text = (about.get("signature") or {}).get("inputs")
    return {each["name"]: each["type"] for each in json.loads(text) if "name" in each} or None if text else None


def columns_taken(name: str, folder: Path, rows: "pd.DataFrame", features: list[str]) -> "pd.DataFrame":
    """Return the columns that the model takes, by its signature; the features where it has none.

    Raises EstimatorError where one is missing: an older version may take a feature that the spec has dropped.
    """
    wanted = inputs(folder)
    if wanted is None:
        return rows[features]
    missing = [each for each in wanted if each not in rows.columns]
    if missing:
        raise EstimatorError(
            f"{name}: takes {', '.join(missing)}, which the spec does not read; write source.also_read: "
            f"[{', '.join(missing)}] as long as it is in Production"
        )
    return rows[list(wanted)]


def versions_in(folder: Path) -> dict[str, str]:
    """Return the packages that a model in a folder says that it needs, each with its version."""
    file = folder / "requirements.txt"
    return dict(_PINNED.findall(file.read_text(encoding="utf-8"))) if file.exists() else {}


def version_differences(folder: Path) -> str:
    """Return the packages whose version here is not the one that the model was logged with, as a clause; or ""."""
    file = folder / "requirements.txt"
    found = differences(file.read_text(encoding="utf-8")) if file.exists() else []
    return f"it was logged with {', '.join(found)}" if found else ""


def differences(requirements: str) -> list[str]:
    """Return the packages of a requirements.txt whose version here is another one, each with both versions."""
    found = []
    for package, then in _PINNED.findall(requirements):
        now = next(filter(None, map(_installed, (package, *_SAME.get(package, ())))), "none")
        if now != then:
            found.append(f"{package} {then} ({now} is here)")
    return found


_SAME = {"mlflow": ("mlflow-skinny",)}
"""Packages that bring the modules of another one, without its server."""


def _installed(package: str) -> str | None:
    try:
        return without_label(installed(package))
    except PackageNotFoundError:
        return None


def without_label(version: str) -> str:
    """Return a version without its local label, such as `+cpu`, which no index of packages has."""
    return version.partition("+")[0]


def foreign_types(file: Path) -> list[str]:
    """Return the types in a file of skops that neither skops nor Retrain knows. It reads the file and loads nothing."""
    return _foreign(skops().get_untrusted_types(file=file), ())


def size(folder: Path) -> int:
    """Return the bytes of all files."""
    return sum(file.stat().st_size for file in _files(folder))


def refuse_foreign_types(name: str, model: Any, trust: tuple[str, ...]) -> None:
    """Raise UntrustedModelError for an estimator with types that neither skops, Retrain nor the spec trusts."""
    foreign = _foreign(skops().get_untrusted_types(data=skops().dumps(model)), trust)
    if foreign:
        raise UntrustedModelError(
            f"{name}: the model holds {', '.join(foreign)}; add what you trust of these to the spec's `trust`, "
            f"or `{PICKLE}` for all"
        )


def refuse_unwritable(name: str, model: Any) -> None:
    """Raise EstimatorError for an estimator that holds what skops cannot write, or cannot read back."""
    found = sorted({f"{where} ({_kind(value)})" for where, value in _unwritable(model, type(model).__name__)})
    if found:
        raise EstimatorError(
            f"{name}: the model cannot be written, because of {', '.join(found[:_MOST_NAMED])}; use a function or a "
            f"class that a module defines by name, and arrays of numpy, or write `trust: {PICKLE}` in the spec"
        )


def _unwritable(value: Any, where: str, above: tuple[int, ...] = ()) -> Iterator[tuple[str, Any]]:
    """Yield the smallest parts that cannot be written, each with the attribute that holds it."""
    if id(value) in above or _is_writable(value):
        return
    smaller = [each for place, part in _parts(value, where) for each in _unwritable(part, place, (*above, id(value)))]
    yield from smaller or [(where, value)]


def _is_writable(value: Any) -> bool:
    try:
        data = skops().dumps(value)
        skops().loads(data, trusted=skops().get_untrusted_types(data=data))
    except Exception:  # any error: what others have written decides how it fails
        return False
    return True


def _parts(value: Any, where: str) -> Iterator[tuple[str, Any]]:
    if isinstance(value, dict):
        yield from ((where, each) for each in value.values())
    elif isinstance(value, list | tuple | set):
        yield from ((where, each) for each in value)
    elif type(value).__module__.partition(".")[0] not in ("builtins", "pandas"):
        yield from ((f"{type(value).__name__}.{name}", each) for name, each in getattr(value, "__dict__", {}).items())


def _kind(value: Any) -> str:
    name = getattr(value, "__qualname__", "")
    if name.endswith("<lambda>"):
        return "a lambda"
    return f"{name}, made inside a function" if "<locals>" in name else f"of type {type(value).__name__}"


def _files(folder: Path) -> list[Path]:
    found = (path for path in folder.rglob("*") if path.is_file())
    return sorted(path for path in found if "__pycache__" not in path.relative_to(folder).parts)


def _foreign(found: list[str], trust: tuple[str, ...]) -> list[str]:
    return sorted(set(found) - set(trust) - set(KNOWN))
