"""All DAGs of a folder of specs. Importing this builds none: the dag processor imports it once and forks to parse."""

from collections.abc import Sequence
from itertools import product
from pathlib import Path

from airflow.sdk import DAG, get_parsing_context

from retrain.spec import files as spec_files
from retrain.spec.files import SpecFile
from retrain_airflow.dags.cycle import cycle_dag
from retrain_airflow.dags.freeze import freeze_dag
from retrain_airflow.dags.outbox import outbox_dag
from retrain_airflow.dags.refused import REFUSED, refused_dag
from retrain_airflow.dags.rollback import rollback_dag
from retrain_airflow.dags.watch import watch_dag

_OF_EACH_SPEC = {"retrain": cycle_dag, "rollback": rollback_dag, "watch": watch_dag}
"""By what the DAG's id begins with; the name of the spec file follows."""


def build(folder: Path | None) -> dict[str, DAG]:
    """Return the DAGs of the specs in `folder` (None: it is not named), and those that are there once for all,
    by id.

    A broken spec does not take the others down: its faults are in the DAG `retrain-refused-specs`. Where Airflow parses
    in order to run a task, only the DAG of that task is needed: with fifty specs that saves 0.6 s of CPU a task.
    """
    specs = spec_files.load_folder(folder)
    dags, faults = _of_specs(specs.files, only=get_parsing_context().dag_id)
    dags += [freeze_dag([file.spec.model for file in specs.files], folder), outbox_dag(folder)]
    if faults := [*specs.faults, *faults]:
        dags.append(refused_dag(faults))
    return {dag.dag_id: dag for dag in dags}


def _of_specs(files: Sequence[SpecFile], only: str | None) -> tuple[list[DAG], list[str]]:
    """Return the DAGs of these specs, and the first fault of each spec that does not make all of them."""
    dags: list[DAG] = []
    faults: dict[str, str] = {}
    for file, (prefix, make) in product(files, _OF_EACH_SPEC.items()):
        if only not in (None, REFUSED, f"{prefix}_{file.path.stem}"):
            continue
        # Each by itself: what one of them cannot be leaves the others as they are.
        try:
            dag = make(file)
            dag.validate()  # type: ignore[no-untyped-call]
            dags.append(dag)
        except Exception as error:
            faults.setdefault(file.path.name, f"{file.path.name}: {error}")
    return dags, list(faults.values())
