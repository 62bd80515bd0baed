"""The DAG `rollback_<spec>`: it puts the previous version, or a chosen one, back into Production."""

from datetime import UTC, datetime

from airflow.sdk import DAG, Param

from retrain.spec.files import SpecFile
from retrain_airflow import assets
from retrain_airflow.dags import task_defaults, task_docs, trigger_form
from retrain_airflow.operators.notify import NotifyOperator
from retrain_airflow.operators.rollback import RollbackOperator


def rollback_dag(file: SpecFile) -> DAG:
    """Return the DAG of a spec. Raises an error of Airflow's where the file's name makes no DAG id."""
    spec, path = file.spec, str(file.path)
    with DAG(
        file.rollback_dag_id,
        description=f"Puts the previous version back into Production: {spec.model}",
        doc_md=task_docs.ROLLBACK_DAG.format(model=spec.model),
        schedule=None,
        start_date=datetime(2026, 1, 1, tzinfo=UTC),
        catchup=False,
        max_active_runs=1,
        # It waits for a person, who should not have to find out first that it is paused.
        is_paused_upon_creation=False,
        auto_register=False,
        tags=["retrain", spec.model[:100]],
        params={
            "why": trigger_form.why(),
            "to": Param(
                None,
                type=["null", "string"],
                pattern="^[1-9][0-9]*$",
                title="Version",
                description="Goes into Production. Empty: the previous one. If the version cannot go back, the error "
                "lists those that can.",
            ),
        },
        default_args=task_defaults.of_model(path),
    ) as dag:
        rollback = RollbackOperator(
            task_id="rollback",
            doc_md=task_docs.ROLLBACK,
            spec=path,
            to=dag.param("to"),
            why=dag.param("why"),
            by=trigger_form.BY,
            outlets=[assets.production(spec.model)],
        )
        rollback >> NotifyOperator(task_id="notify", doc_md=task_docs.NOTIFY, spec=path)
    return dag
