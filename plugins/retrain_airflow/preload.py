"""Imports ahead of need, in the processes of Airflow that fork: no fork spends its first seconds on importing."""

import sys
from importlib import import_module
from pkgutil import iter_modules

_DAGS = "retrain_airflow.dags.build"
_TASKS = ("retrain_airflow.channels", "retrain_airflow.hooks.postgres")
_TASKS_ALL_OF = "retrain.cycle"
_PARSING = ["dag-processor"]
_FORKING = (["scheduler"], ["celery", "worker"])


def where_needed() -> None:
    """Import what a DAG file imports, where forks parse it; and what tasks import, where forks run them."""
    runs_tasks = any(_runs(command) for command in _FORKING)
    if runs_tasks or _runs(_PARSING):
        import_module(_DAGS)
    if runs_tasks:
        for module in iter_modules(import_module(_TASKS_ALL_OF).__path__, f"{_TASKS_ALL_OF}."):
            import_module(module.name)
        for name in _TASKS:
            import_module(name)
        import_module("retrain.models.files").skops()


def is_api_server() -> bool:
    """Return whether this process serves HTTP. In all others the API's application would be made for nothing."""
    return _runs(["api-server"])


def _runs(command: list[str]) -> bool:
    return [word for word in sys.argv[1:] if not word.startswith("-")][: len(command)] == command
