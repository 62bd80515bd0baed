"""What is in Production: alias, stage, files, versions of packages, signature."""

import re
import shutil
import sys
from functools import partial
from pathlib import Path
from tempfile import TemporaryDirectory
from types import SimpleNamespace
from typing import Any
from uuid import uuid4

import pandas as pd
import pytest
from sklearn.linear_model import LogisticRegression

from retrain.cycle.snapshot import take_snapshot
from retrain.errors import AdoptionError
from retrain.models import files as model_files
from retrain.preflight.probe import State
from retrain.preflight.stores import registry_of, stores_of
from retrain.records import ModelFile, Subset
from retrain_airflow.operators.adopt import AdoptOperator
from tests.airflow.doctor_ways.way import Stack, Steps, way
from tests.core.tracker.contract.samples import LABELS, ROWS
from tests.faults import by_hand

_production = partial(way, "Production", part="Production of MODEL")


def _adopt(stack: Stack, **form: Any) -> None:
    """Adopt as DAG `retrain-adopt` does, which says first what it has found."""

    def run(**more: Any) -> None:
        context = {"dag": SimpleNamespace(dag_id="retrain-adopt"), "run_id": "run 1"}
        AdoptOperator(task_id="adopt", spec=stack.toy.spec, why="it was here before", by="kim", **form, **more).execute(
            context  # type: ignore[arg-type]
        )

    with pytest.raises(AdoptionError, match="nothing was adopted yet") as shown:
        run()
    (format_,), (digest,) = (re.findall(f"{name}: (\\w+)", str(shown.value)) for name in ("format", "digest"))
    run(format=format_, digest=digest)


def _alias(stack: Stack, version: str, name: str = "production") -> None:
    with stack.tracker._translated_errors(stack.toy.name):
        stack.tracker._client.set_registered_model_alias(stack.toy.name, name, version)


def _logged(stack: Stack, rows: pd.DataFrame = ROWS, trust: tuple[str, ...] = ()) -> str:
    """Let a candidate of Retrain's be in Production, and return its version."""
    tracker, ledger, name = stack.tracker, stack.toy.ledger, stack.toy.name
    run = tracker.start_run(tracker.create_experiment(f"ours-{uuid4().hex}"), "whole")
    fitted = LogisticRegression().fit(rows, LABELS)
    logged = tracker.log_model(run, "whole", fitted, rows, key=uuid4().hex, trust=trust)
    version = tracker.register_model(run, name, logged.uri)
    stores = stores_of(name, stack.toy.path.parent)
    snapshot = take_snapshot(stores.spec, source=stores.source, snapshots=stores.snapshots, ledger=ledger)
    ledger.save_model_file(ModelFile(logged.uri, logged.digest, name, "whole", snapshot.id, run, (Subset.TRAIN,)))
    ledger.save_version(logged.uri, version)
    _alias(stack, version)
    return version


def _files(stack: Stack, version: str) -> Path:
    """Return where MLflow's server keeps the files of a version."""
    home = stack.fixture("mlflow_server").home
    with TemporaryDirectory() as folder:
        path = stack.tracker.download_model(f"models:/{stack.toy.name}/{version}", Path(folder))
        wanted = model_files.digest(path)
    (found,) = {file.parent for file in Path(home.path).rglob("MLmodel") if model_files.digest(file.parent) == wanted}
    return found


@_production(
    "somebody else's version has the alias",
    "version 1 (…alias production) is Production, and Retrain did not log it: no cycle trains",
    "adopt it: `retrain adopt MODEL 1`, or DAG retrain-adopt",
)
def foreign(stack: Stack) -> Steps:
    by_hand.log_pickle(stack.tracker, stack.toy.name, LogisticRegression())
    _alias(stack, "1")
    yield
    _adopt(stack)


@_production(
    "a version is in the stage, and none has the alias",
    "version 1 (stage Production) may be Production, and no version owns alias production: no cycle trains",
    "adopt it (`retrain adopt MODEL 1`), or say that it is not (--none)",
)
def stage_alone(stack: Stack) -> Steps:
    by_hand.register(stack.tracker, stack.toy.name, stage="Production")
    yield
    stores = stores_of(stack.toy.name, stack.toy.path.parent)
    registry_of(stores).dismiss(stack.toy.name, by="kim", why="it was an experiment")


