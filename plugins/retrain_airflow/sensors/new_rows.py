from typing import Any

from airflow.sdk import BaseSensorOperator, Context, PokeReturnValue

from retrain_airflow import metrics
from retrain_airflow.hooks.retrain import RetrainHook


class NewRowsSensor(BaseSensorOperator):
    """Waits until enough new labelled rows have arrived in the spec's source.

    By default it looks once, and is skipped where too few rows are there: the next run of the schedule looks again.
    """

    template_fields = ("spec", "ignore_threshold")

    def __init__(
        self,
        *,
        spec: str,
        ignore_threshold: Any = False,
        ledger_conn_id: str = "retrain_state",
        timeout: float = 0,
        soft_fail: bool = True,
        **kwargs: Any,
    ) -> None:
        """spec: path of the spec file. ignore_threshold: go on however few rows are there."""
        super().__init__(timeout=timeout, soft_fail=soft_fail, **kwargs)
        self.spec = spec
        self.ignore_threshold = ignore_threshold
        self.ledger_conn_id = ledger_conn_id
        self._hinted = False

    def poke(self, context: Context) -> PokeReturnValue:  # noqa: ARG002 - Airflow's signature
        """Return whether the cycle goes on, and what was counted: a `retrain.cycle.threshold.Sensed` as JSON."""
        from retrain.cycle.sense import sense

        hook = RetrainHook(self.spec, ledger_conn_id=self.ledger_conn_id)
        sensed = sense(hook.spec, source=hook.source, ledger=hook.ledger)
        self.log.info("%s", sensed)
        metrics.rows_waiting(self.spec, sensed.new_rows)
        self._hint(hook)
        return PokeReturnValue(sensed.enough or bool(self.ignore_threshold), sensed.to_json())

    def _hint(self, hook: RetrainHook) -> None:
        """Log why counting is slow, once however often the sensor looks."""
        if self._hinted:
            return
        self._hinted = True
        plan = hook.source.count_plan()
        if plan.slow:
            self.log.warning("%s", plan)
