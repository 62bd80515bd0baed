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

TURNED = 1.2
"""Of the boundary between the classes, in radians, in the rows from which the second version learns as well."""


@pytest.mark.nightly  # core/live/test_trial.py has them without a scheduler
@pytest.mark.parametrize(("turn", "outcome"), [(TURNED, "promoted"), (0.0, "dropped")], ids=["promoted", "dropped"])
def test_a_trial_concludes_by_later_labels(
    stack: Running,
    api: AirflowApi,
    ledger: Ledger,
    add_model: Callable[..., SpecFile],
    follow: Callable[..., list[Task]],
    tracker: ExperimentTracker,
    open_page: Callable[[str], Page],
    turn: float,
    outcome: str,
) -> None:
    file = add_model(trial={"max_rows": 4000, "when": "always"})
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

    follow(file.dag_id, api.trigger(file.dag_id, ignore_threshold=True))
    rows(3000, TURNED)
    follow(file.dag_id, api.trigger(file.dag_id, ignore_threshold=True))
    assert (tracker.production(model), len(ledger.open_trials(model))) == ("1", 1)
    for _ in range(5):
        rows(300, turn, now=True)
        if (ended := looked()) is not None:
            break
        assert tracker.staging(model) == "2"
    assert ended == outcome
    assert tracker.production(model) == ("2" if outcome == "promoted" else "1")
    assert outcome == "promoted" or tracker.staging(model) is None
    card = open_page("/plugin/retrain").get_by_role("article", name=model)
    card.get_by_text(f"It has ended, {outcome}").wait_for(timeout=60_000)
