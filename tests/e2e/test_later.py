"""Production decays, through the real scheduler: it is noticed, told, retrained, and over."""

from collections.abc import Callable
from contextlib import closing
from datetime import UTC, datetime, timedelta

import psycopg2
import pytest

from retrain.spec.files import SpecFile
from retrain.tracker.client import ExperimentTracker
from stack.airflow_api import AirflowApi, Task
from stack.local import Running
from tests.core import toys
from tests.inbox import Inbox

DAY = timedelta(days=1)
GOOD, BAD = range(8, 3, -1), range(3, 0, -1)
"""How many days ago the boundary between the classes was the one that was learnt, and another."""


@pytest.mark.nightly  # core/live/ has the looks without a scheduler, airflow/test_look.py the tasks
def test_a_decay_is_noticed_told_retrained_and_over(
    stack: Running,
    api: AirflowApi,
    inbox: Inbox,
    add_model: Callable[..., SpecFile],
    follow: Callable[..., list[Task]],
    eventually: Callable[..., None],
    tracker: ExperimentTracker,
) -> None:
    file = add_model(watch={"cohort": "1d", "on_decay": "retrain"}, channels=[{"webhook": "team"}])
    model, source = file.spec.model, file.spec.source.table
    follow(file.dag_id, api.trigger(file.dag_id, ignore_threshold=True))
    today = datetime.now(UTC).replace(hour=0, minute=0, second=0, microsecond=0)
    with closing(psycopg2.connect(stack.dsn("retrain"))) as database, database:
        database.cursor().execute(
            "UPDATE retrain.promotions SET applied_at = %s WHERE model = %s", (today - 9 * DAY, model)
        )
    first = 10_000
    with closing(psycopg2.connect(stack.dsn("source"))) as database, database:
        for ago in (*GOOD, *BAD):
            rows, turn = (400, 0.0) if ago in GOOD else (1500, 0.8)
            start = today - ago * DAY - timedelta(seconds=first)
            toys.insert(database, source, rows, first=first, turn=turn, start=start)
            first += rows

    def told(what: str) -> bool:
        return any(each.startswith(f"{model}: ") and what in each for each in inbox.headlines)

    watch = follow("retrain-watch", api.trigger("retrain-watch"))
    assert {each.state for each in watch if each.id in ("due", "look", "start")} == {"success"}
    eventually(lambda: told("does worse than was promised"), 60)
    run = f"decay__{today:%Y-%m-%dT%H:%M:%S}"
    eventually(lambda: run in dict(api.runs(file.dag_id)), 60)
    follow(file.dag_id, run)
    assert tracker.production(model) == "2"

    with closing(psycopg2.connect(stack.dsn("retrain"))) as database, database:
        database.cursor().execute("DELETE FROM retrain.live_models WHERE model = %s", (model,))
    follow("retrain-watch", api.trigger("retrain-watch"))
    eventually(lambda: told("recovered. It was: version 1"), 60)
    assert [each for each, _ in api.runs(file.dag_id) if each.startswith("decay__")] == [run]
