"""Each spec names its MLflow server and its ledger: two of each, and what is whose."""

import json
from collections.abc import Callable, Iterator
from dataclasses import replace
from datetime import UTC, datetime
from types import SimpleNamespace
from typing import Any
from uuid import uuid4

import pytest
import yaml

from retrain.errors import LedgerError
from retrain.ledger.ledger import Ledger
from retrain.messages import texts
from retrain.records import Incident
from retrain.tracker.client import ExperimentTracker
from retrain_airflow.hooks.retrain import RetrainHook
from retrain_airflow.notifiers.incident import IncidentNotifier
from retrain_airflow.operators.freeze import EVERY_MODEL, FreezeOperator
from retrain_airflow.operators.send_outbox import SendOutboxOperator
from stack.local import Running
from tests.airflow.conftest import Model, Ti, connection_to
from tests.airflow.test_cycle import Run, metadata, run, states  # noqa: F401 - fixtures
from tests.airflow.test_watch import look
from tests.conftest import Database, new_database
from tests.inbox import Inbox
from tests.mlflow_servers import an_mlflow

Make = Callable[..., Model]
TEAM = [{"webhook": "team"}]
OTHERS = {"mlflow": "mlflow_other", "ledger": "ledger_other"}


@pytest.fixture(scope="module")
def elsewhere(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    with an_mlflow(tmp_path_factory.mktemp("mlflow")) as address:
        yield address


@pytest.fixture
def other_tracker(elsewhere: str, monkeypatch: pytest.MonkeyPatch) -> ExperimentTracker:
    monkeypatch.setenv("AIRFLOW_CONN_MLFLOW_OTHER", json.dumps({"conn_type": "mlflow", "host": elsewhere}))
    return ExperimentTracker(elsewhere)


@pytest.fixture
def other_database(postgres: Running, migrated: str, monkeypatch: pytest.MonkeyPatch) -> Iterator[Database]:
    with new_database(postgres, migrated) as database:
        monkeypatch.setenv("AIRFLOW_CONN_LEDGER_OTHER", connection_to(database))
        yield database


@pytest.fixture
def two(model: Make, other_database: Database) -> tuple[Model, Model]:
    """Two models in one folder: the first with the default connections, the second with others."""
    first = model(channels=TEAM)
    data = yaml.safe_load(first.path.read_text())
    data |= {"model": f"{first.name}-b", "connections": OTHERS}
    path = first.path.with_name("other.yaml")
    path.write_text(yaml.safe_dump(data))
    return first, replace(first, path=path, name=data["model"], ledger=Ledger(other_database.connect))


def rows_of(database: Database) -> dict[str, int]:
    """Count the rows of every table of the ledger."""
    with database.connect() as session, session.cursor() as cursor:
        cursor.execute("SELECT tablename FROM pg_tables WHERE schemaname = 'retrain' ORDER BY 1")
        counts = {}
        for (name,) in cursor.fetchall():
            cursor.execute(f'SELECT count(*) FROM retrain."{name}"')
            counts[name] = cursor.fetchone()[0]
        return counts


def held_by(tracker: ExperimentTracker) -> tuple[set[str], set[str]]:
    experiments = {each.name for each in tracker.list_experiments("ALL")}
    return experiments, {each.name for each in tracker.page_of_models(1000).items}


def test_a_cycle_touches_its_own_server_and_ledger_only(
    model: Make,
    run: Run,  # noqa: F811
    tracker: ExperimentTracker,
    other_tracker: ExperimentTracker,
    other_database: Database,
    channel: Inbox,
) -> None:
    # A name of three parts, as in Unity Catalog, is one like any other.
    toy = model(model=f"main.ml_학습.{uuid4().hex[:8]}", connections=OTHERS, channels=TEAM)
    toy.feed(1000)
    before = held_by(tracker), rows_of(toy.database)
    experiments, models = held_by(other_tracker)

    assert set(states(run()).values()) <= {"success", "skipped"}

    assert (held_by(tracker), rows_of(toy.database)) == before
    assert held_by(other_tracker) == (experiments | {toy.name}, models | {toy.name})
    assert other_tracker.production(toy.name) == "1"
    assert Ledger(other_database.connect).production(toy.name) is not None
    assert {post.body["kind"] for post in channel.posts} == {"verdict", "promotion"}


def test_the_report_of_a_model_elsewhere_is_linked_in_its_mlflow(
    two: tuple[Model, Model],
    tracker: ExperimentTracker,
    other_tracker: ExperimentTracker,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setenv("AIRFLOW__API__BASE_URL", "https://airflow.example.org")
    here, elsewhere = (RetrainHook(each.spec).cycle_of("dag", "run").api for each in two)
    assert here == "https://airflow.example.org/api/experiments"
    assert elsewhere is None


def test_the_outbox_of_each_ledger_is_sent_also_where_another_is_down(
    two: tuple[Model, Model], channel: Inbox, monkeypatch: pytest.MonkeyPatch
) -> None:
    def announce(key: str) -> None:
        for each in two:
            each.ledger.announce(key, texts.of_incident(Incident(model=each.name, what=key, remedy="Look.")))

    context: Any = {"ti": SimpleNamespace(get_dag=lambda _: SimpleNamespace(is_paused=False))}
    send = SendOutboxOperator(task_id="send", specs=str(two[0].path.parent))
    announce("both")
    assert send.execute(context) == 2
    assert {post.body["model"] for post in channel.posts} == {each.name for each in two}
    announce("one")
    nowhere = {"conn_type": "postgres", "host": "127.0.0.1", "port": 1}
    # The first in alphabetical order is down.
    monkeypatch.setenv("AIRFLOW_CONN_LEDGER_OTHER", json.dumps(nowhere))
    with pytest.raises(LedgerError):
        send.execute(context)
    assert channel.posts[-1].body["model"] == two[0].name


def frozen(model: str, folder: str, run_id: str) -> None:
    context: Any = {
        "dag": SimpleNamespace(dag_id="retrain-freeze"),
        "run_id": run_id,
        "dag_run": SimpleNamespace(run_after=datetime.now(UTC)),
    }
    FreezeOperator(task_id="freeze", specs=folder, model=model, days=1, why="연말 동결").execute(context)


def test_a_freeze_is_written_where_its_models_are(two: tuple[Model, Model]) -> None:
    first, second = two
    folder = str(first.path.parent)
    frozen(second.name, folder, "run 1")
    assert [each.ledger.freeze_of(second.name) is not None for each in two] == [False, True]
    frozen(EVERY_MODEL, folder, "run 2")
    assert [each.ledger.freeze_of(each.name) is not None for each in two] == [True, True]


def test_watch_and_the_news_of_a_failure_go_to_the_models_own_ledger(
    two: tuple[Model, Model], tracker: ExperimentTracker, other_tracker: ExperimentTracker, channel: Inbox
) -> None:
    first, second = two
    second.path.write_text(second.path.read_text() + "watch: {silence: 3d}\n")
    before = rows_of(first.database)
    found = look(second, paused=(f"retrain_{first.path.stem}",))
    assert [fault["name"] for fault in found[second.name]] == ["watch/silence"]
    failed: Any = {"ti": Ti(), "exception": ValueError("no")}
    IncidentNotifier(spec=second.spec)(failed)
    assert rows_of(first.database) == before
    assert "task train of run run 1 failed: no" in channel.headlines[-1]


def test_two_specs_of_one_model_are_refused_wherever_they_are(two: tuple[Model, Model]) -> None:
    from retrain.spec.files import load_folder

    first, second = two
    second.path.write_text(second.path.read_text().replace(second.name, first.name))
    (fault,) = load_folder(first.path.parent).faults
    assert f"model = {first.name!r}" in fault
