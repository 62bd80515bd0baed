"""The sensor, against a real PostgreSQL and a real MLflow server."""

import json
from collections.abc import Callable

import pytest
from airflow.sdk.exceptions import AirflowSkipException

from retrain.errors import LedgerError, SourceError
from retrain_airflow.sensors.new_rows import NewRowsSensor
from tests.airflow.conftest import Model, connection_to

Make = Callable[..., Model]
# Before a cycle goes on, the sensor asks what is in Production.
pytestmark = pytest.mark.usefixtures("tracker")


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
    assert not sensor(toy).poke({})
    toy.feed(1)
    assert sensor(toy).poke({})


def test_without_the_threshold_no_row_is_missing(model: Make) -> None:
    assert sensor(model(), ignore_threshold=True).execute({})["why"] is None


@pytest.mark.parametrize(
    ("rows", "why", "says"),
    [
        (500, "rows", "At least 500 new labelled rows are there."),
        (60, "max_wait", "60 of 500 new labelled rows are there; after 7d without a cycle, 50 are enough."),
    ],
)
def test_log_and_xcom_say_which_threshold_lets_the_cycle_go_on(
    model: Make, capsys: pytest.CaptureFixture[str], rows: int, why: str, says: str
) -> None:
    # The rows that are fed were labelled in the past.
    toy = model(threshold={"rows": 500, "max_wait": "7d", "min_rows": 50})
    toy.feed(rows)
    found = sensor(toy).execute({})
    assert (found["new_rows"], found["why"]) == (rows, why)
    assert json.loads(json.dumps(found)) == found
    assert says in capsys.readouterr().out


def test_a_large_table_without_its_index_is_told_once_however_often_it_looks(
    model: Make, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("retrain.source.count_plan.MANY_ROWS", 10)
    toy = model()
    toy.feed(400)
    often = sensor(toy)
    for _ in range(3):
        often.poke({})
    assert capsys.readouterr().out.count("run CREATE INDEX CONCURRENTLY ON") == 1


def test_a_small_table_and_one_with_its_index_are_told_nothing(
    model: Make, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    toy = model()
    toy.feed(400)
    sensor(toy).poke({})
    monkeypatch.setattr("retrain.source.count_plan.MANY_ROWS", 10)
    with toy.database.connect() as session:
        session.cursor().execute("CREATE INDEX ON rows (labelled_at) WHERE label IS NOT NULL")
    sensor(toy).poke({})
    assert "CREATE INDEX" not in capsys.readouterr().out


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
    with pytest.raises(LedgerError, match="run `retrain migrate`"):
        sensor(toy).execute({})


def test_the_ledger_may_be_behind_another_connection(model: Make, monkeypatch: pytest.MonkeyPatch) -> None:
    toy = model(connections={"ledger": "ledger"})
    toy.feed(500)
    monkeypatch.delenv("AIRFLOW_CONN_RETRAIN_STATE")
    monkeypatch.setenv("AIRFLOW_CONN_LEDGER", connection_to(toy.database))
    assert sensor(toy).poke({})
