from collections.abc import Sequence
from typing import Any

from airflow.sdk import BaseOperator

from retrain_airflow.compat import FailsWhereRetryCannotHelp
from retrain_airflow.hooks.retrain import RetrainHook


class SpecOperator(FailsWhereRetryCannotHelp, BaseOperator):
    """An operator of one model: it has a hook of its spec file, which names the connections."""

    template_fields: Sequence[str] = ("spec",)

    def __init__(self, *, spec: str, **kwargs: Any) -> None:
        """spec: path of the spec file."""
        super().__init__(**kwargs)
        self.spec = spec

    @property
    def hook(self) -> RetrainHook:
        return RetrainHook(self.spec)
