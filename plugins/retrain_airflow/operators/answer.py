from collections.abc import Mapping
from typing import Any

from airflow.providers.standard.operators.branch import BranchMixIn
from airflow.sdk import Context
from airflow.sdk.bases.xcom import BaseXCom

from retrain.records import Verdict
from retrain_airflow.approval import YES
from retrain_airflow.links import ReportLink
from retrain_airflow.operators.spec import SpecOperator


class AnswerOperator(SpecOperator, BranchMixIn):
    """Takes a person's answer to `AskOperator`, tells the team, and goes on to promote, to hold, or to judge again.

    Gives who said yes.
    """

    inherits_from_skipmixin = True
    operator_extra_links = (ReportLink(),)
    template_fields = ("spec", "verdict", "answer", "force")

    def __init__(
        self,
        *,
        verdict: Any,
        answer: Any,
        force: Any = None,
        to_promote: str = "promote",
        to_hold: str = "hold",
        to_judge_again: str = "again",
        **kwargs: Any,
    ) -> None:
        """answer: what AskOperator gave. force: why to promote whatever the verdict says."""
        super().__init__(**kwargs)
        self.verdict = verdict
        self.answer: Mapping[str, Any] = answer
        self.force = force
        self.to_promote = to_promote
        self.to_hold = to_hold
        self.to_judge_again = to_judge_again

    def execute(self, context: Context) -> None:
        from retrain.cycle import report
        from retrain.cycle.promote import is_stale, may_promote, promotes_now
        from retrain.messages import texts

        cycle, verdict = self.hook.cycle(context), Verdict.from_json(self.verdict)
        approved = self.answer["chosen_options"] == [YES]
        user = self.answer["responded_by_user"]
        by = user["name"] if user else None
        stale = approved and is_stale(cycle, verdict)
        told = texts.of_answer(verdict, approved=approved, by=by, stale=stale)
        self.log.info("%s", told.headline)
        cycle.ledger.announce(f"answer/{verdict.matchup.id}", told)
        may = may_promote(cycle.spec, verdict, force=self.force)
        report.write(cycle, verdict, goes_forward=may, answer=told.headline.removeprefix(f"{verdict.matchup.model}: "))
        context["ti"].xcom_push(BaseXCom.XCOM_RETURN_KEY, by)
        if stale:
            next_ = self.to_judge_again
        else:
            next_ = self.to_promote if approved and promotes_now(cycle, verdict, force=self.force) else self.to_hold
        self.do_branch(context, next_)
