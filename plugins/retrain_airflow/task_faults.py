"""What a task's failures are called among a model's faults: one that fails again in the same way is the same fault."""

from typing import Any


def prefix(ti: Any) -> str:
    """Of all faults of this task, of whatever run."""
    return f"task/{ti.dag_id}/{ti.task_id}/{ti.map_index}/"


def name(ti: Any, error: object) -> str:
    """error: what it failed with; None where its process was killed."""
    return prefix(ti) + ("killed" if error is None else type(error).__name__)


def key(ti: Any) -> str:
    """Of this failure alone."""
    return f"{ti.run_id}/{ti.try_number}"
