"""The DAG `retrain-watch`: it notices, for all specs, what no cycle would."""

from datetime import timedelta
from pathlib import Path

from airflow.providers.standard.operators.trigger_dagrun import TriggerDagRunOperator
from airflow.sdk import DAG

from retrain_airflow.compat import CronTriggerTimetable
from retrain_airflow.dags import task_defaults, task_docs
from retrain_airflow.operators.due import DueOperator
from retrain_airflow.operators.look import LookOperator
from retrain_airflow.operators.watch import WatchOperator

_AT_ONCE = 2
"""Models whose later rows are scored together: each takes a process that predicts."""


def watch_dag(folder: Path | None) -> DAG:
    """Return the DAG. folder: of the spec files; None if it is not named."""
    with DAG(
        "retrain-watch",  # a hyphen: no spec can make a DAG of this name
        description="Notices what no cycle would, for every model",
        doc_md=task_docs.WATCH_DAG,
        # Between the ticks of most schedules. It has no start_date, so that it never runs at once: an Airflow that has
        # just started has better things to do.
        schedule=CronTriggerTimetable("5-59/10 * * * *", timezone="UTC", run_immediately=timedelta(0)),
        catchup=False,
        max_active_runs=1,
        # Paused, it would notice nothing, and nobody would notice that. A model whose own DAG is paused is passed over.
        is_paused_upon_creation=False,
        auto_register=False,
        tags=["retrain"],
    ) as dag:
        # No retries: the next run comes soon.
        WatchOperator(
            task_id="watch",
            doc_md=task_docs.WATCH,
            specs=None if folder is None else str(folder),
            retries=0,
            execution_timeout=task_defaults.LOOKING,
        )
        due = DueOperator(
            task_id="due",
            doc_md=task_docs.DUE,
            specs=None if folder is None else str(folder),
            retries=0,
            execution_timeout=task_defaults.LOOKING,
        )
        # It tells the model's team itself: each part is of another spec.
        look = LookOperator.partial(
            task_id="look",
            doc_md=task_docs.LOOK,
            retries=0,
            execution_timeout=task_defaults.LOOKING,
            max_active_tis_per_dag=_AT_ONCE,
            map_index_template="{{ task.spec }}",
        ).expand(spec=due.output)
        TriggerDagRunOperator.partial(
            task_id="start",
            doc_md=task_docs.START,
            retries=0,
            execution_timeout=task_defaults.LOOKING,
            # The look finds the same alarm again until the next cohort has closed, and names the same run.
            skip_when_already_exists=True,
        ).expand_kwargs(look.output)
    return dag
