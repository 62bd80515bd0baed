"""The specs, and what they name in Python: estimators and metrics."""

from collections.abc import Iterator
from pathlib import Path

from retrain.errors import RetrainError
from retrain.gate.scorers import scorers_for
from retrain.models import training
from retrain.preflight.corners import corners_of
from retrain.preflight.probe import Found, fail, good, told
from retrain.spec.files import SpecFolder
from retrain.spec.spec import Spec


def look(specs: SpecFolder, folder: Path | None) -> Iterator[Found]:
    """Yield which files can be read, and each fault of the others. folder: None if it is not named."""
    about = "specs"
    for text in specs.faults:
        yield from told(about, text, "correct the file; `retrain check` reads it again")
    if specs.files:
        yield good(about, f"{len(specs.files)} can be read: {', '.join(file.path.name for file in specs.files)}")
    elif not specs.faults:
        yield fail(about, f"{folder} holds no *.yaml", "write one spec for each model into it, or run `retrain init`")


def candidates(spec: Spec) -> Iterator[Found]:
    """Yield whether each candidate can be built here, and each metric scored. Nothing is trained."""
    about, faults = f"candidates of {spec.model}", False
    module = "let the module be on the path of each machine that runs tasks (PYTHONPATH), and correct the candidate"
    try:
        scorers_for((spec.gate, *spec.gate.limits), spec.task, ())
    except RetrainError as error:
        faults = True
        yield from told(about, error, "correct the gate")
    for candidate in spec.candidates:
        try:
            for corner in corners_of(candidate):
                training.build(corner)
        except RetrainError as error:
            faults = True
            yield from told(about, error, module)
    if not faults:
        yield good(about, f"{', '.join(each.name for each in spec.candidates)} can be built")
