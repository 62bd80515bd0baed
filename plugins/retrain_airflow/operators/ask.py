from collections.abc import Sequence
from datetime import datetime, timedelta
from typing import Any

from airflow.providers.standard.operators.hitl import HITLOperator
from airflow.sdk import Context

from retrain.records import Announcement, Verdict
from retrain_airflow import sending
from retrain_airflow.approval import NO, YES
from retrain_airflow.compat import FailsWhereRetryCannotHelp, conf
from retrain_airflow.hooks.retrain import RetrainHook
from retrain_airflow.links import ReportLink


class AskOperator(FailsWhereRetryCannotHelp, HITLOperator):
    """Asks a person whether the version of a Verdict goes into Production, and waits; without an answer it does not.

    Tells the team where to answer. Returns what HITLOperator does: `chosen_options` and `responded_by_user`.
    """

    operator_extra_links = (ReportLink(),)
    template_fields: Sequence[str] = ("spec", "verdict", "subject", "body")

    def __init__(
        self,
        *,
        spec: str,
        verdict: Any,
        users: Sequence[str] = (),
        wait: timedelta,
        **kwargs: Any,
    ) -> None:
        """spec: path of the spec file. users: ids of the users who may answer; empty: all whom Airflow allows.

        wait: for the answer; then it is `NO`.
        """
        super().__init__(
            subject="",  # filled in, like the body, when the verdict is known
            body="",
            options=[YES, NO],
            defaults=NO,
            response_timeout=wait,
            assigned_users=[{"id": user, "name": user} for user in users] or None,
            **kwargs,
        )
        self.spec = spec
        self.verdict = verdict
        self.users = users
        self.wait = wait

    @property
    def hook(self) -> RetrainHook:
        return RetrainHook(self.spec)

    def execute(self, context: Context) -> Any:
        from retrain.messages import formats

        hook, verdict = self.hook, Verdict.from_json(self.verdict)
        request = self._request(hook, verdict, context)
        hook.ledger.announce(f"request/{verdict.matchup.id}", request)
        sending.send(self.spec, hook.spec, hook.ledger)
        matchup = verdict.matchup
        self.subject = f"Promote version {matchup.version} ({matchup.candidate}) of {matchup.model}?"
        self.body = formats.markdown(request)
        return super().execute(context)

    def _request(self, hook: RetrainHook, verdict: Verdict, context: Context) -> Announcement:
        """Return the announcement that asks, with links to the form and to the report."""
        from retrain.cycle import report
        from retrain.messages import texts

        ti = context["ti"]
        base = conf.get("api", "base_url", fallback="http://localhost:8080")
        form = self.generate_link_to_ui(task_instance=ti, base_url=base)
        page = report.address(hook.cycle_of(ti.dag_id, ti.run_id), verdict.matchup.snapshot)
        until = datetime.now().astimezone() + self.wait
        return texts.of_request(verdict, form, until, self.users, page)
