"""`retrain doctor`: each way to be wrong is found with its remedy, which works; a stack that is well is left alone."""

from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
from airflow.dag_processing.dagbag import DagBag, sync_bag_to_db
from sklearn.linear_model import LogisticRegression

from retrain.ledger.ledger import Ledger
from retrain.preflight import doctor, probes_ledger
from retrain.preflight.probe import Found, State
from retrain.source.table import Source
from retrain.tracker.client import ExperimentTracker
from retrain_airflow import probes
from tests.airflow.conftest import DAG_FILE, Model
from tests.airflow.test_cycle import metadata  # noqa: F401 - a fixture
from tests.faults import by_hand

Make = Callable[..., Model]


def troubles(toy: Model, about: str = "") -> list[Found]:
    """Return what is not good, about what begins so."""
    found = [*doctor.look(toy.path.parent)]
    assert found
    return [each for each in found if each.state is not State.GOOD and each.about.startswith(about)]


def only(toy: Model, about: str) -> Found:
    (found,) = troubles(toy, about)
    return found


@pytest.fixture
def well(model: Make, tracker: ExperimentTracker) -> Model:
    toy = model()
    toy.feed(50)
    return toy


def test_of_an_installation_that_is_well_nothing_is_said(
    metadata: None,  # noqa: F811
    well: Model,
) -> None:
    bag = DagBag(DAG_FILE)
    sync_bag_to_db(bag, "dags-folder", None)
    left = [str(each) for each in troubles(well)]
    assert [
        each for each in left if not each.startswith(("DAG retrain_toy: is paused", "triggerer: does not run"))
    ] == []


def test_a_dag_that_airflow_does_not_know_is_named(metadata: None, model: Make) -> None:  # noqa: F811
    toy = model()
    path = toy.path.with_name("unseen.yaml")
    path.write_text(toy.path.read_text().replace(toy.name, "unseen"))
    (found,) = [each for each in troubles(toy, "DAG retrain_unseen")]
    assert (found.state, "globals().update(build())" in found.remedy) == (State.FAIL, True)


@pytest.mark.parametrize(
    ("connection", "about"),
    [
        ("RETRAIN_STATE", "ledger retrain_state"),
        ("MLFLOW_DEFAULT", "MLflow mlflow_default"),
        ("POSTGRES_DEFAULT", "source of "),
    ],
)
def test_a_connection_that_is_not_there_is_named(
    well: Model, monkeypatch: pytest.MonkeyPatch, connection: str, about: str
) -> None:
    before = troubles(well, about)
    monkeypatch.delenv(f"AIRFLOW_CONN_{connection}")
    found = only(well, about)
    assert found.state is State.FAIL
    assert f"AIRFLOW_CONN_{connection}" in str(found)
    assert before == []


def test_a_channel_without_a_connection_is_named(model: Make, monkeypatch: pytest.MonkeyPatch) -> None:
    toy = model(channels=[{"webhook": "team"}])
    assert "AIRFLOW_CONN_TEAM" in str(only(toy, "webhook team"))
    monkeypatch.setenv("AIRFLOW_CONN_TEAM", '{"conn_type": "http", "host": "127.0.0.1"}')
    assert troubles(toy, "webhook team") == []


def test_a_ledger_without_tables_or_rights_says_what_to_run(well: Model) -> None:
    with well.database.connect() as session:
        session.cursor().execute("REVOKE UPDATE (version) ON retrain.model_files FROM PUBLIC, retrain_task")
    assert troubles(well, "ledger") == [], "who looks is the owner"
    with well.database.connect() as session:
        session.cursor().execute("DROP SCHEMA retrain CASCADE")
    found = only(well, "ledger")
    assert (found.state, "run `retrain migrate`" in str(found)) == (State.FAIL, True)
    Ledger(well.database.connect).migrate()
    assert troubles(well, "ledger") == []


def test_rights_that_the_tasks_lack_are_named(ledger: Ledger, well: Model) -> None:
    """The fixture's ledger is that of the runtime role, which has just its rights."""
    assert ledger.missing_rights() == []
    with well.database.connect() as session:
        session.cursor().execute("REVOKE UPDATE (version) ON retrain.model_files FROM retrain_task")
        session.cursor().execute("REVOKE INSERT ON retrain.outbox FROM retrain_task")
    (found,) = [each for each in probes_ledger.look("ledger", ledger) if each.state is not State.GOOD]
    assert "may not UPDATE model_files.version, INSERT outbox" in found.says
    Ledger(well.database.connect).migrate("retrain_task")
    assert ledger.missing_rights() == []


