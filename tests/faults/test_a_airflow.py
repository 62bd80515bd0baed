"""What is wrong with Production ends a run at `sense`, is not tried again, and is told once."""

from collections.abc import Callable
from types import SimpleNamespace
from typing import Any

import pytest
from airflow.sdk import RetryAction

from retrain.errors import ForeignProductionError, OtherVersionError, RetrainError
from retrain.tracker.client import ExperimentTracker
from retrain_airflow.dags import task_defaults
from retrain_airflow.notifiers.incident import IncidentNotifier
from retrain_airflow.operators.rollback import RollbackOperator
from retrain_airflow.sensors.new_rows import NewRowsSensor
from tests.airflow.conftest import Model, Ti, _hook, channel, first_tracker, model, tracker  # noqa: F401 - fixtures
from tests.faults import by_hand
from tests.inbox import Inbox

Make = Callable[..., Model]


def test_a_production_of_somebody_elses_stops_a_run_at_sense_and_is_told_once(
    model: Make,  # noqa: F811
    tracker: ExperimentTracker,  # noqa: F811
    channel: Inbox,  # noqa: F811
) -> None:
    """A1."""
    toy = model(channels=[{"webhook": "team"}])
    by_hand.register(tracker, toy.name, stage="Production", aliases=("champion",))
    sense = NewRowsSensor(task_id="sense", spec=toy.spec)
    toy.feed(400)
    assert not sense.poke({})  # MLflow is asked only when a cycle would begin
    toy.feed(200)
    for run_id in ("run 1", "run 2", "run 3"):
        with pytest.raises(ForeignProductionError, match="alias champion") as raised:
            sense.execute({})
        failed = {"ti": Ti(task_id="sense", run_id=run_id), "exception": raised.value}
        IncidentNotifier(spec=toy.spec)(failed)
    (headline,) = channel.headlines
    assert "version 1 (stage Production, alias champion)" in headline
    assert toy.ledger.last_consumed(toy.name) is None
    assert toy.ledger.kept_snapshots(toy.name) == []


def test_the_alias_of_the_spec_goes_through_the_hook(
    model: Make,  # noqa: F811
    tracker: ExperimentTracker,  # noqa: F811
) -> None:
    """A1."""
    toy = model(aliases={"production": "champion"})
    by_hand.register(tracker, toy.name, stage="Production", aliases=("champion",))
    toy.feed(600)
    with pytest.raises(ForeignProductionError, match="delete alias champion in MLflow"):
        NewRowsSensor(task_id="sense", spec=toy.spec).execute({})
    tracker._client.delete_registered_model_alias(toy.name, "champion")
    tracker.transition_model_stage(toy.name, "1", "Archived")
    assert NewRowsSensor(task_id="sense", spec=toy.spec).execute({})["why"] == "rows"


@pytest.mark.parametrize("error", [ForeignProductionError, OtherVersionError])
def test_what_a_person_must_decide_is_not_tried_again(error: type[RetrainError]) -> None:
    """A1, A3."""
    policy = task_defaults.RETRIES["retry_policy"]
    assert policy.evaluate(error("x"), 1, 9).action is RetryAction.FAIL


def test_a_rollback_dag_takes_the_version_that_can_be_proved_however_often_it_is_run(
    model: Make,  # noqa: F811
    tracker: ExperimentTracker,  # noqa: F811
) -> None:
    """A6. Where none can be proved, the error names each, and why."""
    toy = model()
    toy.feed(100)
    spec: Any = NewRowsSensor(task_id="sense", spec=toy.spec, ignore_threshold=True)
    spec.execute({})
    from retrain.cycle.snapshot import take_snapshot
    from retrain_airflow.hooks.retrain import RetrainHook

    hook = RetrainHook(toy.spec)
    take_snapshot(hook.spec, source=hook.source, snapshots=hook.snapshots, ledger=hook.ledger)
    from retrain.production.apply import apply

    for _ in range(2):
        version = by_hand.register(tracker, toy.name)
        tracker.set_production(toy.name, version)
        apply(toy.name, toy.ledger, tracker)
    operator = RollbackOperator(task_id="rollback", spec=toy.spec, why="x", by="kim")
    context = {"dag": SimpleNamespace(dag_id="retrain-rollback"), "run_id": "run 1"}
    for _ in range(2):
        with pytest.raises(RetrainError, match=r"no version before 2 can go back .*: version 1: .*adopt it"):
            operator.execute(context)
