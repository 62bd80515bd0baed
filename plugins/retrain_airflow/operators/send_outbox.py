from collections.abc import Sequence
from pathlib import Path
from typing import Any

from airflow.sdk import BaseOperator, Context

from retrain.spec import files as spec_files
from retrain_airflow import metrics
from retrain_airflow.hooks.retrain import ledger_of


class SendOutboxOperator(BaseOperator):
    """Sends what waits in the outbox of each model. Returns how many messages all channels have received by that."""

    template_fields: Sequence[str] = ("specs",)

    def __init__(self, *, specs: str, ledger_conn_id: str = "retrain_state", **kwargs: Any) -> None:
        """specs: the folder of the spec files."""
        super().__init__(**kwargs)
        self.specs = specs
        self.ledger_conn_id = ledger_conn_id

    def execute(self, context: Context) -> int:  # noqa: ARG002 - Airflow's signature
        from retrain.messages import outbox
        from retrain_airflow.channels import channels

        ledger = ledger_of(self.ledger_conn_id)
        sent = 0
        # A broken spec is reported by the DAG `retrain-refused-specs`.
        for file in spec_files.load_folder(Path(self.specs)).files:
            sent += outbox.send(file.spec.model, channels(file.spec), ledger=ledger)
            metrics.message_age(str(file.path), ledger.outbox_age(file.spec.model))
        return sent
