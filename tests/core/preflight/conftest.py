"""Tables of the source, as in its own tests; and a registry that others keep."""

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import pytest

from retrain.preflight.audit import audit
from retrain.preflight.audit_finding import Audit
from retrain.tracker.client import ExperimentTracker
from tests.core.preflight.others import Others
from tests.core.source.conftest import schema, session, way  # noqa: F401
from tests.mlflow_servers import an_mlflow


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
