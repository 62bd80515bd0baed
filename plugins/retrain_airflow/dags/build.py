"""All DAGs of a folder of specs. Importing this builds none: the dag processor imports it once and forks to parse."""

from collections.abc import Sequence
from pathlib import Path

from airflow.sdk import DAG, get_parsing_context

from retrain.spec import files as spec_files
from retrain.spec.connections import DEFAULT
from retrain.spec.files import SpecFile
from retrain_airflow.dags.adopt import adopt_dag
from retrain_airflow.dags.cycle import cycle_dag
from retrain_airflow.dags.freeze import freeze_dag
from retrain_airflow.dags.outbox import outbox_dag
from retrain_airflow.dags.refused import REFUSED, refused_dag
from retrain_airflow.dags.rollback import rollback_dag
from retrain_airflow.dags.split import split_dag
from retrain_airflow.dags.watch import watch_dag


def build(folder: str | Path | None = None) -> dict[str, DAG]:
    """Return the DAGs of the specs in `folder`, and those that are there once for all, by id.

    folder: None for the one that RETRAIN_SPECS names. A broken spec does not take the others down: its faults are in
    the DAG `retrain-refused-specs`. Where Airflow parses in order to run a task, only the DAG of that task is needed:
    with two hundred specs that saves 1.2 s of CPU a task.
    """
    folder = spec_files.folder() if folder is None else Path(folder)
    only = get_parsing_context().dag_id
    specs = spec_files.load_folder(folder, only=only)
    dags, faults = _of_specs(specs.files, only)
    models = [file.spec.model for file in specs.files]
    ledgers = sorted({file.spec.connections.ledger for file in specs.files} or {DEFAULT.ledger})
    dags += [watch_dag(folder), freeze_dag(models, folder), outbox_dag(folder, ledgers)]
    if models:
        dags += [rollback_dag(models, folder), adopt_dag(models, folder)]
    if faults := [*specs.faults, *faults]:
        dags.append(refused_dag(faults))
    return {dag.dag_id: dag for dag in dags}


def _of_specs(files: Sequence[SpecFile], only: str | None) -> tuple[list[DAG], list[str]]:
    """Return the DAGs of these specs, and the fault of each spec that makes none."""
    dags: list[DAG] = []
    faults: list[str] = []
    for file in files:
        made = {file.dag_id: cycle_dag} | ({file.ab_dag_id: split_dag} if file.spec.ab else {})
        for dag_id, make in made.items():
            if only not in (None, REFUSED, dag_id):
                continue
            # Each by itself: what one of them cannot be leaves the others as they are.
            try:
                dag = make(file)
                dag.validate()  # type: ignore[no-untyped-call]
                dags.append(dag)
            except Exception as error:
                faults.append(f"{file.path.name}: {error}")
    return dags, faults
