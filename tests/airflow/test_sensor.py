"""The sensor, against a real PostgreSQL."""

from collections.abc import Callable

import pytest
from airflow.sdk.exceptions import AirflowSkipException

from retrain.errors import SourceError, StateError
from retrain_airflow.sensors.new_rows import NewRowsSensor
from tests.airflow.conftest import Model, connection_to

Make = Callable[..., Model]


def sensor(model: Model, **how: object) -> NewRowsSensor:
    return NewRowsSensor(task_id="sense", spec=model.spec, **how)


def test_too_few_rows_skip_the_cycle_and_the_log_says_how_many_are_missing(
    model: Make, capsys: pytest.CaptureFixture[str]
) -> None:
    toy = model()
    toy.feed(300)
    with pytest.raises(AirflowSkipException):
        sensor(toy).execute({})
    assert "300 of 500 new labelled rows are there; 200 are missing." in capsys.readouterr().out


def test_it_looks_once(model: Make, capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(AirflowSkipException):
        sensor(model()).execute({})
    assert capsys.readouterr().out.count("0 of 500") == 1


def test_as_many_rows_as_the_threshold_are_enough(model: Make) -> None:
    toy = model()
    toy.feed(499)
    assert sensor(toy).poke({}) is False
    toy.feed(1)
    assert sensor(toy).poke({}) is True


def test_without_the_threshold_no_row_is_missing(model: Make) -> None:
    assert sensor(model(), ignore_threshold=True).poke({}) is True


def test_what_the_trigger_form_says_is_filled_in() -> None:
    assert NewRowsSensor.template_fields == ("spec", "ignore_threshold")


def test_a_source_that_is_not_as_the_spec_says_is_red_and_not_skipped(model: Make) -> None:
    toy = model(source={"table": "rows", "key": "id", "label": "lable", "features": ["a"]})
    with pytest.raises(SourceError, match="did you mean 'label'"):
        sensor(toy).execute({})


def test_a_database_without_our_tables_is_red_and_says_what_to_do(model: Make) -> None:
    toy = model()
    with toy.database.connect() as session:
        session.cursor().execute("DROP SCHEMA retrain CASCADE")
    with pytest.raises(StateError, match="run `retrain migrate`"):
        sensor(toy).execute({})


def test_the_ledger_may_be_behind_another_connection(model: Make, monkeypatch: pytest.MonkeyPatch) -> None:
    toy = model()
    toy.feed(500)
    monkeypatch.delenv("AIRFLOW_CONN_RETRAIN_STATE")
    monkeypatch.setenv("AIRFLOW_CONN_LEDGER", connection_to(toy.database))
    assert sensor(toy, state_conn_id="ledger").poke({}) is True
