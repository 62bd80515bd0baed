from typing import Any

from airflow.sdk import BaseNotifier, Context

from retrain.errors import BlockedDataError
from retrain.nouns import Fault, Incident
from retrain_airflow import task_faults
from retrain_airflow.hooks.retrain import RetrainHook


class IncidentNotifier(BaseNotifier):
    """Tells the team that a task has failed for good: as `on_failure_callback`.

    What fails again in the same way, run after run, is told the first, second, fourth, eighth time and so on.
    It delivers what else waits, because the task that would do so does not run after a failure.
    """

    template_fields = ("spec",)

    def __init__(self, *, spec: str, state_conn_id: str = "retrain_state") -> None:
        super().__init__()
        self.spec = spec
        self.state_conn_id = state_conn_id

    def notify(self, context: Context) -> None:
        from retrain import outbox
        from retrain_airflow.channels import channels

        hook = RetrainHook(self.spec, state_conn_id=self.state_conn_id)
        ti, error = context["ti"], context.get("exception")
        # Of data that is blocked the core has told already, once for the same rows: it only waits to be delivered.
        if not isinstance(error, BlockedDataError):
            fault = Fault(name=task_faults.name(ti, error), incident=_incident(hook.spec.model, context))
            hook.state.fail(fault, key=task_faults.key(ti))
        outbox.send(hook.spec.model, channels(hook.spec), state=hook.state)


def _incident(model: str, context: Context) -> Incident:
    ti, error = context["ti"], context.get("exception")
    facts: dict[str, Any] = {"dag_id": ti.dag_id, "run_id": ti.run_id, "task_id": ti.task_id, "log_url": ti.log_url}
    return Incident(
        model=model,
        what=f"task {ti.task_id} of run {ti.run_id} failed: {error or 'its process was killed'}.",
        remedy="Nothing was changed that a new run would not take up. Look at the task's log, then clear the task.",
        facts=facts,
    )
