"""The wheel in each corner: its DAGs are parsed there, its plugin, provider and command are found."""

import json
import shutil
from pathlib import Path

from matrix.corners import Corner
from stack.home import PROJECT, SPECS
from tests.corners.conftest import each_corner, run

DAGS = ["retrain-adopt", "retrain-freeze", "retrain-outbox", "retrain-rollback", "retrain-watch"]
PROGRAM = """
import json, logging, os, warnings
logging.disable(logging.CRITICAL)
import airflow
try:
    from airflow.dag_processing.dagbag import DagBag
except ImportError:
    from airflow.models.dagbag import DagBag
try:
    from airflow.serialization.serialized_objects import DagSerialization
except ImportError:
    from airflow.serialization.serialized_objects import SerializedDAG as DagSerialization
from airflow import plugins_manager
from airflow.providers_manager import ProvidersManager

bag = DagBag(os.environ["AIRFLOW__CORE__DAGS_FOLDER"])
if hasattr(plugins_manager, "_get_plugins"):
    plugins, errors = plugins_manager._get_plugins()
else:
    plugins_manager.ensure_plugins_loaded()
    plugins, errors = plugins_manager.plugins, plugins_manager.import_errors
providers = ProvidersManager()
print(json.dumps({
    # Stored, as the dag processor does: not all that can be made can be stored in each version.
    "dags": sorted(name for name, dag in bag.dags.items() if json.dumps(DagSerialization.to_dict(dag))),
    "errors": {**bag.import_errors, **errors},
    "plugins": [plugin.name for plugin in plugins].count("retrain"),
    "provider": "airflow-provider-retrain" in providers.providers,
    "connection": "mlflow" in providers.hooks,
    "from": __import__("retrain").__file__,
}))
"""


@each_corner
def test_the_wheel_is_parsed_and_found(corner: Corner, environment: Path, place: Path) -> None:
    dags, specs = place / "dags", place / "specs"
    dags.mkdir()
    shutil.copy(PROJECT / "dags" / "retrain_dags.py", dags)
    shutil.copytree(PROJECT / "include" / "estimators", dags / "estimators")
    shutil.copytree(SPECS, specs)
    printed = run(
        environment,
        "python",
        "-c",
        PROGRAM,
        cwd=place,
        AIRFLOW_HOME=str(place / "airflow"),
        AIRFLOW__CORE__DAGS_FOLDER=str(dags),
        AIRFLOW__CORE__LOAD_EXAMPLES="False",
        RETRAIN_SPECS=str(specs),
    )
    found = json.loads(printed.splitlines()[-1])
    assert found.pop("from").startswith(str(environment))
    assert found == {
        "dags": sorted([*DAGS, *(f"retrain_{path.stem}" for path in SPECS.glob("*.yaml"))]),
        "errors": {},
        "plugins": 1,
        "provider": True,
        "connection": True,
    }


@each_corner
def test_the_command_is_there(corner: Corner, environment: Path, place: Path) -> None:
    assert "migrate" in run(environment, "retrain", "--help", cwd=place)
    assert "--dsn" in run(environment, "retrain", "migrate", "--help", cwd=place)
