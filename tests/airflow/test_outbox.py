"""The DAG `retrain-outbox`."""

from airflow.dag_processing.dagbag import DagBag

from tests.airflow.conftest import DAG_FILE


def test_one_dag_sends_every_minute_and_is_not_paused() -> None:
    dag = DagBag(DAG_FILE).dags["retrain-outbox"]
    assert dag.is_paused_upon_creation is False
    assert [task.task_id for task in dag.tasks] == ["send"]
