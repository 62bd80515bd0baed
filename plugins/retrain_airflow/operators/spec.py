from collections.abc import Sequence
from typing import Any

from airflow.sdk import BaseOperator

from retrain_airflow.compat import FailsWhereRetryCannotHelp
from retrain_airflow.hooks.retrain import RetrainHook
from retrain_airflow.hooks.tracker import TrackerHook


class SpecOperator(FailsWhereRetryCannotHelp, BaseOperator):
    """An operator of one model: it has a hook of its spec file and connections."""

    template_fields: Sequence[str] = ("spec",)

    def __init__(
        self,
        *,
        spec: str,
        tracker_conn_id: str = TrackerHook.default_conn_name,
        ledger_conn_id: str = "retrain_state",
        **kwargs: Any,
    ) -> None:
        """spec: path of the spec file."""
        super().__init__(**kwargs)
        self.spec = spec
        self.tracker_conn_id = tracker_conn_id
        self.ledger_conn_id = ledger_conn_id

    @property
    def hook(self) -> RetrainHook:
        return RetrainHook(self.spec, tracker_conn_id=self.tracker_conn_id, ledger_conn_id=self.ledger_conn_id)
