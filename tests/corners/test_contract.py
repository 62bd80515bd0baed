"""The tracker's and the API's contracts with the libraries of each corner, against its MLflow server."""

from pathlib import Path

import pytest

from matrix import environments
from matrix.corners import Corner
from stack.home import PROJECT
from tests.corners.conftest import each_corner, run

CONTRACTS = (
    "tests/core/tracker/contract",
    "tests/api/test_contract.py",
    "tests/api/test_limits.py",
    "tests/api/test_scenarios.py",
)

OF_OLDER = "not name_in_korean and not differs_from_every_number"
"""What MLflow's servers before 3.17, and its client's own store, cannot do: docs/versions.md says it."""


MODEL_FILES = "tests/faults/test_c_model_files.py"
"""What each version of scikit-learn and skops writes, and reads back without a word in the spec."""


@each_corner
def test_the_contracts_hold(corner: Corner, environment: Path, place: Path) -> None:
    _pass(corner, environment, place, *(("-k", OF_OLDER) if _older(corner) else ()), *CONTRACTS)


@pytest.mark.nightly
@each_corner
def test_all_estimators_are_read_back_as_they_were_written(corner: Corner, environment: Path, place: Path) -> None:
    _pass(corner, environment, place, MODEL_FILES)


def _pass(corner: Corner, environment: Path, place: Path, *words: str) -> None:
    """Run tests of ours with the corner's libraries and its MLflow server."""
    server = environments.of_server(corner.server)
    pytest_ = ("-m", "pytest", "-q", "--tb=short", "-p", "no:cacheprovider", "-o", "filterwarnings=")
    printed = run(
        environment,
        "python",
        *(*pytest_, "-m", "not nightly and not soak", *words),
        cwd=PROJECT,
        RETRAIN_STACK_MLFLOW=str(server / "bin"),
        AIRFLOW_HOME=str(place / "airflow"),
    )
    assert " passed" in printed
    assert " failed" not in printed


def _older(corner: Corner) -> bool:
    return tuple(map(int, corner.server.split(".")[:2])) < (3, 17)
