"""Where the slow imports happen: in the two processes that fork tasks, and in no other."""

import pytest

from tests.airflow.conftest import PROJECT, python

IMPORTS = """
import sys
from retrain_airflow import preload
sys.modules["retrain.steps"] = None  # whoever imports it now fails
try:
    preload.where_tasks_are_forked()
    print("imports nothing")
except ImportError:
    print("imports")
"""
LOADS = """
import sys
from airflow import plugins_manager
plugins_manager.ensure_plugins_loaded()
names = [plugin["name"] for plugin in plugins_manager.get_plugin_info(["name"])]
print(plugins_manager.get_import_errors(), "retrain" in names)
needed = {"mlflow", "pandas", "retrain.channels", "retrain_airflow.hooks.postgres", "sklearn"}
print(needed - sys.modules.keys())
print({"incident", "postgres", "preload", "take", "tracker", "train"} & sys.modules.keys())
"""


@pytest.mark.parametrize(
    "arguments",
    [("scheduler",), ("scheduler", "--pid", "file"), ("celery", "worker"), ("celery", "worker", "-q", "gpu")],
)
def test_a_process_that_forks_tasks_imports_what_they_need(arguments: tuple[str, ...]) -> None:
    assert python(IMPORTS, *arguments) == "imports\n"


@pytest.mark.parametrize(
    "arguments",
    [(), ("api-server",), ("dag-processor",), ("triggerer",), ("celery", "flower"), ("dags", "test", "scheduler")],
)
def test_another_process_imports_nothing(arguments: tuple[str, ...]) -> None:
    assert python(IMPORTS, *arguments) == "imports nothing\n"


def test_airflow_loads_the_plugin_and_takes_no_file_beside_it_for_one() -> None:
    said = python(LOADS, "scheduler", AIRFLOW__CORE__PLUGINS_FOLDER=str(PROJECT / "plugins"))
    assert said.splitlines()[-3:] == [
        "{} True",
        "set()",
        "set()",
    ]
