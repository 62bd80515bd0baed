"""The corners of what Retrain runs on. Two are tried by `make test`, all by `make matrix` and `make nightly`."""

import os
import subprocess
from collections.abc import Iterator
from pathlib import Path

import pytest

from matrix import environments
from matrix.corners import CORNERS, Corner
from matrix.environments import UnavailableError
from stack.local import Running
from tests.conftest import running as running_stack
from tests.conftest import short_lived

OFTEN = ("3.1-composer", "3.2-mwaa")
"""Those that `make test` tries, without a scheduler."""

each_corner = pytest.mark.parametrize(
    "corner",
    [
        # The others take a minute and more each.
        pytest.param(each, id=each.name, marks=[] if each.name in OFTEN else pytest.mark.nightly)
        for each in CORNERS
    ],
    scope="module",
)


@pytest.fixture(scope="module")
def environment(corner: Corner) -> Path:
    """The folder of the corner's environment. A corner that this machine cannot try is skipped, and says why."""
    try:
        return environments.of_corner(corner)
    except UnavailableError as error:
        pytest.skip(str(error))


@pytest.fixture(scope="module")
def their_postgres() -> Iterator[Running]:
    yield from running_stack("postgres")


@pytest.fixture
def place() -> Iterator[Path]:
    with short_lived() as folder:
        yield folder


def run(environment: Path, *words: str, cwd: Path, **variables: str) -> str:
    """Run a program of the environment, without our own code on its path, and return what it prints."""
    kept = {name: value for name, value in os.environ.items() if not name.startswith(("AIRFLOW", "PYTHON", "MLFLOW"))}
    paths = {"PATH": os.pathsep.join((str(environment / "bin"), kept.get("PATH", os.defpath)))}
    done = subprocess.run(
        [str(environment / "bin" / words[0]), *words[1:]],
        cwd=cwd,
        env={**kept, **paths, **variables},
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, f"{done.stdout[-4000:]}\n{done.stderr[-4000:]}"
    return done.stdout
