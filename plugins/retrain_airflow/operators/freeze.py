from collections.abc import Sequence
from datetime import timedelta
from pathlib import Path
from typing import Any

from airflow.sdk import BaseOperator, Context

from retrain.spec import files as spec_files
from retrain_airflow import sending
from retrain_airflow.compat import FailsWhereRetryCannotHelp

EVERY_MODEL = "every model"


class FreezeOperator(FailsWhereRetryCannotHelp, BaseOperator):
    """Keeps Production as it is for some days, or ends that; the teams are told."""

    template_fields: Sequence[str] = ("model", "days", "why", "by", "specs")

    def __init__(
        self,
        *,
        model: Any,
        days: Any,
        why: Any,
        by: str = "",
        specs: str | None = None,
        ledger_conn_id: str = "retrain_state",
        **kwargs: Any,
    ) -> None:
        """model: its name, or `EVERY_MODEL`. days: 0 ends the freeze. by: the user who started the run.

        specs: the folder of the spec files, which name the channels; None: DAG `retrain-outbox` tells the teams.
        """
        super().__init__(**kwargs)
        self.model = model
        self.days = days
        self.why = why
        self.by = by
        self.specs = specs
        self.ledger_conn_id = ledger_conn_id

    def execute(self, context: Context) -> None:
        from retrain.messages import texts
        from retrain_airflow.hooks.retrain import ledger_of

        run = f"{context['dag'].dag_id}, run {context['run_id']}"
        ledger = ledger_of(self.ledger_conn_id)
        ledger.freeze(
            run,
            None if self.model == EVERY_MODEL else self.model,
            # Counted from the start of the run: a task that is run again means the same time.
            until=context["dag_run"].run_after + timedelta(days=self.days),
            by=f"{self.by or 'somebody'} in {run}",
            why=self.why,
            announcement=texts.of_freeze,
        )
        waiting = ledger.models_waiting()
        for file in spec_files.load_folder(Path(self.specs)).files if self.specs else ():
            if file.spec.model in waiting:
                sending.send(str(file.path), file.spec, ledger)