def test_a_place_for_snapshots_that_cannot_be_written_is_named(
    well: Model, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    (tmp_path / "file").write_text("")
    monkeypatch.setenv("RETRAIN_SNAPSHOTS_URI", (tmp_path / "file" / "below").as_uri())
    assert "cannot be written there" in str(only(well, "snapshots"))
    monkeypatch.delenv("RETRAIN_SNAPSHOTS_URI")
    assert "RETRAIN_SNAPSHOTS_URI is not set; set it to" in str(only(well, "snapshots"))
    monkeypatch.setenv("RETRAIN_SNAPSHOTS_URI", (tmp_path / "good").as_uri())
    assert troubles(well, "snapshots") == []
    assert [*(tmp_path / "good").iterdir()] == [], "what it tried is gone again"


@pytest.mark.parametrize(
    ("breaks", "says", "mends"),
    [
        ("ALTER TABLE rows RENAME a TO aa", "rows", "ALTER TABLE rows RENAME aa TO a"),
        ("ALTER TABLE rows RENAME TO other", "rows", "ALTER TABLE other RENAME TO rows"),
        ("DELETE FROM rows", "has no labelled row yet", ""),
    ],
)
def test_a_source_that_is_not_as_the_spec_says_is_named(well: Model, breaks: str, says: str, mends: str) -> None:
    about = f"source of {well.name}"
    assert troubles(well, about) == []
    with well.database.connect() as session:
        session.cursor().execute(breaks)
    assert says in " ".join(map(str, troubles(well, about)))
    if mends:
        with well.database.connect() as session:
            session.cursor().execute(mends)
    else:
        well.feed(5)
    assert troubles(well, about) == []


@pytest.mark.parametrize("seconds", [600, -600])
def test_clocks_that_are_apart_are_told(monkeypatch: pytest.MonkeyPatch, well: Model, seconds: int) -> None:
    monkeypatch.setattr(Source, "now", lambda _: datetime.now(UTC) + timedelta(seconds=seconds))
    found = only(well, f"source of {well.name}")
    assert (found.state, "600 s apart" in found.says) == (State.WARN, True)


def test_a_production_of_somebody_else_is_named_with_the_command(well: Model, tracker: ExperimentTracker) -> None:
    about = f"Production of {well.name}"
    assert troubles(well, about) == []
    version = by_hand.log_pickle(
        tracker, well.name, LogisticRegression(), stage="Production", requirements=["scikit-learn==1.2.2"]
    )
    assert f"`retrain adopt {well.name} {version}`" in only(well, about).remedy
    tracker._client.set_registered_model_alias(well.name, "production", version)
    unknown, old = troubles(well, about)
    assert (unknown.state, f"`retrain adopt {well.name} {version}`" in unknown.remedy) == (State.FAIL, True)
    assert (old.state, "scikit-learn 1.2.2" in old.says) == (State.WARN, True)


def test_stage_and_alias_that_are_apart_and_files_that_are_gone_are_told(
    well: Model, tracker: ExperimentTracker
) -> None:
    by_hand.register(tracker, well.name, stage="Production")
    run = tracker.start_run(tracker.create_experiment(well.name), "empty")
    second = tracker._client.create_model_version(
        well.name, f"{tracker._client.get_run(run).info.artifact_uri}/no", run
    )
    tracker._client.set_registered_model_alias(well.name, "production", str(second.version))
    says = " ".join(str(each) for each in troubles(well, f"Production of {well.name}"))
    assert "version 1 is in stage Production, and version 2 owns alias production" in says
    assert "the files of version 2 are gone" in says


def test_a_spec_that_cannot_be_read_does_not_end_the_look(well: Model) -> None:
    well.path.with_name("broken.yaml").write_text("model: [")
    assert "broken.yaml" in str(only(well, "specs"))
    assert any(each.about.startswith("source of") for each in doctor.look(well.path.parent))


def test_without_specs_it_says_where_they_are_looked_for(tmp_path: Path) -> None:
    (found,) = [each for each in doctor.look(tmp_path) if each.about == "specs"]
    assert (found.state, "retrain init" in found.remedy) == (State.FAIL, True)


def test_the_plugin_is_there_once() -> None:
    assert [each.state for each in probes._versions()] == [State.GOOD]
