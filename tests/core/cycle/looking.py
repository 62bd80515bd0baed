"""A model with one candidate, and what a cycle has left on its runs in MLflow."""

import json
from pathlib import Path
from typing import Any

from retrain.cycle.context import Cycle
from retrain.cycle.runs import made_of_cycle
from retrain.records import Proof, Snapshot
from retrain.tracker.entities import Run
from tests.core.conftest import Make, World


def quick(world: Make, **fields: Any) -> World:
    """A model with one candidate."""
    whole = {"name": "whole", "estimator": "tests.core.toys:logistic", "params": {"columns": ["a", "b"]}}
    return world(candidates=[whole], **fields)


def promoted(make: Make) -> World:
    """A model with version 1 in Production; a mould for `cast`."""
    model = quick(make)
    model.feed(2000)
    model.promote()
    model.headlines()
    return model


def replaced(make: Make) -> World:
    """A model whose second version has replaced the first; a mould for `cast`."""
    model = quick(make)
    model.feed(1000)
    model.promote()
    model.feed(2000, turn=1.2)
    model.promote()
    model.headlines()
    return model


def asking_for_gain(model: World) -> World:
    """Let only a model that is better by five points pass: a refit on rows of the same kind is held."""
    gate = model.spec.gate.model_copy(update={"proof": Proof.SUPERIORITY, "min_gain": 0.05})
    model.spec = model.spec.model_copy(update={"gate": gate})
    return model


def run_of(model: World, cycle: Cycle, snapshot: Snapshot) -> Run:
    run_id = made_of_cycle(cycle, snapshot.id)
    assert run_id is not None
    return model.tracker.get_run(run_id)


def uploaded(model: World, run_id: str, folder: str) -> list[str]:
    return [file.path for file in model.tracker._client.list_artifacts(run_id, folder)]


def read(model: World, run: Run, path: str, folder: Path) -> Any:
    return json.loads(Path(model.tracker._client.download_artifacts(run.id, path, str(folder))).read_text("utf-8"))
