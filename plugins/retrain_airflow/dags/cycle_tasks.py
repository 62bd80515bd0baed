"""The tasks of a cycle: source table ─▶ Snapshot ─▶ Candidate × n ─▶ Verdict ─▶ Promotion ─▶ Announcement."""

from collections.abc import Callable
from dataclasses import dataclass
from datetime import timedelta
from typing import Any

from airflow.providers.standard.operators.empty import EmptyOperator
from airflow.providers.standard.operators.trigger_dagrun import TriggerDagRunOperator
from airflow.sdk import BaseOperator, TriggerRule

from retrain.spec.files import SpecFile
from retrain.spec.operation import Approval
from retrain_airflow import approval, assets
from retrain_airflow.dags import run_on, task_defaults, task_docs, trigger_form
from retrain_airflow.notifiers.recovery import RecoveryNotifier
from retrain_airflow.operators.answer import AnswerOperator
from retrain_airflow.operators.ask import AskOperator
from retrain_airflow.operators.check import CheckDataOperator
from retrain_airflow.operators.choose import ChooseOperator
from retrain_airflow.operators.evaluate import EvaluateOperator
from retrain_airflow.operators.notify import NotifyOperator
from retrain_airflow.operators.prepare import PrepareOperator
from retrain_airflow.operators.promote import PromoteOperator
from retrain_airflow.operators.search import SearchOperator
from retrain_airflow.operators.snapshot import SnapshotOperator
from retrain_airflow.operators.train import TrainCandidateOperator
from retrain_airflow.operators.trial import TrialOperator
from retrain_airflow.sensors.new_rows import NewRowsSensor


@dataclass(frozen=True)
class Inputs:
    """What a run of the cycle is asked for: values, or templates of them.

    Not `dag.param`: Airflow 3.2 cannot store one that has no default, and in a mapped task each version stores its
    address, so that each parse would be a new version of the DAG.
    """

    ignore_threshold: Any = False
    """Go on however few rows are new."""
    dry_run: Any = False
    """Judge, and change nothing."""
    candidates: str = ""
    """The names of those to train, between commas; empty: all."""
    note: str = ""
    """Shown on the runs in MLflow."""
    force: str = ""
    """Why to promote whatever the verdict says; empty: do not."""


def add_tasks(file: SpecFile, inputs: Inputs, id_of: Callable[[str], str] = str) -> None:
    """Add the tasks of a spec's cycle to the DAG or the group that is open. id_of: makes a task's id from its name."""
    spec, path = file.spec, str(file.path)
    where = run_on.arguments(spec.run_on)
    sense = NewRowsSensor(
        task_id="sense",
        doc_md=task_docs.SENSE,
        spec=path,
        ignore_threshold=inputs.ignore_threshold,
        execution_timeout=task_defaults.LOOKING,
        # Too few rows are not a failure: the sensor could look.
        on_skipped_callback=RecoveryNotifier(spec=path),
    )
    snapshot = SnapshotOperator(
        task_id="snapshot",
        doc_md=task_docs.SNAPSHOT,
        spec=path,
        ignore_threshold=inputs.ignore_threshold,
        execution_timeout=spec.workers.longest,
    )
    check = CheckDataOperator(
        task_id="check",
        doc_md=task_docs.CHECK,
        spec=path,
        snapshot=snapshot.output,
        candidates=inputs.candidates,
        note=inputs.note,
        execution_timeout=spec.workers.longest,
    )
    before: CheckDataOperator | ChooseOperator | PrepareOperator = check
    searches = [each.search for each in spec.candidates if each.search is not None]
    if searches:
        parallel = min(each.parallel for each in searches)
        before = _search_tasks(
            path, snapshot, check, inputs, where=where, parallel=parallel, longest=spec.workers.longest
        )
    if spec.share_steps and (len(spec.candidates) > 1 or searches):
        before = PrepareOperator(
            task_id="prepare",
            doc_md=task_docs.PREPARE,
            **where,
            spec=path,
            snapshot=snapshot.output,
            candidates=before.output,
            execution_timeout=spec.workers.longest,
        )
    train = TrainCandidateOperator.partial(
        task_id="train",
        doc_md=task_docs.TRAIN,
        **where,
        max_active_tis_per_dag=spec.workers.at_once,
        execution_timeout=spec.workers.longest,
        spec=path,
        snapshot=snapshot.output,
        note=inputs.note,
        map_index_template="{{ task.candidate }}",
    ).expand(candidate=before.output)
    evaluate = EvaluateOperator(
        task_id="evaluate",
        doc_md=task_docs.EVALUATE,
        **where,  # it fits the winner again
        spec=path,
        snapshot=_as_json(snapshot),
        candidates=train.output,
        judge_only=inputs.dry_run,
        execution_timeout=spec.workers.longest,
        note=inputs.note,
        force=inputs.force,
        to_promote=id_of(approval.ASK if spec.approval else "promote"),
        to_hold=id_of("hold"),
        # One that cannot be trained fails, and the others are judged.
        trigger_rule=TriggerRule.ALL_DONE_MIN_ONE_SUCCESS,
    )
    promote = PromoteOperator(
        task_id="promote",
        doc_md=task_docs.PROMOTE,
        spec=path,
        verdict=evaluate.output,
        force=inputs.force,
        by=trigger_form.BY,
        outlets=[assets.production(spec.model)],
    )
    hold = EmptyOperator(task_id="hold", doc_md=task_docs.HOLD, trigger_rule=TriggerRule.NONE_FAILED_MIN_ONE_SUCCESS)
    notify = NotifyOperator(
        task_id="notify",
        doc_md=task_docs.NOTIFY,
        spec=path,
        ends_cycle=True,
        trigger_rule=TriggerRule.NONE_FAILED_MIN_ONE_SUCCESS,
    )
    sense >> snapshot >> check
    train >> evaluate >> hold >> notify
    if spec.approval is None:
        evaluate >> promote >> notify
    else:
        ask, answer, again = _approval_tasks(file, spec.approval, evaluate, inputs, id_of)
        promote.approved_by = answer.output
        evaluate >> ask >> answer >> [promote, hold, again] >> notify


