"""One DAG `rollback_<spec>` for each spec file: the version before, or a chosen one, goes back into Production."""

from contextlib import suppress
from datetime import UTC, datetime

from airflow.sdk import DAG, Param

from retrain.spec import files as spec_files
from retrain.spec.files import SpecFile
from retrain_airflow import assets, on_call, person, task_defaults
from retrain_airflow.operators.rollback import RollbackOperator
from retrain_airflow.operators.tell import TellOperator


def rollback(file: SpecFile) -> DAG:
    spec, path = file.spec, str(file.path)
    with DAG(
        file.rollback_dag_id,
        description=f"Puts the version before back into Production: {spec.model}",
        doc_md=on_call.ROLLBACK_DAG.format(model=spec.model),
        schedule=None,
        start_date=datetime(2026, 1, 1, tzinfo=UTC),
        catchup=False,
        max_active_runs=1,
        # It waits for a person, who should not have to find out first that it is paused.
        is_paused_upon_creation=False,
        auto_register=False,
        tags=["retrain", spec.model[:100]],
        params={
            "why": person.why(),
            "to": Param(
                None,
                type=["null", "string"],
                pattern="^[1-9][0-9]*$",
                title="Version",
                description="Goes into Production. Empty: the one before. A version that cannot is refused with a list "
                "of those that can.",
            ),
        },
        default_args=task_defaults.of(path),
    ) as dag:
        back = RollbackOperator(
            task_id="rollback",
            doc_md=on_call.ROLLBACK,
            spec=path,
            to=dag.param("to"),
            why=dag.param("why"),
            by=person.BY,
            outlets=[assets.production(spec.model)],
        )
        back >> TellOperator(task_id="tell", doc_md=on_call.TELL, spec=path)
    dag.validate()  # type: ignore[no-untyped-call]
    return dag


for file in spec_files.load_folder(spec_files.folder()).files:
    # A spec that makes no DAG is told by refused.py.
    with suppress(Exception):
        globals()[file.rollback_dag_id] = rollback(file)
