"""Which process of Airflow needs what of Retrain: tasks should not spend their first seconds on importing."""

import sys
from importlib import import_module

_HEAVY = ("retrain.steps", "retrain_airflow.channels", "retrain_airflow.hooks.postgres")
_FORKING = (["scheduler"], ["celery", "worker"])


def where_tasks_are_forked() -> None:
    """Import them in the scheduler and in a Celery worker; in no other process of Airflow."""
    if any(_runs(command) for command in _FORKING):
        for name in _HEAVY:
            import_module(name)
        import_module("retrain.model_files").skops()


def is_api_server() -> bool:
    """Whether this process serves HTTP. In all others the API's application would be made for nothing."""
    return _runs(["api-server"])


def _runs(command: list[str]) -> bool:
    return [word for word in sys.argv[1:] if not word.startswith("-")][: len(command)] == command
