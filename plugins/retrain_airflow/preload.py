"""Imports what tasks need in the processes that fork them, so that no task spends its first seconds on importing."""

import sys
from importlib import import_module

_HEAVY = ("retrain.steps", "retrain.channels", "retrain_airflow.hooks.postgres")
_FORKING = (["scheduler"], ["celery", "worker"])


def where_tasks_are_forked() -> None:
    """Import them in the scheduler and in a Celery worker; in no other process of Airflow."""
    words = [word for word in sys.argv[1:] if not word.startswith("-")]
    if any(words[: len(command)] == command for command in _FORKING):
        for name in _HEAVY:
            import_module(name)
