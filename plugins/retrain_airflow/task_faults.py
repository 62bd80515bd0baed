"""Names of a task's failures among a model's faults: the same failure in a later run is the same fault."""

from typing import TYPE_CHECKING, Any

from retrain.errors import ToldError
from retrain.records import Fault, Incident
from retrain_airflow import sending

if TYPE_CHECKING:
    from retrain_airflow.hooks.retrain import RetrainHook


def prefix(ti: Any) -> str:
    """Return what the names of all faults of this task begin with, whatever the run."""
    return f"task/{ti.dag_id}/{ti.task_id}/{ti.map_index}/"


def name(ti: Any, error: object) -> str:
    """Return the name of the fault. error: the task's exception; None where its process was killed."""
    return prefix(ti) + ("killed" if error is None else type(error).__name__)


def key(ti: Any) -> str:
    """Return a key for this failure alone."""
    return f"{ti.run_id}/{ti.try_number}"


def facts(ti: Any) -> dict[str, Any]:
    """Return where the task can be seen."""
    return {"dag_id": ti.dag_id, "run_id": ti.run_id, "task_id": ti.task_id, "log_url": ti.log_url}


def tell(hook: "RetrainHook", ti: Any, error: Exception, incident: Incident) -> None:
    """Tell the spec's own team that a task could not look at its model; what the core has announced already only has to
    be delivered.
    """
    from retrain.messages import texts

    if not isinstance(error, ToldError):
        fault = Fault(name=name(ti, error), incident=incident)
        hook.ledger.fail(fault, key=key(ti), announcement=texts.of_fault)
    sending.send_waiting(hook)


def end(hook: "RetrainHook", ti: Any) -> None:
    """End the faults of this task, as it could look, and send what waits."""
    from retrain.messages import texts

    hook.ledger.end_faults(hook.spec.model, prefix(ti), announcement=texts.of_recovery)
    sending.send_waiting(hook)
