"""Which DAGs are paused, as a running task sees it."""

from airflow.sdk import Context
from airflow.sdk.exceptions import AirflowRuntimeError


def is_paused(context: Context, dag_id: str) -> bool:
    """Return whether a DAG is there and paused."""
    try:
        return bool(context["ti"].get_dag(dag_id).is_paused)
    except AirflowRuntimeError:
        return False  # there is none: its spec was refused, which is told elsewhere