def _search_tasks(
    path: str,
    snapshot: SnapshotOperator,
    check: CheckDataOperator,
    inputs: Inputs,
    *,
    where: dict[str, Any],
    parallel: int,
    longest: timedelta,
) -> ChooseOperator:
    """Return the last of the tasks that look for parameters: it says which candidates are trained."""
    search = SearchOperator(
        task_id="search",
        doc_md=task_docs.SEARCH,
        **where,  # it fits what all trials begin with
        execution_timeout=longest,
        spec=path,
        snapshot=snapshot.output,
        candidates=check.output,
        note=inputs.note,
    )
    trial = TrialOperator.partial(
        task_id="trial",
        doc_md=task_docs.TRIAL,
        **where,
        max_active_tis_per_dag=parallel,
        execution_timeout=longest,
        spec=path,
        snapshot=snapshot.output,
        note=inputs.note,
        map_index_template="{{ task.candidate }} {{ task.turn }}",
    ).expand_kwargs(search.output)
    choose = ChooseOperator(
        task_id="choose",
        doc_md=task_docs.CHOOSE,
        spec=path,
        snapshot=_as_json(snapshot),
        candidates=_as_json(check),
        # Trials that are lost for good leave the others.
        trigger_rule=TriggerRule.ALL_DONE_MIN_ONE_SUCCESS,
    )
    trial >> choose
    return choose


def _as_json(task: BaseOperator) -> str:
    """Return a template of what a task has returned.

    Not its `output`: then that task would be one of those of which one must have succeeded.
    """
    return f"{{{{ ti.xcom_pull(task_ids='{task.task_id}') | tojson }}}}"


def _approval_tasks(
    file: SpecFile, settings: Approval, evaluate: EvaluateOperator, inputs: Inputs, id_of: Callable[[str], str]
) -> tuple[BaseOperator, ...]:
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
        force=inputs.force,
        to_promote=id_of("promote"),
        to_hold=id_of("hold"),
        to_judge_again=id_of("again"),
    )
    again = TriggerDagRunOperator(
        task_id="again",
        doc_md=task_docs.AGAIN,
        trigger_dag_id="{{ dag.dag_id }}",
        trigger_run_id="again__{{ run_id }}",
        conf={"ignore_threshold": True, "note": "Production changed while {{ run_id }} waited for an approval"},
        skip_when_already_exists=True,
    )
    return ask, answer, again
