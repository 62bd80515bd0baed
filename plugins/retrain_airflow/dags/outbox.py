"""The DAG `retrain-outbox`: it sends again what a channel did not accept, for all specs, when that is due."""

from collections.abc import Sequence
from datetime import timedelta
from pathlib import Path

from airflow.sdk import DAG

from retrain_airflow import assets
from retrain_airflow.compat import AssetOrTimeSchedule, CronTriggerTimetable
from retrain_airflow.dags import task_docs
from retrain_airflow.operators.send_outbox import SendOutboxOperator


def outbox_dag(folder: Path | None, ledgers: Sequence[str]) -> DAG:
    """Return the DAG.

    folder: of the spec files; None if it is not named. ledgers: the connections to those that the specs name.
    """
    with DAG(
        "retrain-outbox",  # a hyphen: no spec can make a DAG of this name
        description="Sends announcements again that a channel has not accepted",
        doc_md=task_docs.OUTBOX,
        # Every hour as well: an event may be lost, and an Airflow may have no triggerer. Like `retrain-watch`, it does
        # not run at once in an Airflow that has just started.
        schedule=AssetOrTimeSchedule(
            timetable=CronTriggerTimetable("17 * * * *", timezone="UTC", run_immediately=timedelta(0)),
            assets=[assets.messages_due(ledgers)],
        ),
        catchup=False,
        max_active_runs=1,
        # Paused, it would keep back what is sent while a channel is down, and nobody would hear of it.
        is_paused_upon_creation=False,
        dagrun_timeout=timedelta(minutes=30),
        auto_register=False,
        tags=["retrain"],
    ) as dag:
        # No retries: what is still due wakes it again.
        SendOutboxOperator(
            task_id="send",
            doc_md=task_docs.OUTBOX_SEND,
            specs=None if folder is None else str(folder),
            retries=0,
            execution_timeout=timedelta(minutes=30),
        )
    return dag
