"""The verb `prepare`: what candidates have in common is fitted once, before them."""

import json
import logging
import tempfile
from collections.abc import Sequence
from pathlib import Path

from retrain.cycle import fit_process
from retrain.cycle.context import Cycle
from retrain.cycle.fitting import SharedStep
from retrain.cycle.tuned import tuned
from retrain.models import limited
from retrain.records import Snapshot
from retrain.snapshots import prepared
from retrain.spec.spec import Spec

log = logging.getLogger(__name__)


def prepare(cycle: Cycle, snapshot: Snapshot, names: Sequence[str]) -> list[SharedStep]:
    """Fit the first steps that these candidates have in common, in a process of its own, and store what they give.

    It lies beside the snapshots until the verdict, or until the next cycle. The ledger has the digest of each file, and
    a later call returns the same. A step that cannot be shared is no error: its candidates fit their own.
    """
    if len(names) < 2:
        return []
    cycle = tuned(cycle, snapshot)
    asked = tuple(cycle.spec.candidate(name) for name in names)
    spec = cycle.spec.model_copy(update={"candidates": asked})
    return prepared_for(cycle, spec, snapshot, key=_key(cycle, snapshot))


def prepared_for(
    cycle: Cycle, spec: Spec, snapshot: Snapshot, *, key: str, folds: int | None = None
) -> list[SharedStep]:
    """Return what the spec's candidates have in common, fitted and stored once for this key; with folds for each."""
    ledger, snapshots = cycle.ledger, cycle.snapshots
    text = ledger.made(key)
    if text is None:
        limited.get_ready(cycle.spec.run_on.python)
        prepared.drop_others(snapshots, snapshot)
        with tempfile.TemporaryDirectory(prefix="retrain-") as temporary:
            found = fit_process.prepare(spec, snapshot, snapshots, Path(temporary), folds=folds)

            def stored() -> str:
                for step in found:
                    step["files"] = {
                        name: prepared.put(snapshots, snapshot, Path(file)) for name, file in step["files"].items()
                    }
                return json.dumps(found)

            # `find` is not needed: a file is named by its digest, and one of a killed try is dropped with the others.
            text = ledger.once(key, find=lambda: None, create=stored)
    return [SharedStep.from_json(each) for each in json.loads(text)]


def shared_by(cycle: Cycle, snapshot: Snapshot, name: str) -> SharedStep | None:
    """Return the first step of this candidate that was fitted for several; None where there is none."""
    steps = json.loads(cycle.ledger.made(_key(cycle, snapshot)) or "[]")
    return next((SharedStep.from_json(each) for each in steps if name in each["candidates"]), None)


def _key(cycle: Cycle, snapshot: Snapshot) -> str:
    return cycle.key("prepare", snapshot.id)
