"""The environment of a corner: its packages from its lock, and Retrain from a wheel, as a user would install it."""

import hashlib
import os
import shutil
import subprocess
import sys
from functools import cache
from pathlib import Path

from matrix.corners import Corner, server_lock

PROJECT = Path(__file__).resolve().parents[1]
PLACE = PROJECT / ".matrix"
UV = str(Path(sys.executable).with_name("uv"))
_BUILT = "built-from"


class UnavailableError(Exception):
    """This machine lacks what a corner needs: the corner is not tried."""


def interpreter(version: str) -> str:
    """Return a Python of this version, such as 3.12. Raises UnavailableError.

    It is looked for among MATRIX_PYTHONS (paths), on PATH, and where pyenv installs.
    """
    named = os.environ.get("MATRIX_PYTHONS", "").split(os.pathsep)
    installed = map(str, (Path.home() / ".pyenv" / "versions").glob(f"{version}.*/bin/python"))
    for candidate in (*named, sys.executable, shutil.which(f"python{version}"), *installed):
        if candidate and _version(candidate) == version:
            return candidate
    raise UnavailableError(f"Python {version} is not on this machine; name one in MATRIX_PYTHONS")


def of_corner(corner: Corner) -> Path:
    """Return the folder of a corner's environment, made if needed, with the project's own wheel as it is now."""
    folder = _made(corner.name, corner.lock, corner.python)
    install(folder)
    return folder


def install(folder: Path) -> None:
    """Install the wheel into an environment that has what it needs."""
    python = str(folder / "bin" / "python")
    _uv("pip", "install", "--python", python, "--no-deps", "--reinstall", str(wheel()))
    _uv("pip", "check", "--python", python)


def uninstall(folder: Path) -> None:
    _uv("pip", "uninstall", "--python", str(folder / "bin" / "python"), "airflow-provider-retrain")


def resolve(folder: Path, lock: Path, extra: str) -> "subprocess.CompletedProcess[str]":
    """Ask whether the wheel with this extra can be installed without a change of what the lock pins."""
    python = str(folder / "bin" / "python")
    wanted = f"airflow-provider-retrain[{extra}] @ {wheel().as_uri()}"
    words = [UV, "pip", "install", "--dry-run", "--python", python, "--constraint", str(lock), wanted]
    return subprocess.run(words, capture_output=True, text=True, check=False, env=_environment())


def of_server(version: str) -> Path:
    """Return the folder of the environment of an MLflow server."""
    return _made(f"mlflow-{version}", server_lock(version), "3.11")


def _made(name: str, lock: Path, python: str) -> Path:
    folder = PLACE / name
    digest = hashlib.sha256(lock.read_bytes()).hexdigest()
    built = folder / _BUILT
    if not built.exists() or built.read_text() != digest:
        shutil.rmtree(folder, ignore_errors=True)
        _uv("venv", "--python", interpreter(python), str(folder))
        _uv("pip", "install", "--python", str(folder / "bin" / "python"), "-r", str(lock))
        built.write_text(digest)  # last, so that an interrupted install does not count
    return folder


def _version(python: str) -> str:
    """Return the version of an interpreter; empty where it does not run, as one of pyenv's placeholders."""
    ask = "import sys; print('.'.join(map(str, sys.version_info[:2])))"
    try:
        return subprocess.run([python, "-c", ask], capture_output=True, text=True, check=False).stdout.strip()
    except OSError:
        return ""


@cache
def wheel() -> Path:
    """Return the project's wheel: what is tried in one run is the same one in all corners."""
    place = PLACE / "wheel"
    shutil.rmtree(place, ignore_errors=True)
    return build_wheel(place)


def build_wheel(place: Path) -> Path:
    """Build the wheel in this folder, from a copy: setuptools leaves a folder behind."""
    for name in ("include", "plugins"):
        shutil.copytree(PROJECT / name, place / "project" / name, ignore=shutil.ignore_patterns("__pycache__"))
    for name in ("pyproject.toml", "README.md", "LICENSE"):
        shutil.copy(PROJECT / name, place / "project" / name)
    pip = [sys.executable, "-m", "pip", "wheel", "--quiet", "--no-deps", "--no-build-isolation"]
    subprocess.run([*pip, "--wheel-dir", str(place), str(place / "project")], check=True)
    (built,) = place.glob("*.whl")
    return built


def _uv(*words: str) -> None:
    done = subprocess.run([UV, "--quiet", *words], capture_output=True, text=True, check=False, env=_environment())
    if done.returncode:
        raise RuntimeError(f"uv {' '.join(words[:3])} … failed: {done.stderr.strip()[-2000:]}")


def _environment() -> dict[str, str]:
    """Return the environment for uv, with the package index that pip is set to, as in stack/venv.sh."""
    asked = [sys.executable, "-m", "pip", "config", "get", "global.index-url"]
    found = subprocess.run(asked, capture_output=True, text=True, check=False).stdout.strip()
    index = os.environ.get("PIP_INDEX_URL") or found
    return {**os.environ, **({"UV_DEFAULT_INDEX": index} if index else {})}
