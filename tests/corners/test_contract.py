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
        *CONTRACTS,
        cwd=PROJECT,
        RETRAIN_STACK_MLFLOW=str(server / "bin"),
        AIRFLOW_HOME=str(place / "airflow"),
    )
    assert " passed" in printed
    assert " failed" not in printed
