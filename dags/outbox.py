"""One DAG `retrain-outbox`: what a channel did not take at once is sent again, every minute, for all specs."""

from datetime import UTC, datetime, timedelta

from airflow.sdk import DAG

from retrain.spec import files as spec_files
from retrain_airflow import on_call
from retrain_airflow.operators.send_outbox import SendOutboxOperator

# A hyphen: no spec can make a DAG of this name.
with DAG(
    "retrain-outbox",
    description="Sends announcements again that a channel has not taken",
    doc_md=on_call.OUTBOX,
    schedule=timedelta(minutes=1),
    start_date=datetime(2026, 1, 1, tzinfo=UTC),
    catchup=False,
    max_active_runs=1,
    # Paused, it would lose what is told while a channel is down, and nobody would hear of it.
    is_paused_upon_creation=False,
    dagrun_timeout=timedelta(minutes=30),
    tags=["retrain"],
):
    # No retries: the next run is a minute away.
    SendOutboxOperator(task_id="send", doc_md=on_call.OUTBOX_SEND, specs=str(spec_files.folder()), retries=0)
