"""What a new installation does by itself: nothing, until somebody has named specs and switched a model on."""

import os
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from airflow.dag_processing.dagbag import DagBag, sync_bag_to_db
from airflow.models.dag import DagModel
from airflow.utils.session import create_session
from sqlalchemy import update

from retrain.messages import texts
from retrain.records import Incident
from retrain.spec import files as spec_files
from retrain.tracker.client import ExperimentTracker
from retrain_airflow.dags.build import build
from retrain_airflow.operators.send_outbox import SendOutboxOperator
from stack.environment import environment
from stack.home import SPECS, Home
from stack.ports import Ports, remember
from tests.airflow.conftest import DAG_FILE, Model, model, tracker  # noqa: F401 - fixtures
from tests.airflow.test_cycle import metadata  # noqa: F401 - a fixture
from tests.core.conftest import here  # noqa: F401 - a fixture

Make = Callable[..., Model]
Run = Callable[..., dict[str, str]]


@pytest.fixture
def run(metadata: None) -> Run:  # noqa: F811
    """Runs a DAG with the model's own DAG paused or not; returns the state of each task."""

    def run(dag_id: str, *, paused: bool) -> dict[str, str]:
        bag = DagBag(DAG_FILE)
        sync_bag_to_db(bag, "dags-folder", None)
        with create_session() as session:
            session.execute(update(DagModel).where(DagModel.dag_id == "retrain_toy").values(is_paused=paused))
        done = bag.dags[dag_id].test()
        return {ti.task_id: str(ti.state) for ti in done.get_task_instances()}

    return run


def test_the_dag_of_a_spec_is_paused_at_creation_as_airflow_says_and_the_others_are_not(
    model: Make,  # noqa: F811
) -> None:
    """D6."""
    model(schedule="@hourly")
    paused = {name: dag.is_paused_upon_creation for name, dag in DagBag(DAG_FILE).dags.items()}
    assert paused == {
        "retrain_toy": None,  # Airflow's `dags_are_paused_at_creation`
        "retrain-adopt": False,
        "retrain-freeze": False,
        "retrain-outbox": False,
        "retrain-rollback": False,
        "retrain-watch": False,
    }


def test_watch_does_nothing_while_the_dag_of_the_model_is_paused(
    run: Run,
    model: Make,  # noqa: F811
    tracker: ExperimentTracker,  # noqa: F811
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """D6."""
    toy = model(watch={"silence": "3d"})
    toy.feed(10)  # labelled long ago
    monkeypatch.setenv("AIRFLOW_CONN_OTHER", os.environ["AIRFLOW_CONN_POSTGRES_DEFAULT"])
    nothing = {"due": "success", "look": "skipped", "start": "skipped"}
    assert run("retrain-watch", paused=True) == {"watch": "skipped", **nothing}
    assert toy.waiting() == []
    assert run("retrain-watch", paused=False) == {"watch": "success", **nothing}
    assert toy.waiting() == []  # the task that made the message has sent it
    with toy.database.connect() as session, session.cursor() as cursor:
        cursor.execute("SELECT body->>'headline' FROM retrain.outbox WHERE delivered_at IS NOT NULL")
        assert "no labelled row" in cursor.fetchone()[0]


def test_the_outbox_is_not_red_before_there_is_a_ledger_and_a_model_that_is_on(
    run: Run,
    model: Make,  # noqa: F811
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """D6."""
    model()
    monkeypatch.delenv("AIRFLOW_CONN_RETRAIN_STATE")
    assert run("retrain-outbox", paused=True) == {"send": "skipped"}
    assert run("retrain-outbox", paused=False) == {"send": "failed"}


def test_the_outbox_sends_a_message_that_is_due_though_the_model_is_paused(
    run: Run,
    model: Make,  # noqa: F811
) -> None:
    """D6: of a rollback, say."""
    toy = model()
    toy.ledger.announce("key", texts.of_incident(Incident(model=toy.name, what="it is so", remedy="Look.")))
    assert run("retrain-outbox", paused=True) == {"send": "success"}
    assert toy.ledger.models_waiting() == set()


def test_the_outbox_looks_up_no_channel_where_no_message_waits(
    model: Make,  # noqa: F811
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """D6."""
    toy = model(channels=[{"webhook": "nobody"}])
    looked: list[Any] = []
    monkeypatch.setattr("retrain_airflow.channels.channels", lambda spec: looked.append(spec) or [])
    assert SendOutboxOperator(task_id="send", specs=str(toy.path.parent)).execute({}) == 0
    assert looked == []


@pytest.mark.parametrize("named", [None, ""])
def test_no_spec_is_loaded_before_a_folder_is_named_and_that_is_told(
    named: str | None,
    monkeypatch: pytest.MonkeyPatch,
    tmp_path: Path,
    here: Any,  # noqa: F811
) -> None:
    """D8."""
    monkeypatch.delenv("RETRAIN_SPECS", raising=False)
    if named is not None:
        monkeypatch.setenv("RETRAIN_SPECS", named)
    # Nor those of the folder that somebody stands in.
    (tmp_path / "mine.yaml").write_text((SPECS / "breast_cancer.yaml").read_text())
    monkeypatch.chdir(tmp_path)
    said = "RETRAIN_SPECS is not set; set it to the folder that holds your specs"
    dags = DagBag(DAG_FILE).dags
    assert sorted(dags) == ["retrain-freeze", "retrain-outbox", "retrain-refused-specs", "retrain-watch"]
    assert dags["retrain-refused-specs"].get_task("refuse").faults == [said]
    assert dags["retrain-outbox"].get_task("send").execute({}) == 0
    checked = here("check")
    assert (checked.returncode, checked.stderr) == (1, f"{said}\n")


def test_the_stack_of_this_repository_names_its_specs_itself_and_a_users_folder_goes_first(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """D8."""
    home = Home.at(tmp_path)
    remember(home, Ports())
    monkeypatch.delenv("RETRAIN_SPECS", raising=False)
    assert environment(home)["RETRAIN_SPECS"] == str(SPECS)
    monkeypatch.setenv("RETRAIN_SPECS", "/mine")
    assert environment(home)["RETRAIN_SPECS"] == "/mine"
    assert len(spec_files.load_folder(SPECS).files) == 3
    assert "retrain_cover_letters" in build(SPECS)
    monkeypatch.delenv("RETRAIN_SPECS")
    assert sorted(build()) == ["retrain-freeze", "retrain-outbox", "retrain-refused-specs", "retrain-watch"]
