"""The hook of a spec file: what a run of its DAG works with."""

import json
import socket
from collections.abc import Callable
from contextlib import closing
from pathlib import Path
from types import SimpleNamespace

import pytest

from retrain.errors import LedgerError, SettingsError, SpecError
from retrain.tracker.client import ExperimentTracker
from retrain_airflow.hooks.retrain import RetrainHook
from tests.airflow.conftest import Model
from tests.core.source.tables import read

Make = Callable[..., Model]
pytestmark = pytest.mark.usefixtures("first_tracker")


def test_a_cycle_is_the_run_of_its_context(model: Make, tracker: ExperimentTracker) -> None:
    toy = model()
    toy.feed(3)
    cycle = RetrainHook(toy.spec).cycle(
        {"dag": SimpleNamespace(dag_id="retrain_toy"), "run_id": "run 7"}, note="autumn"
    )
    assert (cycle.dag_id, cycle.run_id, cycle.note) == ("retrain_toy", "run 7", "autumn")
    assert cycle.spec.model == toy.name
    assert cycle.ledger.last_consumed(toy.name) is None
    assert read(RetrainHook(toy.spec).source).num_rows == 3


def test_a_run_without_a_note_has_an_empty_one(model: Make, tracker: ExperimentTracker) -> None:
    assert RetrainHook(model().spec).cycle({"dag": SimpleNamespace(dag_id="retrain_toy"), "run_id": "run 7"}).note == ""


def test_a_query_beside_the_spec_is_what_is_read(model: Make) -> None:
    toy = model(source={"query": "odd.sql", "key": "id", "label": "label", "features": ["a"]})
    (toy.path.parent / "odd.sql").write_text("SELECT * FROM rows WHERE id % 2 = 1;\n")
    toy.feed(10)
    assert read(RetrainHook(toy.spec).source)["key"].to_pylist() == ["1", "3", "5", "7", "9"]


def test_every_fault_of_a_spec_is_told_when_it_is_asked_for(tmp_path: Path) -> None:
    path = tmp_path / "bad.yaml"
    path.write_text("model: 3\nthreshold: {rows: many}\n", encoding="utf-8")
    hook = RetrainHook(str(path))
    with pytest.raises(SpecError) as refused:
        assert hook.spec
    message = str(refused.value)
    assert "bad.yaml: model = 3" in message
    assert 'bad.yaml: threshold.rows = "many"' in message
    assert "bad.yaml: source: is missing; add it" in message


def test_a_spec_that_has_gone_is_refused(tmp_path: Path) -> None:
    with pytest.raises(SpecError, match=r"gone\.yaml: cannot be read"):
        assert RetrainHook(str(tmp_path / "gone.yaml")).spec


@pytest.mark.parametrize("value", [None, ""])
def test_no_place_for_snapshots_is_refused_with_the_remedy(
    model: Make, monkeypatch: pytest.MonkeyPatch, value: str | None
) -> None:
    hook = RetrainHook(model().spec)
    monkeypatch.delenv("RETRAIN_SNAPSHOTS_URI")
    if value is not None:
        monkeypatch.setenv("RETRAIN_SNAPSHOTS_URI", value)
    with pytest.raises(SettingsError, match="RETRAIN_SNAPSHOTS_URI is not set; set it to"):
        assert hook.snapshots


def test_a_ledger_that_never_answers_is_given_up(model: Make, monkeypatch: pytest.MonkeyPatch) -> None:
    with socket.create_server(("127.0.0.1", 0)) as silent:
        where = {"conn_type": "postgres", "host": "127.0.0.1", "port": silent.getsockname()[1]}
        monkeypatch.setenv("AIRFLOW_CONN_RETRAIN_STATE", json.dumps({**where, "extra": {"connect_timeout": 2}}))
        with pytest.raises(LedgerError, match="timeout expired"):
            assert RetrainHook(model().spec).ledger


def test_nothing_waits_for_a_database_for_longer_than_a_minute(model: Make) -> None:
    hook = RetrainHook(model().spec)
    with closing(hook.ledger._connect()) as session:
        limits = session.get_dsn_parameters()
    assert (limits["connect_timeout"], limits["tcp_user_timeout"]) == ("60", "60000")
