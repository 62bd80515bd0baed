"""Model files: what proves that one is still that which was logged, and what may be loaded. Needs no MLflow."""

import hashlib
import json
import re
import warnings
from functools import cache
from importlib.metadata import PackageNotFoundError
from importlib.metadata import version as installed
from pathlib import Path
from typing import Any

import cloudpickle
import yaml

from retrain.errors import UntrustedModelError

PICKLE = "pickle"
"""A spec that trusts this takes any type, in files that can run anything when they are loaded."""
HARMLESS = ("numpy.dtype",)
"""Types that skops asks about and that run nothing when they are loaded."""
_SKOPS_FILE, _PICKLE_FILE = "model.skops", "model.pkl"


@cache
def skops() -> Any:
    """`skops.io`. It imports all of scikit-learn, which takes seconds: who wants a digest should not wait for it."""
    with warnings.catch_warnings():
        # Looks at every module that is loaded, and warns about what it finds there.
        warnings.simplefilter("ignore")
        import skops.io
    return skops.io


def load(name: str, path: Path, expected: str, trust: tuple[str, ...]) -> Any:
    """The estimator in a folder. Raises UntrustedModelError where the files are others, before it reads any."""
    if digest(path) != expected:
        raise UntrustedModelError(f"{name}: its files are not the ones that were logged; it is not loaded")
    if (path / _PICKLE_FILE).exists():
        if PICKLE not in trust:
            raise UntrustedModelError(f"{name}: is a pickle, and the spec's `trust` does not name {PICKLE}")
        with (path / _PICKLE_FILE).open("rb") as file:
            return cloudpickle.load(file)
    file_ = path / _SKOPS_FILE
    foreign = _foreign(skops().get_untrusted_types(file=file_), trust)
    if foreign and PICKLE not in trust:
        raise UntrustedModelError(f"{name}: holds {', '.join(foreign)}, which the spec does not trust")
    return skops().load(file_, trusted=[*HARMLESS, *(foreign if PICKLE in trust else trust)])


def digest(folder: Path) -> str:
    """SHA-256 over the paths and contents of all files, in the order of their paths."""
    whole = hashlib.sha256()
    for file in _files(folder):
        name, content = file.relative_to(folder).as_posix().encode(), file.read_bytes()
        whole.update(b"%d:%s%d:" % (len(name), name, len(content)) + content)
    return whole.hexdigest()


def inputs(folder: Path) -> dict[str, str] | None:
    """Type of each column that the model takes, as its signature says; None where it has none."""
    about = yaml.safe_load((folder / "MLmodel").read_text(encoding="utf-8"))
    text = (about.get("signature") or {}).get("inputs")
    return {each["name"]: each["type"] for each in json.loads(text) if "name" in each} if text else None


def strangers(folder: Path) -> str:
    """Packages that it was logged with in another version than is here, as a clause; empty where none is."""
    file = folder / "requirements.txt"
    found = re.findall(r"^([\w.-]+)==(\S+)$", file.read_text(encoding="utf-8"), re.MULTILINE) if file.exists() else []
    told = []
    for package, then in found:
        try:
            now = installed(package)
        except PackageNotFoundError:
            now = "none"
        if now != then:
            told.append(f"{package} {then} ({now} is here)")
    return f"it was logged with {', '.join(told)}" if told else ""


def size(folder: Path) -> int:
    """Bytes of all files."""
    return sum(file.stat().st_size for file in _files(folder))


def refuse_foreign_types(name: str, model: Any, trust: tuple[str, ...]) -> None:
    """Raises UntrustedModelError for an estimator that holds types which neither skops, we nor the spec trusts."""
    foreign = _foreign(skops().get_untrusted_types(data=skops().dumps(model)), trust)
    if foreign:
        raise UntrustedModelError(
            f"{name}: the model holds {', '.join(foreign)}; add what you trust of these to the spec's `trust`, "
            f"or `{PICKLE}` for all"
        )


def _files(folder: Path) -> list[Path]:
    return sorted(path for path in folder.rglob("*") if path.is_file())


def _foreign(found: list[str], trust: tuple[str, ...]) -> list[str]:
    return sorted(set(found) - set(trust) - set(HARMLESS))
