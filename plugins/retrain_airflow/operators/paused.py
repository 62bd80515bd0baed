"""Which DAGs are paused, as a running task sees it."""

from airflow.sdk import Context
from airflow.sdk.exceptions import AirflowRuntimeError


def is_paused(context: Context, dag_id: str) -> bool:
    """Return whether a DAG is there and paused."""
    if not hasattr(context["ti"], "get_dag"):
        return False  # Airflow 3.1 does not tell a task
    try:
        return bool(context["ti"].get_dag(dag_id).is_paused)
    except AirflowRuntimeError:
        return False  # there is none: its spec was refused, which is told elsewhere
