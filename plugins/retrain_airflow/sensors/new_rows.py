from typing import Any

from airflow.sdk import BaseSensorOperator, Context, PokeReturnValue

from retrain_airflow import metrics
from retrain_airflow.compat import FailsWhereRetryCannotHelp
from retrain_airflow.hooks.retrain import RetrainHook
from retrain_airflow.inputs import is_on


class NewRowsSensor(FailsWhereRetryCannotHelp, BaseSensorOperator):
    """Waits until enough new labelled rows have arrived in the spec's source.

    By default it looks once, and is skipped where too few rows are there: the next run of the schedule looks again.
    """

    template_fields = ("spec", "ignore_threshold")

    def __init__(
        self,
        *,
        spec: str,
        ignore_threshold: Any = False,
        timeout: float = 0,
        soft_fail: bool = True,
        **kwargs: Any,
    ) -> None:
        """spec: path of the spec file. ignore_threshold: go on however few rows are there."""
        super().__init__(timeout=timeout, soft_fail=soft_fail, **kwargs)
        self.spec = spec
        self.ignore_threshold = ignore_threshold
        self._hinted = False

    def poke(self, context: Context) -> PokeReturnValue:  # noqa: ARG002 - Airflow's signature
        """Return whether the cycle goes on, and what was counted: a `retrain.cycle.threshold.Sensed` as JSON.

        Raises ToldError, before anything is read or trained, where what looks like Production is not known.
        """
        from retrain.cycle.sense import sense

        hook = RetrainHook(self.spec)
        sensed = sense(hook.spec, source=hook.source, ledger=hook.ledger)
        self.log.info("%s", sensed)
        metrics.rows_waiting(self.spec, sensed.new_rows)
        self._hint(hook)
        goes_on = sensed.enough or is_on(self.ignore_threshold, "ignore_threshold")
        if goes_on:
            self._refuse_unknown(hook)
        return PokeReturnValue(goes_on, sensed.to_json())

    @staticmethod
    def _refuse_unknown(hook: RetrainHook) -> None:
        from retrain.production.known import (
            refuse_unknown,  # it imports MLflow, which a run that is skipped never needs
        )

        refuse_unknown(hook.spec.model, hook.ledger, hook.tracker)

    def _hint(self, hook: RetrainHook) -> None:
        """Log why counting is slow, once however often the sensor looks."""
        if self._hinted:
            return
        self._hinted = True
        plan = hook.source.count_plan()
        if plan.slow:
            self.log.warning("%s", plan)
