"""The DAG `retrain-refused-specs`: it is there, and fails, as long as a spec makes no DAG.

Why not an import error: Airflow records one for the whole file, and neither schedules nor starts any DAG of a file that
has one (`_update_import_errors` in airflow/dag_processing/collection.py, 3.3.2). One broken spec would stop all models.
"""

from collections.abc import Sequence
from datetime import UTC, datetime, timedelta

from airflow.sdk import DAG

from retrain_airflow.dags import task_docs
from retrain_airflow.operators.refuse import RefuseOperator

REFUSED = "retrain-refused-specs"  # a hyphen: no spec can make a DAG of this name


def refused_dag(faults: Sequence[str]) -> DAG:
    """Return the DAG. faults: one message for each spec that makes no DAG."""
    with DAG(
        REFUSED,
        description=f"Specs that make no DAG: {len(faults)}. The first: {faults[0]}"[:1000],
        doc_md=task_docs.REFUSED_DAG.format(faults="\n\n".join(_code_block(fault) for fault in faults)),
        schedule=timedelta(hours=1),
        start_date=datetime(2026, 1, 1, tzinfo=UTC),
        catchup=False,
        max_active_runs=1,
        # Paused, it would not turn red.
        is_paused_upon_creation=False,
        auto_register=False,
        tags=["retrain"],
    ) as dag:
        RefuseOperator(task_id="refuse", doc_md=task_docs.REFUSED, faults=list(faults), retries=0)
    return dag


def _code_block(fault: str) -> str:
    """Return the message as Markdown shows it verbatim; it may hold any text of a spec."""
    return "\n".join(f"    {line}" for line in fault.splitlines())
