"""Tables of the source, as in its own tests; a registry that others keep; `retrain init` on a database of its own."""

import json
import subprocess
from collections.abc import Callable, Iterator
from contextlib import closing
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

from retrain.preflight.audit import audit
from retrain.preflight.audit_finding import Audit
from retrain.tracker.client import ExperimentTracker
from tests.conftest import Database
from tests.core.preflight.others import Others
from tests.core.source.conftest import schema, session, way  # noqa: F401
from tests.mlflow_servers import an_mlflow

Done = subprocess.CompletedProcess[str]
Run = Callable[..., Done]

ROWS = (
    "CREATE TABLE rows (id int PRIMARY KEY, a float8, b float8, label text); INSERT INTO rows "
    "SELECT n, sin(n), cos(n), CASE WHEN sin(n) > 0.5 THEN 'yes' ELSE 'no' END FROM generate_series(1, 600) AS n; "
)


@dataclass(frozen=True)
class Registry:
    """An MLflow server of SQLite that nobody of ours has written to, and its folder."""

    address: str
    folder: Path

    @property
    def artifacts(self) -> Path:
        return self.folder / "artifacts"

    def others(self, model: str | None = None) -> Others:
        return Others.at(self.address, self.artifacts, model)

    def audit(self, *models: str, **how: object) -> Audit:
        return audit(ExperimentTracker(self.address), self.address, models=models, **how)


@pytest.fixture(scope="session")
def registry(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Registry]:
    folder = tmp_path_factory.mktemp("mlflow")
    with an_mlflow(folder) as address:
        ExperimentTracker(address)  # so that MLflow's client prints no addresses
        yield Registry(address, folder)


@pytest.fixture
def others(registry: Registry) -> Others:
    return registry.others()


@pytest.fixture
def execute(database: Database) -> Callable[[str], None]:
    def execute(statement: str) -> None:
        with closing(database.connect()) as own, own:
            own.cursor().execute(statement)

    return execute


@pytest.fixture
def run(database: Database, here: Run, tmp_path: Path) -> Run:
    """Run `retrain init` in this process."""

    def run(table: str = "rows", label: str = "label", *words: str, dsn: str = database.dsn) -> Done:
        return here("init", "--table", table, "--label", label, "--source", dsn, "--into", tmp_path, *words)

    return run


@pytest.fixture
def made(run: Run, tmp_path: Path) -> Callable[..., dict[str, Any]]:
    """Run it, and return what it decided."""

    def made(*words: str) -> dict[str, Any]:
        done = run(*words, "--json") if words else run("rows", "label", "--json")
        assert (done.returncode, done.stderr) == (0, "")
        found: dict[str, Any] = json.loads(done.stdout)
        return found

    return made
