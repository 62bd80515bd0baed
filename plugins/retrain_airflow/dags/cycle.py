"""The DAG `retrain_<spec>`: source table ─▶ Snapshot ─▶ Candidate × n ─▶ Verdict ─▶ Promotion ─▶ Announcement."""

from datetime import UTC, datetime

from airflow.sdk import DAG, Param

from retrain.spec.files import SpecFile
from retrain_airflow import assets
from retrain_airflow.dags import task_defaults, task_docs
from retrain_airflow.dags.cycle_tasks import Inputs, add_tasks


def cycle_dag(file: SpecFile) -> DAG:
    """Return the DAG of a spec. Raises an error of Airflow's where the file's name makes no DAG id."""
    spec, path = file.spec, str(file.path)
    names = [candidate.name for candidate in spec.candidates]
    with DAG(
        file.dag_id,
        description=spec.description,
        doc_md=task_docs.CYCLE.format(
            description=spec.description,
            source=spec.source.table or spec.source.query,
            threshold=spec.threshold,
            candidates=", ".join(names),
            metric=spec.gate.metric,
        ),
        schedule=assets.schedule(spec, path),
        start_date=datetime(2026, 1, 1, tzinfo=UTC),
        catchup=False,
        max_active_runs=1,
        auto_register=False,
        tags=["retrain", spec.model[:100]],  # Airflow accepts no longer ones
        default_args=task_defaults.of_model(path),
    ) as dag:
        add_tasks(
            file,
            Inputs(
                ignore_threshold="{{ params.ignore_threshold }}",
                dry_run="{{ params.dry_run }}",
                candidates="{{ params.candidates | join(',') }}",
                note="{{ params.note or '' }}",
                force="{{ params.force or '' }}",
            ),
        )
    # Now, not above: each task would get a copy of them, and Airflow checks each copy several times whenever it reads
    # the file. That was nine tenths of the time that it took to read a spec.
    dag.params.update(_params(names))
    return dag


def _params(candidates: list[str]) -> dict[str, Param]:
    """Return the fields of the trigger form; their defaults are a whole cycle."""
    return {
        "ignore_threshold": Param(
            False,
            type="boolean",
            title="Ignore the threshold",
            description="Go on however few rows are new.",
        ),
        "dry_run": Param(
            False,
            type="boolean",
            title="Dry run",
            description="Judge, and change nothing: no version is registered, no row counts as used.",
        ),
        "candidates": Param(
            candidates,
            type="array",
            items={"enum": candidates},
            examples=candidates,
            minItems=1,
            title="Candidates to train",
        ),
        "note": Param(
            None, type=["null", "string"], maxLength=1000, title="Note", description="Shown on the runs in MLflow."
        ),
        "force": Param(
            None,
            type=["null", "string"],
            minLength=1,
            maxLength=1000,
            title="Force the promotion: why",
            description="Promotes the challenger whatever the verdict says, if it reaches the floor: for a "
            "Production that cannot be loaded. What you write is kept in the ledger with your name.",
        ),
    }
