"""The DAG `retrain-adopt`: it takes over a Production of somebody else's, after a person has said what they trust."""

from collections.abc import Sequence
from datetime import UTC, datetime
from functools import partial
from pathlib import Path

from airflow.sdk import DAG, Param

from retrain.spec import files as spec_files
from retrain_airflow.dags import task_defaults, task_docs, trigger_form
from retrain_airflow.operators.adopt import AdoptOperator
from retrain_airflow.operators.notify import NotifyOperator


def adopt_dag(models: Sequence[str], folder: Path | None) -> DAG:
    """Return the DAG. models: the names that its trigger form offers. folder: of the spec files; None if it is not
    named.
    """
    with DAG(
        spec_files.ADOPT_DAG,
        description="Takes over a Production that Retrain did not log",
        doc_md=task_docs.ADOPT_DAG,
        schedule=None,
        start_date=datetime(2026, 1, 1, tzinfo=UTC),
        catchup=False,
        max_active_runs=16,
        is_paused_upon_creation=False,
        auto_register=False,
        tags=["retrain"],
        params={
            "model": Param(type="string", enum=sorted(models), title="Model"),
            "version": Param(
                None,
                type=["null", "string"],
                pattern="^[1-9][0-9]*$",
                title="Version",
                description="Empty: the one that is Production, or looks like it.",
            ),
            "format": Param(
                None,
                type=["null", "string"],
                enum=[None, "skops", "cloudpickle", "pickle"],
                title="Format of its files",
                description="Leave this and the digest empty at first: the task then fails, and says what they are.",
            ),
            "digest": Param(
                None,
                type=["null", "string"],
                pattern="^[0-9a-f]{12,64}$",
                title="Digest of its files",
                description="The first twelve characters are enough. The trust is in this digest alone.",
            ),
            "trained_before": Param(
                None,
                type=["null", "string"],
                format="date-time",
                title="Trained before",
                description="Rows that were labelled later may judge it. Empty: when it was registered.",
            ),
            "python": Param(
                None,
                type=["null", "string"],
                title="Interpreter",
                description="Of those that RETRAIN_PYTHONS lists, where it needs other versions of its packages.",
            ),
            "none": Param(
                False,
                type="boolean",
                title="It is not Production",
                description="Cycles then go on as if what was found were not there.",
            ),
            "why": trigger_form.why(),
        },
        user_defined_macros={"spec_of": partial(trigger_form.path_of, folder)},
        default_args=task_defaults.of_model(trigger_form.SPEC),
    ) as dag:
        adopt = AdoptOperator(
            task_id="adopt",
            doc_md=task_docs.ADOPT,
            spec=trigger_form.SPEC,
            version="{{ params.version or '' }}",
            format="{{ params.format or '' }}",
            digest="{{ params.digest or '' }}",
            trained_before="{{ params.trained_before or '' }}",
            python="{{ params.python or '' }}",
            none="{{ params.none }}",
            why="{{ params.why }}",
            by=trigger_form.BY,
        )
        adopt >> NotifyOperator(task_id="notify", doc_md=task_docs.NOTIFY, spec=trigger_form.SPEC)
    return dag
