"""Model files: the digest that proves that one is unchanged, and the types that may be loaded. Needs no MLflow."""

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
"""A spec that trusts this accepts any type, in files that can run any code when they are loaded."""
HARMLESS = ("numpy.dtype",)
"""Types that skops does not trust by itself, although they run nothing when they are loaded."""
_SKOPS_FILE, _PICKLE_FILE = "model.skops", "model.pkl"


@cache
def skops() -> Any:
    """Return `skops.io`. It imports all of scikit-learn, which takes seconds: a digest should not wait for it."""
    with warnings.catch_warnings():
        # skops looks at every loaded module, and warns about what it finds there.
        warnings.simplefilter("ignore")
        import skops.io
    return skops.io


def load(name: str, path: Path, expected: str, trust: tuple[str, ...]) -> Any:
    """Return the estimator in a folder. name: what errors call it.

    Raises UntrustedModelError if the digest of the files is another one, before any is loaded, or if they hold types
    that are not trusted.
    """
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
    """Return the SHA-256 over the paths and contents of all files, in the order of their paths."""
    whole = hashlib.sha256()
    for file in _files(folder):
        name, content = file.relative_to(folder).as_posix().encode(), file.read_bytes()
        whole.update(b"%d:%s%d:" % (len(name), name, len(content)) + content)
    return whole.hexdigest()


def inputs(folder: Path) -> dict[str, str] | None:
    """Return the type of each column that the model takes, from its signature; None if it has no signature."""
    about = yaml.safe_load((folder / "MLmodel").read_text(encoding="utf-8"))
    text = (about.get("signature") or {}).get("inputs")
    return {each["name"]: each["type"] for each in json.loads(text) if "name" in each} if text else None


def version_differences(folder: Path) -> str:
    """Return the packages whose version here is not the one that the model was logged with, as a clause; or ""."""
    file = folder / "requirements.txt"
    logged = re.findall(r"^([\w.-]+)==(\S+)$", file.read_text(encoding="utf-8"), re.MULTILINE) if file.exists() else []
    differences = []
    for package, then in logged:
        try:
            now = installed(package)
        except PackageNotFoundError:
            now = "none"
        if now != then:
            differences.append(f"{package} {then} ({now} is here)")
    return f"it was logged with {', '.join(differences)}" if differences else ""


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


def _files(folder: Path) -> list[Path]:
    return sorted(path for path in folder.rglob("*") if path.is_file())


def _foreign(found: list[str], trust: tuple[str, ...]) -> list[str]:
    return sorted(set(found) - set(trust) - set(HARMLESS))
