"""The DAG `retrain-freeze`: it keeps Production as it is for some days, for one model or for all."""

from collections.abc import Sequence
from datetime import UTC, datetime
from pathlib import Path

from airflow.sdk import DAG, Param

from retrain.records import LONGEST_FREEZE
from retrain.spec import files as spec_files
from retrain_airflow.dags import task_defaults, task_docs, trigger_form
from retrain_airflow.operators.freeze import EVERY_MODEL, FreezeOperator


def freeze_dag(models: Sequence[str], folder: Path | None) -> DAG:
    """Return the DAG.

    models: the names that its trigger form offers. folder: of the spec files; None if it is not named.
    """
    with DAG(
        spec_files.FREEZE_DAG,
        description="Keeps Production as it is until a day, or ends that",
        doc_md=task_docs.FREEZE_DAG,
        schedule=None,
        start_date=datetime(2026, 1, 1, tzinfo=UTC),
        catchup=False,
        max_active_runs=1,
        is_paused_upon_creation=False,
        auto_register=False,
        tags=["retrain"],
        params={
            "model": Param(type="string", enum=[*sorted(models), EVERY_MODEL], title="Model"),
            "days": Param(
                7,
                type="number",
                minimum=0,
                maximum=LONGEST_FREEZE,
                title="For how many days",
                description="From now. Replaces an earlier freeze of the same model. 0 ends a freeze.",
            ),
            "why": trigger_form.why(),
        },
        default_args=task_defaults.RETRIES,
    ) as dag:
        FreezeOperator(
            task_id="freeze",
            doc_md=task_docs.FREEZE,
            specs=None if folder is None else str(folder),
            model="{{ params.model }}",
            days="{{ params.days }}",
            why="{{ params.why }}",
            by=trigger_form.BY,
        )
    return dag
