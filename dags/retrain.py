"""One DAG `retrain_<spec>` for each spec file: source table ─▶ Snapshot ─▶ Candidate × n ─▶ Verdict ─▶ Promotion."""

from datetime import UTC, datetime

from airflow.providers.standard.operators.empty import EmptyOperator
from airflow.providers.standard.operators.trigger_dagrun import TriggerDagRunOperator
from airflow.sdk import DAG, BaseOperator, Param, TriggerRule
from airflow.sdk.exceptions import AirflowTimetableInvalid

from retrain.spec import files as spec_files
from retrain.spec.files import SpecFile
from retrain.spec.operation import Approval
from retrain_airflow import assets, on_call, person, task_defaults
from retrain_airflow.notifiers.recovery import RecoveryNotifier
from retrain_airflow.operators.answer import AnswerOperator
from retrain_airflow.operators.ask import AskOperator
from retrain_airflow.operators.check import CheckDataOperator
from retrain_airflow.operators.evaluate import EvaluateOperator
from retrain_airflow.operators.promote import PromoteOperator
from retrain_airflow.operators.take import TakeSnapshotOperator
from retrain_airflow.operators.tell import TellOperator
from retrain_airflow.operators.train import TrainCandidateOperator
from retrain_airflow.sensors.new_rows import NewRowsSensor


def retrain(file: SpecFile) -> DAG:
    spec, path = file.spec, str(file.path)
    names = [candidate.name for candidate in spec.candidates]
    with DAG(
        file.dag_id,
        description=spec.description,
        doc_md=on_call.CYCLE.format(
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
        # What makes no valid DAG must not be found by itself: it is told with the other faults.
        auto_register=False,
        tags=["retrain", spec.model[:100]],  # Airflow takes no longer ones
        params={
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
                names, type="array", items={"enum": names}, examples=names, minItems=1, title="Candidates to train"
            ),
            "note": Param(
                None, type=["null", "string"], maxLength=1000, title="Note", description="Lands on the runs in MLflow."
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
        },
        default_args=task_defaults.of(path),
    ) as dag:
        sense = NewRowsSensor(
            task_id="sense",
            doc_md=on_call.SENSE,
            spec=path,
            ignore_threshold=dag.param("ignore_threshold"),
            # Too few rows are no fault: it has looked.
            on_skipped_callback=RecoveryNotifier(spec=path),
        )
        take = TakeSnapshotOperator(
            task_id="take", doc_md=on_call.TAKE, spec=path, ignore_threshold=dag.param("ignore_threshold")
        )
        check = CheckDataOperator(
            task_id="check", doc_md=on_call.CHECK, spec=path, snapshot=take.output, note=dag.param("note")
        )
        train = TrainCandidateOperator.partial(
            task_id="train",
            doc_md=on_call.TRAIN,
            pool=spec.workers.pool,
            max_active_tis_per_dag=spec.workers.at_once,
            spec=path,
            snapshot=take.output,
            # As templates: a DagParam in here is serialised with its address, and each parse would be a new version.
            only="{{ params.candidates | join(',') }}",
            note="{{ params.note or '' }}",
            map_index_template="{{ task.candidate }}",
        ).expand(candidate=names)
        evaluate = EvaluateOperator(
            task_id="evaluate",
            doc_md=on_call.EVALUATE,
            spec=path,
            snapshot=take.output,
            candidates=train.output,
            judge_only=dag.param("dry_run"),
            note=dag.param("note"),
            force=dag.param("force"),
            to_promote=person.ASK if spec.approval else "promote",
            # A candidate that was not asked for is skipped, and must not skip the verdict.
            trigger_rule=TriggerRule.NONE_FAILED_MIN_ONE_SUCCESS,
        )
        promote = PromoteOperator(
            task_id="promote",
            doc_md=on_call.PROMOTE,
            spec=path,
            verdict=evaluate.output,
            force=dag.param("force"),
            by=person.BY,
            outlets=[assets.production(spec.model)],
        )
        hold = EmptyOperator(task_id="hold", doc_md=on_call.HOLD, trigger_rule=TriggerRule.NONE_FAILED_MIN_ONE_SUCCESS)
        tell = TellOperator(
            task_id="tell", doc_md=on_call.TELL, spec=path, trigger_rule=TriggerRule.NONE_FAILED_MIN_ONE_SUCCESS
        )
        sense >> take >> check >> train >> evaluate >> hold >> tell
        if spec.approval is None:
            evaluate >> promote >> tell
        else:
            ask, answer, again = approval(file, spec.approval, evaluate)
            promote.approved_by = answer.output
            evaluate >> ask >> answer >> [promote, hold, again] >> tell
    dag.validate()  # type: ignore[no-untyped-call]
    return dag


def approval(file: SpecFile, how: Approval, evaluate: EvaluateOperator) -> tuple[BaseOperator, ...]:
    """A person is asked, what was said is heard, and a verdict that has grown stale meanwhile is judged again."""
    path = str(file.path)
    ask = AskOperator(
        task_id=person.ASK,
        doc_md=on_call.ASK,
        spec=path,
        verdict=evaluate.output,
        users=how.users,
        wait=how.wait,
    )
    answer = AnswerOperator(
        task_id="answer",
        doc_md=on_call.ANSWER,
        spec=path,
        verdict=evaluate.output,
        answer=ask.output,
        force="{{ params.force or '' }}",
    )
    again = TriggerDagRunOperator(
        task_id="again",
        doc_md=on_call.AGAIN,
        trigger_dag_id=file.dag_id,
        trigger_run_id="again__{{ run_id }}",
        conf={"ignore_threshold": True, "note": "Production changed while {{ run_id }} waited for an approval"},
        skip_when_already_exists=True,
    )
    return ask, answer, again


specs = spec_files.load_folder(spec_files.folder())
faults = list(specs.faults)  # told by refused.py
for file in specs.files:
    try:
        globals()[file.dag_id] = retrain(file)
    except AirflowTimetableInvalid as error:
        faults.append(
            f"{file.path.name}: schedule = {file.spec.schedule!r}: {error}; write a cron expression, or e.g. @hourly"
        )
    except Exception as error:
        faults.append(f"{file.path.name}: {error}")
