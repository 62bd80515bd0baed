from collections.abc import Sequence
from datetime import timedelta
from itertools import groupby
from pathlib import Path
from typing import Any

from airflow.sdk import BaseOperator, Context

from retrain.errors import RetrainError
from retrain.spec import files as spec_files
from retrain.spec.files import SpecFile
from retrain_airflow import metrics, sending
from retrain_airflow.compat import AirflowSkipException
from retrain_airflow.hooks.retrain import for_each_ledger, ledger_of
from retrain_airflow.operators.paused import is_paused


class SendOutboxOperator(BaseOperator):
    """Sends what waits in the outbox of each model. Returns how many messages all channels have received by that.

    Each ledger that the specs name is looked into. Where no message waits, no channel is looked up. Skipped while there
    is no ledger yet, and no model's DAG is on.
    """

    template_fields: Sequence[str] = ("specs",)

    def __init__(self, *, specs: str | None, **kwargs: Any) -> None:
        """specs: the folder of the spec files; None if it is not named."""
        super().__init__(**kwargs)
        self.specs = specs

    def execute(self, context: Context) -> int:
        # A broken spec, or none, is reported by the DAG `retrain-refused-specs`.
        files = spec_files.load_folder(None if self.specs is None else Path(self.specs)).files
        of_ledger = {name: list(some) for name, some in groupby(sorted(files, key=_ledger_name), key=_ledger_name)}
        sent, not_there = list[int](), list[str]()

        def send(connection_id: str) -> None:
            some = of_ledger[connection_id]
            try:
                ledger = ledger_of(connection_id)
            except RetrainError as error:
                # A new installation is not red before somebody has set it up and switched a model on.
                if not all(is_paused(context, file.dag_id) for file in some):
                    raise
                not_there.append(str(error))
            else:
                sent.append(_send(some, ledger))

        for_each_ledger(of_ledger, send)
        if not_there and not sent:
            raise AirflowSkipException(f"Every model's DAG is paused, and there is no ledger: {not_there[0]}")
        return sum(sent)


def _ledger_name(file: SpecFile) -> str:
    return file.spec.connections.ledger


def _send(files: Sequence[SpecFile], ledger: Any) -> int:
    waiting, sent = ledger.models_waiting(), 0
    for file in files:
        if file.spec.model in waiting:
            sent += sending.send(str(file.path), file.spec, ledger)
        else:
            metrics.message_age(str(file.path), timedelta(0))
    return sent
