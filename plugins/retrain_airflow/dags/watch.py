"""The DAG `watch_<spec>`: it notices what no cycle would."""

from datetime import timedelta

from airflow.sdk import DAG

from retrain.spec.files import SpecFile
from retrain_airflow.compat import CronTriggerTimetable
from retrain_airflow.dags import task_defaults, task_docs
from retrain_airflow.operators.watch import WatchOperator


def watch_dag(file: SpecFile) -> DAG:
    """Return the DAG of a spec. Raises an error of Airflow's where the file's name makes no DAG id."""
    spec, path = file.spec, str(file.path)
    with DAG(
        f"watch_{file.path.stem}",
        description=f"Notices what no cycle would: {spec.model}",
        doc_md=task_docs.WATCH_DAG.format(model=spec.model),
        # Between the ticks of most schedules. It has no start_date, so that it never runs at once: an Airflow that has
        # just started has better things to do.
        schedule=CronTriggerTimetable("5-59/10 * * * *", timezone="UTC", run_immediately=timedelta(0)),
        catchup=False,
        max_active_runs=1,
        # Paused, it would notice nothing, and nobody would notice that. While the model's own DAG is paused, it does
        # nothing.
        is_paused_upon_creation=False,
        auto_register=False,
        tags=["retrain", spec.model[:100]],
        default_args=task_defaults.of_model(path),
    ) as dag:
        WatchOperator(
            task_id="watch",
            doc_md=task_docs.WATCH,
            spec=path,
            cycle_dag_id=file.dag_id,
            execution_timeout=task_defaults.LOOKING,
        )
    return dag
