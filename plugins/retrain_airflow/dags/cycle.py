"""The DAG `retrain_<spec>`: source table ─▶ Snapshot ─▶ Candidate × n ─▶ Verdict ─▶ Promotion ─▶ Announcement."""

from datetime import UTC, datetime

from airflow.providers.standard.operators.empty import EmptyOperator
from airflow.providers.standard.operators.trigger_dagrun import TriggerDagRunOperator
from airflow.sdk import DAG, BaseOperator, Param, TriggerRule

from retrain.spec.files import SpecFile
from retrain.spec.operation import Approval
from retrain_airflow import approval, assets
from retrain_airflow.dags import task_defaults, task_docs, trigger_form
from retrain_airflow.notifiers.recovery import RecoveryNotifier
from retrain_airflow.operators.answer import AnswerOperator
from retrain_airflow.operators.ask import AskOperator
from retrain_airflow.operators.check import CheckDataOperator
from retrain_airflow.operators.evaluate import EvaluateOperator
from retrain_airflow.operators.notify import NotifyOperator
from retrain_airflow.operators.promote import PromoteOperator
from retrain_airflow.operators.snapshot import SnapshotOperator
from retrain_airflow.operators.train import TrainCandidateOperator
from retrain_airflow.sensors.new_rows import NewRowsSensor


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
        sense = NewRowsSensor(
            task_id="sense",
            doc_md=task_docs.SENSE,
            spec=path,
            ignore_threshold=dag.param("ignore_threshold"),
            execution_timeout=task_defaults.LOOKING,
            # Too few rows are not a failure: the sensor could look.
            on_skipped_callback=RecoveryNotifier(spec=path),
        )
        snapshot = SnapshotOperator(
            task_id="snapshot",
            doc_md=task_docs.SNAPSHOT,
            spec=path,
            ignore_threshold=dag.param("ignore_threshold"),
            execution_timeout=spec.workers.longest,
        )
        check = CheckDataOperator(
            task_id="check",
            doc_md=task_docs.CHECK,
            spec=path,
            snapshot=snapshot.output,
            note=dag.param("note"),
            execution_timeout=spec.workers.longest,
        )
        train = TrainCandidateOperator.partial(
            task_id="train",
            doc_md=task_docs.TRAIN,
            pool=spec.workers.pool,
            max_active_tis_per_dag=spec.workers.at_once,
            execution_timeout=spec.workers.longest,
            spec=path,
            snapshot=snapshot.output,
            # As templates: a DagParam in here is serialised with its address, and each parse would be a new version.
            only="{{ params.candidates | join(',') }}",
            note="{{ params.note or '' }}",
            map_index_template="{{ task.candidate }}",
        ).expand(candidate=names)
        evaluate = EvaluateOperator(
            task_id="evaluate",
            doc_md=task_docs.EVALUATE,
            spec=path,
            snapshot=snapshot.output,
            candidates=train.output,
            judge_only=dag.param("dry_run"),
            execution_timeout=spec.workers.longest,
            note=dag.param("note"),
            force=dag.param("force"),
            to_promote=approval.ASK if spec.approval else "promote",
            # A candidate that was not ticked is skipped, and must not skip the verdict.
            trigger_rule=TriggerRule.NONE_FAILED_MIN_ONE_SUCCESS,
        )
        promote = PromoteOperator(
            task_id="promote",
            doc_md=task_docs.PROMOTE,
            spec=path,
            verdict=evaluate.output,
            force=dag.param("force"),
            by=trigger_form.BY,
            outlets=[assets.production(spec.model)],
        )
        hold = EmptyOperator(
            task_id="hold", doc_md=task_docs.HOLD, trigger_rule=TriggerRule.NONE_FAILED_MIN_ONE_SUCCESS
        )
        notify = NotifyOperator(
            task_id="notify", doc_md=task_docs.NOTIFY, spec=path, trigger_rule=TriggerRule.NONE_FAILED_MIN_ONE_SUCCESS
        )
        sense >> snapshot >> check >> train >> evaluate >> hold >> notify
        if spec.approval is None:
            evaluate >> promote >> notify
        else:
            ask, answer, again = _approval_tasks(file, spec.approval, evaluate)
            promote.approved_by = answer.output
            evaluate >> ask >> answer >> [promote, hold, again] >> notify
    # Now, not above: each task would get a copy of them, and Airflow checks each copy several times whenever it reads
    # the file. That took four fifths of the time.
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


def _approval_tasks(file: SpecFile, settings: Approval, evaluate: EvaluateOperator) -> tuple[BaseOperator, ...]:
    """Return the tasks that ask a person, act on the answer, and start a new run where the verdict has become stale."""
    path = str(file.path)
    ask = AskOperator(
        task_id=approval.ASK,
        doc_md=task_docs.ASK,
        spec=path,
        verdict=evaluate.output,
        users=settings.users,
        wait=settings.wait,
        execution_timeout=None,  # its operator has a time of its own for the person
    )
    answer = AnswerOperator(
        task_id="answer",
        doc_md=task_docs.ANSWER,
        spec=path,
        verdict=evaluate.output,
        answer=ask.output,
        force="{{ params.force or '' }}",
    )
    again = TriggerDagRunOperator(
        task_id="again",
        doc_md=task_docs.AGAIN,
        trigger_dag_id=file.dag_id,
        trigger_run_id="again__{{ run_id }}",
        conf={"ignore_threshold": True, "note": "Production changed while {{ run_id }} waited for an approval"},
        skip_when_already_exists=True,
    )
    return ask, answer, again
