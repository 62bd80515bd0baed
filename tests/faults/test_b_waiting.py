"""A table that somebody has locked."""

import threading
import time
from collections.abc import Callable
from contextlib import closing
from datetime import timedelta
from types import SimpleNamespace
from typing import Any

import pytest
from airflow.dag_processing.dagbag import DagBag
from airflow.sdk import DAG
from airflow.sdk.exceptions import AirflowTaskTimeout
from airflow.sdk.execution_time.timeout import timeout

from retrain_airflow.hooks.postgres import Psycopg2Hook
from retrain_airflow.notifiers.incident import IncidentNotifier
from tests.airflow.conftest import DAG_FILE, Model, Ti, _hook, channel, connection_to, model  # noqa: F401 - fixtures
from tests.conftest import Database
from tests.inbox import Inbox

Make = Callable[..., Model]


def test_a_query_that_waits_for_a_lock_ends_when_the_tasks_time_is_over(
    database: Database, monkeypatch: pytest.MonkeyPatch
) -> None:
    """B6: Airflow's time-out alone does not end it."""
    monkeypatch.setenv("AIRFLOW_CONN_X", connection_to(database))
    with closing(database.connect()) as other:
        other.cursor().execute("CREATE TABLE t (a int)")
        other.commit()
        other.cursor().execute("LOCK TABLE t IN ACCESS EXCLUSIVE MODE")
        freed = threading.Timer(60, other.rollback)
        freed.start()
        began = time.monotonic()
        with pytest.raises(AirflowTaskTimeout), timeout(1), closing(Psycopg2Hook("x").get_conn()) as session:
            session.cursor().execute("SELECT * FROM t")
        assert time.monotonic() - began < 30
        freed.cancel()


def test_a_connection_that_is_closed_in_time_is_not_cancelled(
    database: Database, monkeypatch: pytest.MonkeyPatch
) -> None:
    """B6."""
    monkeypatch.setenv("AIRFLOW_CONN_X", connection_to(database))
    before = threading.active_count()
    with timeout(60), closing(Psycopg2Hook("x").get_conn()) as session:
        assert threading.active_count() == before + 1
        session.cursor().execute("SELECT 1")
    deadline = time.monotonic() + 10
    while threading.active_count() > before:
        assert time.monotonic() < deadline
    with closing(Psycopg2Hook("x").get_conn()):  # without a task, nothing ends it
        assert threading.active_count() == before


def test_every_task_has_a_longest_time(model: Make) -> None:  # noqa: F811
    """B6."""
    model(approval="person", workers={"longest": "2h"})
    dags: dict[str, DAG] = DagBag(DAG_FILE).dags
    times = {f"{name}.{task.task_id}": task.execution_timeout for name, dag in dags.items() for task in dag.tasks}
    waits_for_a_person = {"retrain_toy.ask", "retrain-refused-specs.refuse"}
    assert {name for name, longest in times.items() if longest is None} <= waits_for_a_person
    assert times["retrain_toy.sense"] == times["retrain-watch.watch"] == timedelta(minutes=15)
    long = ("snapshot", "check", "train", "evaluate")
    assert {times[f"retrain_toy.{name}"] for name in long} == {timedelta(hours=2)}


def test_the_team_is_told_that_a_task_took_too_long(model: Make, channel: Inbox) -> None:  # noqa: F811
    """B6."""
    toy = model(channels=[{"webhook": "team"}])
    ti: Any = Ti(task_id="sense", task=SimpleNamespace(execution_timeout=timedelta(minutes=15)))
    IncidentNotifier(spec=toy.spec).notify({"ti": ti, "exception": AirflowTaskTimeout("Timeout, PID: 7")})
    assert channel.headlines == [
        f"{toy.name}: task sense of run run 1 failed: it took longer than 0:15:00, which is the most that it may."
    ]
