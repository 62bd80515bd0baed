from collections.abc import Sequence
from typing import Any

from airflow.sdk import BaseOperator, Context

from retrain.errors import SpecError


class RefuseOperator(BaseOperator):
    """Fails with the faults of the specs that make no DAG."""

    def __init__(self, *, faults: Sequence[str], **kwargs: Any) -> None:
        super().__init__(**kwargs)
        self.faults = faults

    def execute(self, context: Context) -> None:  # noqa: ARG002 - Airflow's signature
        """Raises SpecError."""
        raise SpecError("\n".join(self.faults))
