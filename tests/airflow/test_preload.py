"""Where imports happen ahead of need: in the processes whose forks run tasks or read DAG files, and in no other."""

import pytest

from tests.airflow.conftest import PROJECT, python

IMPORTS = """
import sys
from retrain_airflow import preload
sys.modules["retrain.cycle.evaluate"] = None  # an import of it fails from now on
for words in sys.argv[1:]:
    sys.argv[1:] = words.split()
    try:
        preload.where_needed()
        print("imports nothing")
    except ImportError:
        print("imports")
"""
IMPORTED = """
import sys
sys.modules["retrain.cycle.evaluate"] = None
sys.argv[1:] = ["celery", "worker"]
try:
    import retrain_airflow.celery_worker
except ImportError:
    print("imports")
"""
LEFT = """
import sys
import airflow.dag_processing.manager
from retrain_airflow import preload
preload.where_needed()
before = set(sys.modules)
from airflow.dag_processing.dagbag import DagBag
for file in sys.argv[2:]:
    assert not DagBag(file).import_errors
print(sorted(name for name in set(sys.modules) - before if name.startswith("retrain")))
print(sorted({"mlflow", "numpy", "pandas", "sklearn"} & sys.modules.keys()))
"""
LOADS = """
import sys
from airflow import plugins_manager
plugins_manager.ensure_plugins_loaded()
names = [plugin["name"] for plugin in plugins_manager.get_plugin_info(["name"])]
print(plugins_manager.get_import_errors(), "retrain" in names)
needed = {"mlflow", "pandas", "retrain.messages.webhook", "retrain_airflow.hooks.postgres", "sklearn"}
print(needed - sys.modules.keys())
print({"incident", "postgres", "preload", "snapshot", "tracker", "train"} & sys.modules.keys())
"""


def _in_turn(*commands: str) -> list[str]:
    """Returns what each command would do; in one process, whose start takes seconds."""
    return [line for line in python(IMPORTS, *commands).splitlines() if line.startswith("imports")]


def test_a_process_that_forks_tasks_imports_what_they_need() -> None:
    commands = ("scheduler", "scheduler --pid file", "celery worker", "celery worker -q gpu")
    assert _in_turn(*commands) == ["imports"] * 4


@pytest.mark.nightly  # one more import of everything, as in the first test
def test_a_celery_worker_which_loads_no_plugin_imports_through_celerys_own_setting() -> None:
    assert python(IMPORTED).splitlines()[-1:] == ["imports"]


def test_another_process_imports_nothing() -> None:
    commands = ("", "api-server", "dag-processor", "triggerer", "celery flower", "dags test scheduler")
    assert _in_turn(*commands) == ["imports nothing"] * 6


def test_a_fork_that_reads_our_dag_files_imports_nothing_of_ours_and_nothing_heavy() -> None:
    printed = python(LEFT, "dag-processor", *map(str, sorted((PROJECT / "dags").glob("*.py"))))
    assert printed.splitlines()[-2:] == ["[]", "[]"]


@pytest.mark.nightly  # the same again, through Airflow; tests/e2e has it in each of its processes
def test_airflow_loads_the_plugin_and_takes_no_file_beside_it_for_one() -> None:
    printed = python(LOADS, "scheduler", AIRFLOW__CORE__PLUGINS_FOLDER=str(PROJECT / "plugins"))
    assert printed.splitlines()[-3:] == [
        "{} True",
        "set()",
        "set()",
    ]
