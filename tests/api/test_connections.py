"""Routes about a model use the connections of its spec; routes about experiments and runs use the default ones."""

from collections.abc import Iterator
from pathlib import Path
from typing import Any
from uuid import uuid4

import httpx
import psycopg2
import pytest

from retrain.ledger.ledger import Ledger
from retrain.messages import texts
from retrain.snapshots.store import SnapshotStore
from retrain.spec.files import SpecFile, SpecFolder
from retrain.spec.parse import parse
from retrain.spec.source import Split
from retrain.tracker.client import ExperimentTracker
from retrain_airflow.api.app import DEADLINE, PREFIX
from retrain_airflow.api.backend import Backend
from stack.local import Running
from tests.api.conftest import As, NoScheduler, mounted, serving
from tests.conftest import Database, new_database
from tests.mlflow_servers import an_mlflow

CONNECTIONS = {"mlflow": "mlflow_b", "ledger": "ledger_b"}
SOURCE = {"table": "rows", "key": "id", "label": "label", "features": ["a"]}
CANDIDATE = {"name": "one", "estimator": "tests.core.toys:logistic"}


@pytest.fixture(scope="module")
def elsewhere(tmp_path_factory: pytest.TempPathFactory) -> Iterator[ExperimentTracker]:
    with an_mlflow(tmp_path_factory.mktemp("mlflow")) as address:
        yield ExperimentTracker(address, deadline=DEADLINE)


@pytest.fixture
def name() -> str:
    """A name of three parts, as in Unity Catalog."""
    return f"main.ml.자소서-{uuid4().hex[:8]}"


@pytest.fixture
def other(postgres: Running, migrated: str) -> Iterator[Database]:
    with new_database(postgres, migrated) as database:
        yield database


@pytest.fixture
def api(
    backend: Backend, elsewhere: ExperimentTracker, other: Database, tmp_path: Path, as_person: As, name: str
) -> Iterator[httpx.Client]:
    data: dict[str, Any] = {"model": name, "source": SOURCE, "candidates": [CANDIDATE], "connections": CONNECTIONS}
    file = SpecFile(tmp_path / "other.yaml", parse(data, "other.yaml"), None)
    trackers = {"mlflow_default": backend.tracker(), "mlflow_b": elsewhere}
    ledgers = {"retrain_state": backend.ledger(), "ledger_b": Ledger(other.connect)}
    ledgers["ledger_b"].begin_model(name, Split(), announcement=texts.of_split_version)
    both = Backend(
        tracker_at=trackers.__getitem__,
        ledger_at=ledgers.__getitem__,
        snapshots=lambda _: SnapshotStore((tmp_path / "snapshots").as_uri()),
        source=lambda _: (_ for _ in ()).throw(AssertionError("no test here reads the source")),
        specs=lambda: SpecFolder((file,), ()),
        scheduler=NoScheduler(),
    )
    with serving(mounted(both)) as address:
        yield as_person(address=address + PREFIX)


def test_a_version_is_registered_and_staged_where_its_model_is(
    api: httpx.Client, backend: Backend, elsewhere: ExperimentTracker, other: Database, name: str
) -> None:
    run_id = elsewhere.start_run(elsewhere.create_experiment(name), "by hand")
    made = elsewhere._client.create_logged_model(elsewhere.create_experiment(name), "m", run_id)
    registered = api.post(
        "/models/register",
        json={"run_id": run_id, "model_name": name, "model_uri": f"models:/{made.model_id}", "why": "by hand"},
        headers={"Idempotency-Key": "once"},
    )
    assert registered.status_code == 201, registered.text
    assert registered.json()["version"] == "1"
    staged = api.post(
        "/models/transition-stage", json={"model_name": name, "version": "1", "stage": "Staging", "why": "to look at"}
    )
    assert staged.status_code == 200, staged.text
    assert api.get(f"/models/{name}").json()["staging"] == "1"
    assert [each["version"] for each in api.get(f"/models/{name}/versions").json()["versions"]] == ["1"]
    assert api.get(f"/models/{name}/versions/1").json()["verdict"] is None
    assert api.get(f"/models/{name}/history").json()["promotions"] == []
    assert name not in {each.name for each in backend.tracker().page_of_models(1000).items}
    with other.connect() as session, session.cursor() as cursor:
        cursor.execute("SELECT count(*) FROM retrain.claims")
        assert cursor.fetchone() == (1,)


def test_the_state_of_a_model_is_that_of_its_own_ledger(api: httpx.Client, other: Database, name: str) -> None:
    ledger = Ledger(other.connect)
    with ledger.lock_production(name) as production:
        from retrain.records import Move, VersionId

        row = production.append(None, VersionId("7", "x"), kind=Move.BY_HAND, verdict=None, by="kim", why="there")
        production.close(row, applied=True, announcement=texts.of_promotion)
    assert [each["to_version"] for each in api.get(f"/models/{name}/history").json()["promotions"]] == ["7"]
    assert api.get(f"/specs/{name}/verdicts").json()["verdicts"] == []
    assert api.get(f"/specs/{name}/cycles/none").json()["runs"] == []


def test_experiments_runs_and_the_list_of_models_are_those_of_the_default_server(
    api: httpx.Client, backend: Backend, elsewhere: ExperimentTracker, name: str
) -> None:
    experiment = api.post("/create", json={"name": f"{name} 2"}).json()["id"]
    assert backend.tracker().find_experiment(f"{name} 2") == experiment
    assert elsewhere.find_experiment(f"{name} 2") is None
    elsewhere._client.create_registered_model(name)
    assert name not in {each["name"] for each in api.get("/models/?max_results=1000").json()["models"]}
    assert api.get(f"/models/{name}").status_code == 200


def test_what_a_model_of_another_ledger_needs_on_the_default_server_is_not_deleted(
    backend: Backend, mlflow_server: Running, tmp_path: Path
) -> None:
    """Each ledger of a model on the default server is asked."""
    asked = []
    data: dict[str, Any] = {"source": SOURCE, "candidates": [CANDIDATE]}
    specs = [
        parse({**data, "model": str(number), "connections": connections}, "x.yaml")
        for number, connections in enumerate(
            [{"ledger": "ledger_b"}, {"mlflow": "mlflow_b", "ledger": "ledger_c"}, {"ledger": "ledger_b"}]
        )
    ]

    def ledger(name: str) -> Ledger:
        asked.append(name)
        return Ledger(lambda: psycopg2.connect(mlflow_server.dsn("retrain")))

    both = Backend(
        tracker_at=lambda _: backend.tracker(),
        ledger_at=ledger,
        snapshots=backend.snapshots,
        source=backend.source,
        specs=lambda: SpecFolder(tuple(SpecFile(tmp_path / "x.yaml", spec, None) for spec in specs), ()),
        scheduler=NoScheduler(),
    )
    assert len(both.deletions().ledgers) == 2
    assert asked == ["ledger_b", "retrain_state"]
