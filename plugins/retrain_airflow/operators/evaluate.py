import json
from collections.abc import Sequence
from typing import Any

from airflow.providers.standard.operators.branch import BranchMixIn
from airflow.sdk import Context
from airflow.sdk.bases.xcom import BaseXCom

from retrain.records import Candidate, Snapshot
from retrain_airflow import metrics
from retrain_airflow.inputs import is_on
from retrain_airflow.links import ReportLink, RunLink
from retrain_airflow.operators.spec import SpecOperator


class EvaluateOperator(SpecOperator, BranchMixIn):
    """Judges the best of the Candidates against Production, pushes the Verdict, and goes on to promote or to hold."""

    # Otherwise a skipped `promote` would run when somebody clears it.
    inherits_from_skipmixin = True
    operator_extra_links = (ReportLink(), RunLink())
    template_fields = ("spec", "snapshot", "candidates", "judge_only", "note", "force")

    def __init__(
        self,
        *,
        snapshot: Any,
        candidates: Any,
        judge_only: Any = False,
        note: Any = None,
        force: Any = None,
        to_promote: str = "promote",
        to_hold: str = "hold",
        **kwargs: Any,
    ) -> None:
        """snapshot: as JSON. judge_only: a dry run, which changes nothing.

        force: why to promote whatever the verdict says. to_promote, to_hold: ids of the tasks to go on to.
        """
        super().__init__(**kwargs)
        self.snapshot = snapshot
        self.candidates: Sequence[dict[str, Any]] = candidates
        self.judge_only = judge_only
        self.note = note
        self.force = force
        self.to_promote = to_promote
        self.to_hold = to_hold

    def execute(self, context: Context) -> None:
        from retrain.cycle.evaluate import announcement, evaluate
        from retrain.cycle.promote import promotes_now

        cycle = self.hook.cycle(context, self.note)
        candidates = [Candidate.from_json(candidate) for candidate in self.candidates[:]]
        # A backfill fits for a day in the past: it must not replace what was fitted since.
        dry_run = is_on(self.judge_only, "judge_only") or context["dag_run"].run_type == "backfill"
        self.snapshot = json.loads(self.snapshot)  # for the links as well
        snapshot = Snapshot.from_json(self.snapshot)
        verdict = evaluate(cycle, snapshot, candidates, dry_run=dry_run, force=self.force or None)
        self.log.info("%s", announcement(cycle, verdict).headline)
        metrics.verdict(self.spec, verdict.outcome)
        # Branching ends the task with an exception, so that nothing that is returned arrives.
        context["ti"].xcom_push(BaseXCom.XCOM_RETURN_KEY, verdict.to_json())
        promotes = promotes_now(cycle, verdict, force=self.force or None)
        self.do_branch(context, self.to_promote if promotes else self.to_hold)
