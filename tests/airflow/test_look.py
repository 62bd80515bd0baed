"""The tasks `due` and `look` of the DAG `retrain-watch`: how Production does on later rows."""

from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from airflow.dag_processing.dagbag import DagBag

from retrain.cycle.evaluate import evaluate
from retrain.cycle.promote import promote
from retrain.cycle.snapshot import take_snapshot
from retrain.cycle.train import train
from retrain.errors import EstimatorError
from retrain.tracker.client import ExperimentTracker
from retrain_airflow.hooks.retrain import RetrainHook
from retrain_airflow.operators.due import DueOperator
from retrain_airflow.operators.look import LookOperator
from tests.airflow.conftest import DAG_FILE, Model, Ti
from tests.core import toys
from tests.inbox import Inbox

Make = Callable[..., Model]
WEEK = timedelta(days=7)
pytestmark = pytest.mark.usefixtures("tracker")


def in_production(toy: Model) -> None:
    """Put version 1 there, ten weeks ago."""
    toy.feed(2000)
    hook = RetrainHook(toy.spec)
    cycle = hook.cycle_of("retrain_toy", "run 1")
    snapshot = take_snapshot(hook.spec, source=hook.source, snapshots=hook.snapshots, ledger=hook.ledger)
    candidates = [train(cycle, snapshot, each.name) for each in hook.spec.candidates]
    promote(cycle, evaluate(cycle, snapshot, candidates, dry_run=False))
    sql(toy, "UPDATE retrain.promotions SET applied_at = now() - interval '70 days'")
    toy.waiting()


def labelled(toy: Model, rows: int, weeks_ago: int, turn: float = 0.0) -> None:
    monday = datetime(1970, 1, 5, tzinfo=UTC)
    begins = monday + ((datetime.now(UTC) - monday) // WEEK - weeks_ago) * WEEK
    first = 10_000 * (weeks_ago + 1)
    with toy.database.connect() as session:
        toys.insert(session, "rows", rows, first=first, turn=turn, start=begins - timedelta(seconds=first))


def sql(toy: Model, statement: str) -> None:
    with toy.database.connect() as session:
        session.cursor().execute(statement)


def due(toy: Model) -> list[str]:
    return DueOperator(task_id="due", specs=str(toy.path.parent)).execute({"ti": Ti()})  # type: ignore[typeddict-item]


def look(toy: Model, run: int = 1) -> dict[str, Any] | None:
    ti = Ti(dag_id="retrain-watch", task_id="look", run_id=f"run {run}", map_index=0)
    return LookOperator(task_id="look", spec=toy.spec).execute({"ti": ti})  # type: ignore[typeddict-item]


def test_a_model_is_due_when_it_is_in_production_and_again_a_day_later(model: Make) -> None:
    toy = model()
    assert due(toy) == []
    in_production(toy)
    assert due(toy) == [toy.spec]
    assert look(toy) is None
    assert due(toy) == []
    sql(toy, "UPDATE retrain.live_models SET looked_at = now() - interval '1 day'")
    assert due(toy) == [toy.spec]


@pytest.mark.parametrize("fields", [{"watch": {"cohort": None}}, {"label_time": None}])
def test_a_model_without_cohorts_is_never_due(model: Make, fields: dict[str, Any]) -> None:
    source = {"table": "rows", "key": "id", "label": "label", "features": ["a", "b"]}
    toy = model(**({"source": source} if "label_time" in fields else fields))
    in_production(toy)
    assert due(toy) == []


def test_a_decay_is_told_and_names_the_run_that_is_to_start(model: Make, channel: Inbox) -> None:
    toy = model(channels=[{"webhook": "team"}], watch={"on_decay": "retrain"})
    in_production(toy)
    for ago in (4, 3, 2, 1):
        labelled(toy, 300, ago, turn=0.9)
    first, second = look(toy, 1), look(toy, 2)
    assert first == second
    assert first is not None
    assert first["trigger_dag_id"] == "retrain_toy"
    assert first["trigger_run_id"].startswith("decay__")
    assert first["conf"]["ignore_threshold"] is True
    told = [each for each in channel.headlines if "does worse than was" in each]
    assert len(told) == 2  # a scan each, once


def test_what_cannot_be_looked_at_is_told_to_the_models_team_until_it_can(
    model: Make, channel: Inbox, monkeypatch: pytest.MonkeyPatch
) -> None:
    toy = model(channels=[{"webhook": "team"}])
    in_production(toy)
    labelled(toy, 100, 1)

    def gone(*_: object) -> None:
        raise EstimatorError("its files are gone; restore them")

    with monkeypatch.context() as patch:
        patch.setattr(ExperimentTracker, "download_model", gone)
        with pytest.raises(EstimatorError, match=r"^version 1: its files are gone; restore them$"):
            look(toy)
    (headline,) = channel.headlines
    assert headline.startswith(f"{toy.name}: how Production does on later rows cannot be seen: version 1: its files")
    look(toy, 2)
    assert channel.headlines[-1].startswith(f"{toy.name}: recovered.")


def test_each_spec_that_is_due_has_a_part_of_its_own_and_a_run_starts_once(model: Make) -> None:
    model()
    dag = DagBag(DAG_FILE).dags["retrain-watch"]
    tasks = {each.task_id: each for each in dag.tasks}
    assert {*tasks} == {"watch", "due", "look", "start"}
    assert tasks["look"].upstream_task_ids == {"due"}
    assert tasks["start"].upstream_task_ids == {"look"}
    assert all(each.doc_md for each in tasks.values())
    assert tasks["start"].partial_kwargs["skip_when_already_exists"] is True  # type: ignore[union-attr]
