"""The DAG `retrain-watch`: what no cycle would notice, every ten minutes, of every model."""

import time
from collections.abc import Callable
from datetime import timedelta
from types import SimpleNamespace
from typing import Any

import pytest
import yaml
from airflow.dag_processing.dagbag import DagBag
from airflow.sdk import CronTriggerTimetable
from airflow.sdk.exceptions import AirflowSkipException

from retrain.errors import RetrainError
from retrain.tracker.client import ExperimentTracker
from retrain_airflow.operators.watch import WatchOperator
from tests.airflow.conftest import DAG_FILE, Model, Ti, toy_spec
from tests.inbox import Inbox

Make = Callable[..., Model]
TEAM = [{"webhook": "team"}]


class Watching(Ti):
    """The task instance of a run of `retrain-watch`, which knows what is paused."""

    paused: tuple[str, ...] = ()

    def get_dag(self, dag_id: str) -> Any:
        return SimpleNamespace(is_paused=dag_id in self.paused)


def look(model: Model, run: int = 1, paused: tuple[str, ...] = (), **how: Any) -> dict[str, list[dict[str, Any]]]:
    ti = Watching(dag_id="retrain-watch", task_id="watch", run_id=f"run {run}")
    ti.paused = paused
    watch = WatchOperator(task_id="watch", specs=str(model.path.parent), **how)
    return watch.execute({"ti": ti})  # type: ignore[typeddict-item]


def beside(model: Model, name: str, **fields: Any) -> str:
    """Write one more spec beside that of the model; return the name of its model."""
    spec = toy_spec(**fields)
    (model.path.parent / f"{name}.yaml").write_text(yaml.safe_dump(spec))
    return str(spec["model"])


def test_all_specs_are_watched_by_one_dag_that_nobody_has_to_switch_on(model: Make) -> None:
    model()
    dag = DagBag(DAG_FILE).dags["retrain-watch"]
    assert dag.is_paused_upon_creation is False
    every_ten_minutes = CronTriggerTimetable("5-59/10 * * * *", timezone="UTC", run_immediately=timedelta(0))
    assert (dag.schedule, dag.start_date) == (every_ten_minutes, None)
    assert (dag.max_active_runs, dag.catchup) == (1, False)
    for task in dag.tasks:
        assert task.doc_md
        assert task.retries == 0


def test_what_is_wrong_is_given_told_once_and_its_end_too(
    model: Make, tracker: ExperimentTracker, channel: Inbox
) -> None:
    toy = model(watch={"silence": "3d"}, channels=TEAM)
    toy.feed(10)  # labelled long ago
    for _ in range(2):
        (fault,) = look(toy)[toy.name]
        assert fault["name"] == "watch/silence"
    assert channel.headlines == [f"{toy.name}: no labelled row has arrived for 3d."]
    with toy.database.connect() as session:
        session.cursor().execute("UPDATE rows SET labelled_at = now()")
    assert look(toy) == {}
    assert "recovered" in channel.headlines[1]


def test_a_spec_that_cannot_be_looked_at_is_told_to_its_own_team_and_the_others_are_looked_at(
    model: Make, tracker: ExperimentTracker, channel: Inbox, monkeypatch: pytest.MonkeyPatch
) -> None:
    toy = model(watch={"silence": "3d"})
    toy.feed(10)
    source = {**toy_spec()["source"], "table": "no_rows"}
    other = beside(toy, "other", source=source, watch={"silence": "3d"}, channels=TEAM)
    for run in (1, 2):
        with pytest.raises(RetrainError) as missed:
            look(toy, run)
        first, second = str(missed.value).splitlines()
        assert first == "these could not be looked at:"
        assert second.startswith(f"{other} (other.yaml): no_rows: ")
    assert [each.headline for each in toy.waiting()] == []  # the log alone is its channel: it was told there
    assert toy.ledger.models_waiting() == set()
    first, second = channel.headlines
    assert first.startswith(f"{other}: DAG retrain-watch cannot look at this model: no_rows: ")
    assert "(2 times since " in second
    with toy.database.connect() as session:
        session.cursor().execute("CREATE TABLE no_rows AS SELECT * FROM rows")
    assert set(look(toy, 3)) == {toy.name, other}
    assert [each for each in channel.headlines[2:] if "recovered. It was: DAG retrain-watch" in each]


def test_a_spec_that_takes_too_long_is_left_and_the_others_are_looked_at(
    model: Make, tracker: ExperimentTracker
) -> None:
    toy = model(watch={"silence": "3d"})
    toy.feed(10)
    (toy.path.parent / "slow.sql").write_text(
        "WITH slept AS MATERIALIZED (SELECT pg_sleep(60)) SELECT rows.* FROM rows, slept"
    )
    slow = {name: value for name, value in toy_spec()["source"].items() if name != "table"} | {"query": "slow.sql"}
    other = beside(toy, "other", source=slow, watch={"silence": "3d"})
    began = time.monotonic()
    with pytest.raises(
        RetrainError, match=f"{other} \\(other.yaml\\): .*(it took longer than 2 s|canceling statement)"
    ):
        look(toy, longest=2)
    assert time.monotonic() - began < 30
    assert toy.ledger.models_waiting() == set()
    with toy.database.connect() as session, session.cursor() as cursor:
        cursor.execute("SELECT model, name FROM retrain.faults ORDER BY name")
        assert [model for model, _ in cursor.fetchall()] == [other, toy.name]
    while _asleep(toy):  # its query is cancelled: it does not go on for its 60 s
        assert time.monotonic() - began < 30


def _asleep(model: Model) -> bool:
    with model.database.connect() as session, session.cursor() as cursor:
        cursor.execute(
            "SELECT count(*) FROM pg_stat_activity WHERE datname = current_database() AND wait_event = 'PgSleep'"
        )
        return bool(cursor.fetchone()[0])


def test_where_the_time_is_over_those_that_were_not_looked_at_are_named(
    model: Make, tracker: ExperimentTracker
) -> None:
    toy = model()
    with pytest.raises(RetrainError, match=f"{toy.name} \\(toy.yaml\\): no time was left for it"):
        look(toy, altogether=0)


def test_a_paused_model_is_passed_over(model: Make, tracker: ExperimentTracker) -> None:
    toy = model(watch={"silence": "3d"})
    toy.feed(10)
    other = beside(toy, "other", watch={"silence": "3d"})
    assert set(look(toy, paused=("retrain_toy",))) == {other}
    with pytest.raises(AirflowSkipException):
        look(toy, paused=("retrain_toy", "retrain_other"))
