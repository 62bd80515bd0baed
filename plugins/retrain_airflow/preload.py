"""Which process of Airflow needs what of Retrain: its forks should not spend their first seconds on importing."""

import sys
from collections.abc import Sequence
from importlib import import_module
from pkgutil import iter_modules

_DAGS = ("retrain_airflow.on_call", "retrain_airflow.task_defaults")
_DAGS_ALL_OF = ("retrain_airflow.operators", "retrain_airflow.sensors", "retrain_airflow.notifiers")
_TASKS = ("retrain_airflow.channels", "retrain_airflow.hooks.postgres")
_TASKS_ALL_OF = ("retrain.cycle",)
_PARSING = (["dag-processor"],)
_FORKING = (["scheduler"], ["celery", "worker"])


def where_needed() -> None:
    """Import what DAG files import in the processes whose forks read them, and what tasks do where tasks are forked."""
    if any(_runs(command) for command in (*_PARSING, *_FORKING)):
        _import(_DAGS, _DAGS_ALL_OF)
    if any(_runs(command) for command in _FORKING):
        _import(_TASKS, _TASKS_ALL_OF)
        import_module("retrain.models.files").skops()


def is_api_server() -> bool:
    """Whether this process serves HTTP. In all others the API's application would be made for nothing."""
    return _runs(["api-server"])


def _import(modules: Sequence[str], packages: Sequence[str]) -> None:
    """These modules, and all that are in these packages."""
    for package in packages:
        for module in iter_modules(import_module(package).__path__, f"{package}."):
            import_module(module.name)
    for name in modules:
        import_module(name)


def _runs(command: list[str]) -> bool:
    return [word for word in sys.argv[1:] if not word.startswith("-")][: len(command)] == command