@_production(
    "the model was deleted in MLflow, and its numbers began again",
    "version 1 (…alias production) is Production, and version 1 is made of …, and the ledger knows version 1 as …",
    "adopt it: `retrain adopt MODEL 1`, or DAG retrain-adopt",
)
def numbers_anew(stack: Stack) -> Steps:
    _logged(stack)
    by_hand.delete(stack.tracker, stack.toy.name)
    by_hand.register(stack.tracker, stack.toy.name, aliases=("production",))
    yield
    _adopt(stack)


@_production(
    "another version is in the stage",
    "version 2 is in stage Production, and version 1 owns alias production",
    "load by the alias, and move version 2 to stage Archived",
    state=State.WARN,
)
def two(stack: Stack) -> Steps:
    _logged(stack)
    by_hand.register(stack.tracker, stack.toy.name, stage="Production")
    yield
    stack.tracker.transition_model_stage(stack.toy.name, "2", "Archived")


@_production("its files are gone", "the files of version 1 are gone", "bring them back, or roll back")
def gone(stack: Stack) -> Steps:
    files = _files(stack, _logged(stack))
    kept = shutil.move(files, stack.folder / "kept")
    yield
    shutil.move(kept, files)


@_production(
    "its files were changed",
    "version 1: its files are not the ones that were logged…",
    "bring back the files that were logged, or roll back",
)
def changed(stack: Stack) -> Steps:
    description = _files(stack, _logged(stack)) / "MLmodel"
    before = description.read_text()
    description.write_text(f"{before}\n")
    yield
    description.write_text(before)


@_production(
    "it is a pickle that the spec does not trust",
    "version 1: is a pickle, and the spec's `trust` does not name pickle",
    "name what you trust of it in the spec's trust, or roll back",
)
def pickled(stack: Stack) -> Steps:
    _logged(stack, trust=(model_files.PICKLE,))
    yield
    stack.spec(trust="pickle")


@_production(
    "it was logged with other versions of its packages",
    "version 1: it was logged with scikit-learn 1.2.2 (… is here)",
    "install these versions here, or let the next cycle train under the new ones",
    state=State.WARN,
)
def versions(stack: Stack) -> Steps:
    by_hand.log_pickle(stack.tracker, stack.toy.name, LogisticRegression(), requirements=["scikit-learn==1.2.2"])
    _alias(stack, "1")
    _adopt(stack)
    yield
    # The next cycle's is in Production.
    _logged(stack)


@_production(
    "it is loaded with an interpreter that is not listed",
    "python = 'old': RETRAIN_PYTHONS lists none",
    "add old=/path/to/python there, on each machine that runs tasks",
)
def no_python(stack: Stack) -> Steps:
    by_hand.log_pickle(stack.tracker, stack.toy.name, LogisticRegression())
    _alias(stack, "1")
    stack.patch.setenv("RETRAIN_PYTHONS", f"old={sys.executable}")
    _adopt(stack, python="old")
    stack.patch.delenv("RETRAIN_PYTHONS")
    yield
    stack.patch.setenv("RETRAIN_PYTHONS", f"old={sys.executable}")


@_production(
    "it takes a column that the spec does not read",
    "version 1 takes b, which the spec does not read",
    "write source.also_read: [b] as long as it is in Production",
)
def no_column(stack: Stack) -> Steps:
    _logged(stack)
    stack.spec(
        source={"features": ["a"]},
        candidates=[{"name": "half", "estimator": "tests.core.toys:logistic", "params": {"columns": ["a"]}}],
    )
    yield
    stack.spec(source={"also_read": ["b"]})


@_production(
    "a column of the source has another type",
    "version 1 takes b as a number, and the source has text there",
    "cast b in a query file (source.query) as long as it is in Production, or roll back",
)
def other_type(stack: Stack) -> Steps:
    _logged(stack)
    stack.sql("ALTER TABLE rows ALTER b TYPE text")
    yield
    stack.query("id, a, b::float8, label, labelled_at")
