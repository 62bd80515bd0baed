"""One DAG `retrain-freeze`: Production stays as it is for some days, of one model or of all."""

from datetime import UTC, datetime

from airflow.sdk import DAG, Param

from retrain.spec import files as spec_files
from retrain_airflow import on_call, person, retrying
from retrain_airflow.operators.freeze import EVERY_MODEL, FreezeOperator

models = sorted({file.spec.model for file in spec_files.load_folder(spec_files.folder()).files})

# A hyphen: no spec can make a DAG of this name.
with DAG(
    "retrain-freeze",
    description="Keeps Production as it is until a day, or ends that",
    doc_md=on_call.FREEZE_DAG,
    schedule=None,
    start_date=datetime(2026, 1, 1, tzinfo=UTC),
    catchup=False,
    max_active_runs=1,
    is_paused_upon_creation=False,
    tags=["retrain"],
    params={
        "model": Param(type="string", enum=[*models, EVERY_MODEL], title="Model"),
        "days": Param(
            7,
            type="number",
            minimum=0,
            maximum=365,
            title="For how many days",
            description="From now, in place of what was said of the same model before. 0 ends a freeze.",
        ),
        "why": person.why(),
    },
    default_args=retrying.DEFAULT_ARGS,
) as dag:
    FreezeOperator(
        task_id="freeze",
        doc_md=on_call.FREEZE,
        model=dag.param("model"),
        days=dag.param("days"),
        why=dag.param("why"),
        by=person.BY,
    )
