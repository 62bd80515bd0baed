from collections.abc import Sequence
from pathlib import Path
from typing import Any

from airflow.sdk import BaseOperator, Context

from retrain.spec import files as spec_files
from retrain.spec.connections import DEFAULT
from retrain_airflow import sending
from retrain_airflow.compat import FailsWhereRetryCannotHelp
from retrain_airflow.hooks.retrain import for_each_ledger, ledger_of

EVERY_MODEL = "every model"


class FreezeOperator(FailsWhereRetryCannotHelp, BaseOperator):
    """Keeps Production as it is for some days, or ends that: in the model's ledger, or in all that the specs name.

    The teams are told at once.
    """

    template_fields: Sequence[str] = ("specs", "model", "days", "why", "by")

    def __init__(self, *, specs: str | None, model: Any, days: Any, why: Any, by: str = "", **kwargs: Any) -> None:
        """specs: the folder of the spec files; None if it is not named. model: its name, or `EVERY_MODEL`.

        days: 0 ends the freeze. by: the user who started the run.
        """
        super().__init__(**kwargs)
        self.specs = specs
        self.model = model
        self.days = days
        self.why = why
        self.by = by

    def execute(self, context: Context) -> None:
        from retrain.cycle.freeze import freeze

        run = f"{context['dag'].dag_id}, run {context['run_id']}"
        files = spec_files.load_folder(None if self.specs is None else Path(self.specs)).files

        def freeze_in(connection_id: str) -> None:
            ledger = ledger_of(connection_id)
            freeze(
                ledger,
                run,
                None if self.model == EVERY_MODEL else self.model,
                days=float(self.days),
                # A task that is run again means the same time.
                since=context["dag_run"].run_after,
                by=f"{self.by or 'somebody'} in {run}",
                why=self.why,
            )
            waiting = ledger.models_waiting()
            for file in files:
                if file.spec.connections.ledger == connection_id and file.spec.model in waiting:
                    sending.send(str(file.path), file.spec, ledger)

        named = [file.spec.connections.ledger for file in files if self.model in (EVERY_MODEL, file.spec.model)]
        for_each_ledger(named or [DEFAULT.ledger], freeze_in)
