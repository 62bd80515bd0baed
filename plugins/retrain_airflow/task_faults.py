"""Names of a task's failures among a model's faults: the same failure in a later run is the same fault."""

from typing import Any


def prefix(ti: Any) -> str:
    """Return what the names of all faults of this task begin with, whatever the run."""
    return f"task/{ti.dag_id}/{ti.task_id}/{ti.map_index}/"


def name(ti: Any, error: object) -> str:
    """Return the name of the fault. error: the task's exception; None where its process was killed."""
    return prefix(ti) + ("killed" if error is None else type(error).__name__)


def key(ti: Any) -> str:
    """Return a key for this failure alone."""
    return f"{ti.run_id}/{ti.try_number}"
