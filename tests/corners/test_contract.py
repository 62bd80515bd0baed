"""The tracker's and the API's contracts with the libraries of each corner, against its MLflow server."""

from pathlib import Path

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


@each_corner
def test_the_contracts_hold(corner: Corner, environment: Path, place: Path) -> None:
    server = environments.of_server(corner.server)
    printed = run(
        environment,
        "python",
        *(
            "-m",
            "pytest",
            "-q",
            "--tb=short",
            "-p",
            "no:cacheprovider",
            "-o",
            "filterwarnings=",
            "-m",
            "not nightly and not soak",
        ),
        *(("-k", OF_OLDER) if _older(corner) else ()),
        *CONTRACTS,
        cwd=PROJECT,
        RETRAIN_STACK_MLFLOW=str(server / "bin"),
        AIRFLOW_HOME=str(place / "airflow"),
    )
    assert " passed" in printed
    assert " failed" not in printed


def _older(corner: Corner) -> bool:
    return tuple(map(int, corner.server.split(".")[:2])) < (3, 17)
