from collections.abc import Sequence
from datetime import timedelta
from pathlib import Path
from typing import Any

from airflow.sdk import BaseOperator, Context

from retrain.errors import RetrainError
from retrain.spec import files as spec_files
from retrain.spec.files import SpecFile
from retrain_airflow import metrics, sending
from retrain_airflow.compat import AirflowNotFoundException, AirflowSkipException
from retrain_airflow.hooks.retrain import ledger_of
from retrain_airflow.operators.paused import is_paused


class SendOutboxOperator(BaseOperator):
    """Sends what waits in the outbox of each model. Returns how many messages all channels have received by that.

    Where no message waits, no channel is looked up. Skipped while there is no ledger yet, and no model's DAG is on.
    """

    template_fields: Sequence[str] = ("specs",)

    def __init__(self, *, specs: str | None, ledger_conn_id: str = "retrain_state", **kwargs: Any) -> None:
        """specs: the folder of the spec files; None if it is not named."""
        super().__init__(**kwargs)
        self.specs = specs
        self.ledger_conn_id = ledger_conn_id

    def execute(self, context: Context) -> int:
        # A broken spec, or none, is reported by the DAG `retrain-refused-specs`.
        files = spec_files.load_folder(None if self.specs is None else Path(self.specs)).files
        if not files:
            return 0
        ledger = self._ledger(context, files)
        waiting = ledger.models_waiting()
        sent = 0
        for file in files:
            if file.spec.model in waiting:
                sent += sending.send(str(file.path), file.spec, ledger)
            else:
                metrics.message_age(str(file.path), timedelta(0))
        return sent

    def _ledger(self, context: Context, files: Sequence[SpecFile]) -> Any:
        try:
            return ledger_of(self.ledger_conn_id)
        except (RetrainError, AirflowNotFoundException) as error:
            # A new installation is not red before somebody has set it up and switched a model on.
            if all(is_paused(context, file.dag_id) for file in files):
                raise AirflowSkipException(f"Every model's DAG is paused, and there is no ledger: {error}") from None
            raise
