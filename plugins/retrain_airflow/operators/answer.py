from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

from airflow.providers.standard.operators.branch import BranchMixIn
from airflow.sdk import Context
from airflow.sdk.bases.xcom import BaseXCom

from retrain.records import Verdict
from retrain_airflow.approval import YES
from retrain_airflow.links import ReportLink
from retrain_airflow.operators.spec import SpecOperator

if TYPE_CHECKING:
    from retrain.cycle.context import Cycle


class AnswerOperator(SpecOperator, BranchMixIn):
    """Acts on a person's answer to `AskOperator`: announces it, then goes on to promote, to hold, or to judge again.

    Pushes the name of the user who answered; None where the time ran out.
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
        """answer: the result of AskOperator. force: why to promote whatever the verdict says."""
        super().__init__(**kwargs)
        self.verdict = verdict
        self.answer: Mapping[str, Any] = answer
        self.force = force
        self.to_promote = to_promote
        self.to_hold = to_hold
        self.to_judge_again = to_judge_again

    def execute(self, context: Context) -> None:
        from retrain.cycle.promote import is_stale

        cycle, verdict = self.hook.cycle(context), Verdict.from_json(self.verdict)
        stale = self._approved and is_stale(cycle, verdict)
        self._announce(cycle, verdict, stale=stale)
        # Branching ends the task with an exception, so that nothing that is returned arrives.
        context["ti"].xcom_push(BaseXCom.XCOM_RETURN_KEY, self._user)
        self.do_branch(context, self._next_task(cycle, verdict, stale=stale))

    @property
    def _approved(self) -> bool:
        return bool(self.answer["chosen_options"] == [YES])

    @property
    def _user(self) -> str | None:
        user = self.answer["responded_by_user"]
        return user["name"] if user else None

    def _announce(self, cycle: "Cycle", verdict: Verdict, *, stale: bool) -> None:
        """Tell the team what was answered, and write it into the report."""
        from retrain.cycle import report
        from retrain.cycle.promote import may_promote
        from retrain.messages import texts

        announcement = texts.of_answer(verdict, approved=self._approved, by=self._user, stale=stale)
        self.log.info("%s", announcement.headline)
        cycle.ledger.announce(f"answer/{verdict.matchup.id}", announcement)
        goes_forward = may_promote(cycle, verdict, force=self.force or None)
        answer = announcement.headline.removeprefix(f"{verdict.matchup.model}: ")
        report.write(cycle, verdict, goes_forward=goes_forward, answer=answer)

    def _next_task(self, cycle: "Cycle", verdict: Verdict, *, stale: bool) -> str:
        from retrain.cycle.promote import promotes_now

        if stale:
            return self.to_judge_again
        promotes = self._approved and promotes_now(cycle, verdict, force=self.force or None)
        return self.to_promote if promotes else self.to_hold
