"""The DAG `ab_<spec>`: a split test of Staging and Production, begun by a person, that ends by itself."""

from datetime import UTC, datetime, timedelta

from airflow.sdk import DAG, Param

from retrain.spec.files import SpecFile
from retrain_airflow import assets
from retrain_airflow.compat import CronTriggerTimetable
from retrain_airflow.dags import task_defaults, task_docs, trigger_form
from retrain_airflow.operators.notify import NotifyOperator
from retrain_airflow.operators.split import ACTIONS, LOOK, AskSplitOperator, LookAtSplitOperator

_DAILY = "30 3 * * *"
"""After midnight (UTC), when the units of a day are complete; a look more a day would change nothing."""


def split_dag(file: SpecFile) -> DAG:
    """Return the DAG of a spec with a section `ab`."""
    spec, path = file.spec, str(file.path)
    with DAG(
        file.ab_dag_id,
        description="Holds Staging against Production on what units do",
        doc_md=task_docs.SPLIT_DAG,
        schedule=CronTriggerTimetable(_DAILY, timezone="UTC", run_immediately=timedelta(0)),
        start_date=datetime(2026, 1, 1, tzinfo=UTC),
        catchup=False,
        max_active_runs=1,
        # It waits for a person, who should not have to find out first that it is paused.
        is_paused_upon_creation=False,
        auto_register=False,
        tags=["retrain", spec.model[:100]],
        default_args=task_defaults.of_model(path),
    ) as dag:
        ask = AskSplitOperator(
            task_id="ask",
            doc_md=task_docs.SPLIT_ASK,
            spec=path,
            action="{{ params.action }}",
            version="{{ params.version or '' }}",
            weeks="{{ params.weeks }}",
            units_a_day="{{ params.units_a_day or '' }}",
            why="{{ params.why or '' }}",
            by=trigger_form.BY,
        )
        look = LookAtSplitOperator(
            task_id="look",
            doc_md=task_docs.SPLIT_LOOK,
            spec=path,
            trigger_rule="none_failed",
            outlets=[assets.production(spec.model)],
        )
        notify = NotifyOperator(task_id="notify", doc_md=task_docs.NOTIFY, spec=path, trigger_rule="none_failed")
        ask >> look >> notify
    dag.params.update(_params())
    return dag


def _params() -> dict[str, Param]:
    return {
        "action": Param(
            LOOK,
            type="string",
            enum=[*ACTIONS],
            title="What",
            description="Look at the test; plan one, which says how long it would take; start one, stop it, or give it "
            "more weeks before its end is reached.",
        ),
        "version": Param(
            None,
            type=["null", "string"],
            pattern="^[1-9][0-9]*$",
            title="Version",
            description="To be tested. Empty: the one in Staging.",
        ),
        "weeks": Param(1, type="integer", minimum=1, maximum=52, title="Weeks", description="That it is extended by."),
        "units_a_day": Param(
            None,
            type=["null", "number"],
            exclusiveMinimum=0,
            title="New units a day",
            description="For a plan. Empty: as many as are in the spec's table of exposures.",
        ),
        "why": Param(
            None,
            type=["null", "string"],
            maxLength=1000,
            title="Why",
            description="Kept in the ledger, and sent to the team, with your name. Needed to stop a test.",
        ),
    }
