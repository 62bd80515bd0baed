"""What all trials of a search begin with is fitted once, before them."""

import json

from retrain.cycle.context import Cycle
from retrain.cycle.fitting import SharedStep
from retrain.cycle.prepare import prepared_for
from retrain.cycle.tuned import at, search_of, study_name
from retrain.records import Snapshot
from retrain.tuning import space


def prepare_trials(cycle: Cycle, snapshot: Snapshot, name: str) -> SharedStep | None:
    """Fit the first step of a candidate for all of its trials, where it is the same at each corner of their space.

    With folds, for each of them. None where nothing is the same.
    """
    candidate, search = cycle.spec.candidate(name), search_of(cycle, name)
    corners = [at(candidate, params, f"corner-{place}") for place, params in enumerate(space.corners(search))]
    if not cycle.spec.share_steps or len(corners) < 2:
        return None
    spec = cycle.spec.model_copy(update={"candidates": tuple(corners)})
    found = prepared_for(cycle, spec, snapshot, key=_key(cycle, snapshot, name), folds=search.cv)
    return next((step for step in found if len(step.candidates) == len(corners)), None)


def shared_by_trials(cycle: Cycle, snapshot: Snapshot, name: str) -> SharedStep | None:
    """Return what `prepare_trials` has fitted for the trials of a candidate."""
    text = cycle.ledger.made(_key(cycle, snapshot, name))
    return next((SharedStep.from_json(each) for each in json.loads(text or "[]")), None)


def _key(cycle: Cycle, snapshot: Snapshot, name: str) -> str:
    return cycle.key("prepare", study_name(cycle, snapshot, name))
