"""Trials through the real scheduler: one that promotes, and one that is dropped."""

from collections.abc import Callable
from contextlib import closing

import psycopg2
import pytest
from playwright.sync_api import Page

from retrain.ledger.ledger import Ledger
from retrain.spec.files import SpecFile
from retrain.tracker.client import ExperimentTracker
from stack.airflow_api import AirflowApi, Task
from stack.local import Running
from tests.core import toys

TURNED, BACK = 1.2, -1.0
"""Of the boundary between the classes, in radians: what the second version learns, and the third."""


@pytest.mark.nightly  # core/live/test_trial.py has them without a scheduler
def test_a_trial_promotes_and_another_is_dropped(
    stack: Running,
    api: AirflowApi,
    ledger: Ledger,
    add_model: Callable[..., SpecFile],
    follow: Callable[..., list[Task]],
    tracker: ExperimentTracker,
    open_page: Callable[[str], Page],
) -> None:
    gate = {"metric": "accuracy", "floor": 0.5, "round_rows": 100}  # the third version learns two kinds of rows at once
    file = add_model(trial={"max_rows": 4000, "when": "always"}, gate=gate)
    model, source = file.spec.model, file.spec.source.table
    first = 10_000

    def rows(count: int, turn: float, *, now: bool = False) -> None:
        nonlocal first
        with closing(psycopg2.connect(stack.dsn("source"))) as database, database:
            toys.insert(database, source, count, first=first, turn=turn)
            if now:
                statement = f"UPDATE {source} SET labelled_at = clock_timestamp() WHERE id >= {first}"
                database.cursor().execute(statement)
        first += count

    def looked() -> str | None:
        with closing(psycopg2.connect(stack.dsn("retrain"))) as database, database:
            database.cursor().execute("DELETE FROM retrain.live_models WHERE model = %s", (model,))
        follow("retrain-watch", api.trigger("retrain-watch"))
        (*_, (_, end)) = ledger.trials(model)
        return end.outcome if end else None

    def until_it_ends(turn: float) -> str | None:
        for _ in range(4):
            rows(600, turn, now=True)
            if (outcome := looked()) is not None:
                return outcome
        return None

    follow(file.dag_id, api.trigger(file.dag_id, ignore_threshold=True))
    rows(3000, TURNED)
    follow(file.dag_id, api.trigger(file.dag_id, ignore_threshold=True))
    assert (tracker.production(model), len(ledger.open_trials(model))) == ("1", 1)
    rows(150, TURNED, now=True)
    if looked() is None:
        card = open_page("/plugin/retrain").get_by_role("article", name=model)
        card.get_by_text("Trial of version 2 against 1").wait_for(timeout=60_000)
        assert tracker.staging(model) == "2"
        assert until_it_ends(TURNED) == "promoted"
    assert tracker.production(model) == "2"

    rows(4000, BACK)
    follow(file.dag_id, api.trigger(file.dag_id, ignore_threshold=True))
    assert (tracker.production(model), len(ledger.open_trials(model))) == ("2", 1)
    assert until_it_ends(TURNED) == "dropped"
    assert (tracker.production(model), tracker.staging(model)) == ("2", None)
    page = open_page("/plugin/retrain")
    page.get_by_role("article", name=model).get_by_text("It has ended, dropped").wait_for(timeout=60_000)
