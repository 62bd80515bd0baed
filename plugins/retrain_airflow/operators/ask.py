from collections.abc import Sequence
from datetime import datetime, timedelta
from typing import Any

from airflow.providers.standard.operators.hitl import HITLOperator
from airflow.sdk import Context
from airflow.sdk.configuration import conf

from retrain.records import Verdict
from retrain_airflow.approval import NO, YES
from retrain_airflow.hooks.retrain import RetrainHook
from retrain_airflow.hooks.tracker import TrackerHook
from retrain_airflow.links import ReportLink


class AskOperator(HITLOperator):
    """Asks a person whether the version of a Verdict goes into Production, and waits; without an answer it does not.

    The team is told where to answer. Gives what HITLOperator does: `chosen_options` and `responded_by_user`.
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
        tracker_conn_id: str = TrackerHook.default_conn_name,
        ledger_conn_id: str = "retrain_state",
        **kwargs: Any,
    ) -> None:
        """spec: path of the spec file. users: ids of those who may answer; empty: all whom Airflow lets."""
        super().__init__(
            subject="",  # both are known when the verdict is
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
        self.tracker_conn_id = tracker_conn_id
        self.ledger_conn_id = ledger_conn_id

    @property
    def hook(self) -> RetrainHook:
        return RetrainHook(self.spec, tracker_conn_id=self.tracker_conn_id, ledger_conn_id=self.ledger_conn_id)

    def execute(self, context: Context) -> Any:
        from retrain.cycle import report
        from retrain.messages import formats, outbox, texts
        from retrain_airflow.channels import channels

        hook, verdict, ti = self.hook, Verdict.from_json(self.verdict), context["ti"]
        base = conf.get("api", "base_url", fallback="http://localhost:8080")
        form = self.generate_link_to_ui(task_instance=ti, base_url=base)
        page = report.address(hook.cycle_of(ti.dag_id, ti.run_id), verdict.matchup.snapshot)
        until = datetime.now().astimezone() + self.wait
        told = texts.of_request(verdict, form, until, self.users, page)
        hook.ledger.announce(f"request/{verdict.matchup.id}", told)
        outbox.send(hook.spec.model, channels(hook.spec), ledger=hook.ledger)
        matchup = verdict.matchup
        self.subject = f"Promote version {matchup.version} ({matchup.candidate}) of {matchup.model}?"
        self.body = formats.markdown(told)
        return super().execute(context)
