"""Processes of a cycle are killed; the run still ends as if nothing had happened."""

import os
import signal
from collections.abc import Callable
from contextlib import closing

import psycopg2
import pytest

from retrain.spec.files import SpecFile
from retrain.tracker.client import ExperimentTracker
from stack import local
from stack.airflow_api import AirflowApi, Task
from stack.local import Running
from tests.once import assert_once
from tests.tap import Tap


@pytest.fixture
def kill_scheduler(stack: Running, eventually: Callable[..., None]) -> Callable[[], None]:
    def scheduler() -> tuple[int, bool]:
        ((state, fault),) = [each for each in local.status(stack.home) if each[0].name == "scheduler"]
        return state.pid, state.state == "RUNNING" and fault is None

    def kill() -> None:
        victim, _ = scheduler()
        os.kill(victim, signal.SIGKILL)
        eventually(lambda: scheduler()[0] not in (0, victim) and scheduler()[1], 120)

    return kill


@pytest.mark.soak  # core/production/test_apply.py and core/ledger/test_claims.py have kills without a scheduler
def test_a_cycle_whose_processes_are_killed_ends_as_if_nothing_had_happened(
    stack: Running,
    api: AirflowApi,
    tap: Tap,
    add_model: Callable[..., SpecFile],
    follow: Callable[..., list[Task]],
    clear: Callable[..., None],
    kill_scheduler: Callable[[], None],
    tracker: ExperimentTracker,
) -> None:
    file = add_model()
    # MLflow has made the model, but the client has no response.
    with tap.hold("POST", "/mlflow/logged-models", '"half"', after=True) as held:
        run = api.trigger(file.dag_id, ignore_threshold=True)
        held.process().kill()
    clear(file.dag_id, run, "train")
    # The scheduler dies, and with it the tasks that it runs; the next one adopts them.
    with tap.hold("POST", "/model-versions/create", file.spec.model, after=True) as held:
        held.process()
        kill_scheduler()
    # The alias is set, but the client has no response.
    with tap.hold("POST", "/registered-models/alias", file.spec.model, after=True) as held:
        held.process().kill()
    clear(file.dag_id, run, "promote")
    follow(file.dag_id, run)

    def query(statement: str) -> list[tuple[str, ...]]:
        with closing(psycopg2.connect(stack.dsn("retrain"))) as database, database.cursor() as cursor:
            cursor.execute(statement)
            return cursor.fetchall()

    assert_once(tracker, file.spec.model, 2, query)
