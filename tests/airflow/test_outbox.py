"""dags/outbox.py as Airflow reads it."""

from airflow.dag_processing.dagbag import DagBag

from stack.home import PROJECT


def test_one_dag_sends_every_minute_and_is_not_paused() -> None:
    bag = DagBag(PROJECT / "dags" / "outbox.py")
    assert bag.import_errors == {}
    (dag,) = bag.dags.values()
    assert dag.dag_id == "retrain-outbox"
    assert dag.is_paused_upon_creation is False
    assert [task.task_id for task in dag.tasks] == ["send"]
