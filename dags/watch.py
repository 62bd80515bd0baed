"""One DAG `watch_<spec>` for each spec file: notices what no cycle would."""

from contextlib import suppress
from datetime import timedelta

from airflow.sdk import DAG, CronTriggerTimetable

from retrain.spec import files as spec_files
from retrain.spec.files import SpecFile
from retrain_airflow import on_call, task_defaults
from retrain_airflow.operators.watch import WatchOperator


def watch(file: SpecFile) -> DAG:
    spec, path = file.spec, str(file.path)
    with DAG(
        f"watch_{file.path.stem}",
        description=f"Notices what no cycle would: {spec.model}",
        doc_md=on_call.WATCH_DAG.format(model=spec.model),
        # Between the ticks of most schedules, and without a start_date never at once: an Airflow that has just started
        # has better things to do.
        schedule=CronTriggerTimetable("5-59/10 * * * *", timezone="UTC", run_immediately=timedelta(0)),
        catchup=False,
        max_active_runs=1,
        # Paused, it would notice nothing, and nobody would notice that.
        is_paused_upon_creation=False,
        auto_register=False,
        tags=["retrain", spec.model[:100]],
        default_args=task_defaults.of(path),
    ) as dag:
        WatchOperator(task_id="watch", doc_md=on_call.WATCH, spec=path)
    dag.validate()  # type: ignore[no-untyped-call]
    return dag


for file in spec_files.load_folder(spec_files.folder()).files:
    # A spec that makes no DAG is told by refused.py.
    with suppress(Exception):
        globals()[f"watch_{file.path.stem}"] = watch(file)
