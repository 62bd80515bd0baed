from collections.abc import Sequence
from datetime import timedelta
from typing import Any

from airflow.sdk import BaseOperator, Context

from retrain_airflow.compat import FailsWhereRetryCannotHelp

EVERY_MODEL = "every model"


class FreezeOperator(FailsWhereRetryCannotHelp, BaseOperator):
    """Keeps Production as it is for some days, or ends that."""

    template_fields: Sequence[str] = ("model", "days", "why", "by")

    def __init__(
        self, *, model: Any, days: Any, why: Any, by: str = "", ledger_conn_id: str = "retrain_state", **kwargs: Any
    ) -> None:
        """model: its name, or `EVERY_MODEL`. days: 0 ends the freeze. by: the user who started the run."""
        super().__init__(**kwargs)
        self.model = model
        self.days = days
        self.why = why
        self.by = by
        self.ledger_conn_id = ledger_conn_id

    def execute(self, context: Context) -> None:
        from retrain.messages import texts
        from retrain_airflow.hooks.retrain import ledger_of

        run = f"{context['dag'].dag_id}, run {context['run_id']}"
        ledger_of(self.ledger_conn_id).freeze(
            run,
            None if self.model == EVERY_MODEL else self.model,
            # Counted from the start of the run: a task that is run again means the same time.
            until=context["dag_run"].run_after + timedelta(days=self.days),
            by=f"{self.by or 'somebody'} in {run}",
            why=self.why,
            announcement=texts.of_freeze,
        )
