"""The DAG `retrain-rollback`: it puts the previous version of a model, or a chosen one, back into Production."""

from collections.abc import Sequence
from datetime import UTC, datetime
from functools import partial
from pathlib import Path

from airflow.sdk import DAG, Param

from retrain.spec import files as spec_files
from retrain_airflow import assets
from retrain_airflow.dags import task_defaults, task_docs, trigger_form
from retrain_airflow.operators.notify import NotifyOperator
from retrain_airflow.operators.rollback import RollbackOperator


def rollback_dag(models: Sequence[str], folder: Path | None) -> DAG:
    """Return the DAG. models: the names that its trigger form offers. folder: of the spec files; None if it is not
    named.
    """
    with DAG(
        spec_files.ROLLBACK_DAG,
        description="Puts the previous version of a model back into Production",
        doc_md=task_docs.ROLLBACK_DAG,
        schedule=None,
        start_date=datetime(2026, 1, 1, tzinfo=UTC),
        catchup=False,
        # One model's rollback does not wait for another's, which may try for half an hour. Of two for the same model,
        # the ledger carries out one, and refuses the other if it was asked for meanwhile.
        max_active_runs=16,
        # It waits for a person, who should not have to find out first that it is paused.
        is_paused_upon_creation=False,
        auto_register=False,
        tags=["retrain"],
        params={
            "model": Param(type="string", enum=sorted(models), title="Model"),
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
        user_defined_macros={"spec_of": partial(trigger_form.path_of, folder)},
        default_args=task_defaults.of_model(trigger_form.SPEC),
    ) as dag:
        rollback = RollbackOperator(
            task_id="rollback",
            doc_md=task_docs.ROLLBACK,
            spec=trigger_form.SPEC,
            to="{{ params.to or '' }}",
            why="{{ params.why }}",
            by=trigger_form.BY,
            outlets=[assets.any_production()],
        )
        rollback >> NotifyOperator(task_id="notify", doc_md=task_docs.NOTIFY, spec=trigger_form.SPEC)
    return dag
