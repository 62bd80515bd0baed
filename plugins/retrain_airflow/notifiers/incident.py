import asyncio
from typing import Any

from airflow.sdk import BaseNotifier, Context

from retrain.errors import ToldError
from retrain.records import Fault, Incident
from retrain.topics import Topic
from retrain_airflow import sending, task_faults
from retrain_airflow.compat import AirflowTaskTimeout, cause
from retrain_airflow.hooks.retrain import RetrainHook


class IncidentNotifier(BaseNotifier):
    """Tells a model's team what has failed for good: as `on_failure_callback` of a task or of any DAG, and as the
    callback of a deadline.

    A failure that repeats run after run is announced the first, second, fourth, eighth time and so on. It also delivers
    what else waits, because task `notify` does not run after a failure.
    """

    template_fields = ("spec",)

    def __init__(self, *, spec: str, context: Context | None = None) -> None:
        """spec: path of the model's spec file. context: of a deadline; Airflow passes it."""
        super().__init__(context)
        self.spec = spec

    def notify(self, context: Context) -> None:
        from retrain.messages import texts

        hook = RetrainHook(self.spec)
        model, error = hook.spec.model, cause(context.get("exception"))
        if error is None and ("reason" in context or "deadline" in context):
            key, incident = _of_run(model, dict(context))
            hook.ledger.announce(key, texts.of_incident(incident))
        # The core has announced it already, once for the same rows or the same version: it only has to be delivered.
        elif not isinstance(error, ToldError):
            fault = Fault(name=task_faults.name(context["ti"], error), incident=_of_task(model, context))
            hook.ledger.fail(fault, key=task_faults.key(context["ti"]), announcement=texts.of_fault)
        sending.send(self.spec, hook.spec, hook.ledger)

    async def async_notify(self, context: Context) -> None:
        """Do the same in the triggerer, whose event loop must not wait for a channel."""
        await asyncio.to_thread(self.notify, context)


def _of_task(model: str, context: Context) -> Incident:
    ti, error = context["ti"], cause(context.get("exception"))
    why = str(error or "its process was killed")
    if isinstance(error, AirflowTaskTimeout):
        why = f"it took longer than {ti.task.execution_timeout}, which is the most that it may"
    return Incident(
        model=model,
        topic=Topic.TASK_FAILED,
        what=f"task {ti.task_id} of run {ti.run_id} failed: {why}.",
        remedy="Nothing was changed that a new run would not take up. Look at the task's log, then clear the task.",
        facts=task_faults.facts(ti),
    )


def _of_run(model: str, context: dict[str, Any]) -> tuple[str, Incident]:
    """Return the key and the incident of a whole run that has failed or missed a deadline."""
    run = context["dag_run"]
    # A deadline's callback gets the run as a mapping, like that of Airflow's REST API.
    dag_id, run_id = (run["dag_id"], run["dag_run_id"]) if isinstance(run, dict) else (run.dag_id, run.run_id)
    late = "deadline" in context
    what = "has missed its deadline" if late else f"failed: {context['reason']}"
    incident = Incident(
        model=model,
        topic=Topic.DEADLINE_MISSED if late else Topic.RUN_FAILED,
        what=f"run {run_id} of {dag_id} {what}.",
        remedy="Look at its tasks in Airflow." + (" The run goes on meanwhile." if late else ""),
        facts={"dag_id": dag_id, "run_id": run_id},
    )
    return f"run/{dag_id}/{run_id}/{'late' if late else 'failed'}", incident
