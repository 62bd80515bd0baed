"""The DAG `watch_<spec>`: what no cycle would notice, every ten minutes."""

from collections.abc import Callable
from datetime import timedelta

from airflow.dag_processing.dagbag import DagBag
from airflow.sdk import CronTriggerTimetable

from retrain.tracker.client import ExperimentTracker
from retrain_airflow.notifiers.incident import IncidentNotifier
from retrain_airflow.notifiers.recovery import RecoveryNotifier
from retrain_airflow.operators.watch import WatchOperator
from tests.airflow.conftest import DAG_FILE, Model

Make = Callable[..., Model]


def test_each_spec_is_watched_by_a_dag_that_nobody_has_to_switch_on(model: Make) -> None:
    model()
    dag = DagBag(DAG_FILE).dags["watch_toy"]
    assert dag.is_paused_upon_creation is False
    every_ten_minutes = CronTriggerTimetable("5-59/10 * * * *", timezone="UTC", run_immediately=timedelta(0))
    assert (dag.schedule, dag.start_date) == (every_ten_minutes, None)
    assert (dag.max_active_runs, dag.catchup) == (1, False)
    (task,) = dag.tasks
    assert task.doc_md
    assert isinstance(task.on_failure_callback[0], IncidentNotifier)
    assert isinstance(task.on_success_callback[0], RecoveryNotifier)


def test_what_is_wrong_is_given_told_once_and_its_end_too(model: Make, tracker: ExperimentTracker) -> None:
    toy = model(watch={"silence": "3d"})
    toy.feed(10)  # labelled long ago
    watch = WatchOperator(task_id="watch", spec=toy.spec)
    for _ in range(2):
        (fault,) = watch.execute({})
        assert fault["name"] == "watch/silence"
    assert [each.headline for each in toy.waiting()] == [f"{toy.name}: no labelled row has arrived for 3d."]
    with toy.database.connect() as session:
        session.cursor().execute("UPDATE rows SET labelled_at = now()")
    assert watch.execute({}) == []
    (over,) = toy.waiting()
    assert "recovered" in over.headline
