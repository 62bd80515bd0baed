from typing import Any

from airflow.sdk import Context

from retrain_airflow import metrics, sending
from retrain_airflow.operators.spec import SpecOperator


class NotifyOperator(SpecOperator):
    """Sends what waits in the model's outbox to the spec's channels. Returns how many messages all of them
    have received.

    A channel that refuses does not fail the task: DAG `retrain-outbox` sends again.
    """

    def __init__(self, *, ends_cycle: bool = False, **kwargs: Any) -> None:
        """ends_cycle: whether the run is a cycle, whose time is a metric."""
        super().__init__(**kwargs)
        self.ends_cycle = ends_cycle

    def execute(self, context: Context) -> int:
        hook = self.hook
        if self.ends_cycle:
            metrics.cycle_done(self.spec, context["dag_run"].start_date)
        return sending.send(self.spec, hook.spec, hook.ledger)
