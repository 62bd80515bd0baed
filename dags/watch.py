"""One DAG `watch_<spec>` for each spec file: notices what no cycle would."""

from contextlib import suppress
from datetime import UTC, datetime, timedelta

from airflow.sdk import DAG

from retrain import spec_files
from retrain.spec_files import SpecFile
from retrain_airflow import on_call, retrying
from retrain_airflow.notifiers.incident import IncidentNotifier
from retrain_airflow.notifiers.recovery import RecoveryNotifier
from retrain_airflow.operators.watch import WatchOperator


def watch(file: SpecFile) -> DAG:
    spec, path = file.spec, str(file.path)
    with DAG(
        f"watch_{file.path.stem}",
        description=f"Notices what no cycle would: {spec.model}",
        doc_md=on_call.WATCH_DAG.format(model=spec.model),
        schedule=timedelta(minutes=10),
        start_date=datetime(2026, 1, 1, tzinfo=UTC),
        catchup=False,
        max_active_runs=1,
        # Paused, it would notice nothing, and nobody would notice that.
        is_paused_upon_creation=False,
        auto_register=False,
        tags=["retrain", spec.model[:100]],
        default_args={
            **retrying.DEFAULT_ARGS,
            "on_failure_callback": IncidentNotifier(spec=path),
            "on_success_callback": RecoveryNotifier(spec=path),
        },
    ) as dag:
        WatchOperator(task_id="watch", doc_md=on_call.WATCH, spec=path)
    dag.validate()  # type: ignore[no-untyped-call]
    return dag


for file in spec_files.load_folder(spec_files.folder()).files:
    # A spec that makes no DAG is told by refused.py.
    with suppress(Exception):
        globals()[f"watch_{file.path.stem}"] = watch(file)
