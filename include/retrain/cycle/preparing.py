"""Fits first steps that candidates have in common, in this process, one of its own: what `retrain prepare` does."""

import json
import time
from collections.abc import Callable, Sequence
from contextlib import suppress
from pathlib import Path
from typing import Any

import numpy as np
from threadpoolctl import threadpool_limits

from retrain.cycle.folds import ROWS, fold_name, folds_of
from retrain.errors import EstimatorError
from retrain.models import shared_steps, training
from retrain.models.shared_steps import FITTED, TRAIN, VALIDATION
from retrain.records import Snapshot, Subset
from retrain.snapshots.rows import Rows
from retrain.snapshots.store import SnapshotStore
from retrain.spec.candidates import CandidateSpec
from retrain.spec.spec import Spec

PREPARED = "prepared.json"
"""What is in the folder: a list of steps, each with its `key`, its `candidates` and its `files` by name."""
_WORTH = 1.0
"""Seconds: a step that takes less is fitted by each candidate, as storing and reading what it gives takes as long."""


def prepare_here(
    spec: Spec,
    names: Sequence[str],
    snapshot: Snapshot,
    snapshots: SnapshotStore,
    folder: Path,
    *,
    folds: int | None = None,
    say: Callable[[str], None],
) -> None:
    """Fit what these candidates have in common on the training rows, and write it into the folder.

    folds: fit it for each of so many folds in place of that; the names of its files begin with `fold_name`. What cannot
    be shared is left to the candidates, and said.
    """
    with threadpool_limits(spec.limits.threads):
        groups = _in_common([spec.candidate(name) for name in names])
        if not groups:
            say("No two candidates begin with the same step.")
            (folder / PREPARED).write_text("[]", encoding="utf-8")
            return
        if folds is None:
            parts = {"": snapshots.read_each(snapshot, [[Subset.TRAIN], [Subset.VALIDATION]])}
        else:
            rows = snapshots.read(snapshot, ROWS)
            masks = folds_of(rows, folds, by_time=spec.split.by == "time")
            parts = {fold_name(place): [rows.part(each) for each in pair] for place, pair in enumerate(masks)}
        found = []
        for number, (key, who) in enumerate(groups.items()):
            files = dict[str, str]()
            for prefix, (train, validation) in parts.items():
                inside = folder / f"{number}{prefix}"
                inside.mkdir()
                written = _files(spec, who[0], train, validation, inside, say=say)
                if written is None:
                    break
                files |= {f"{prefix}{each}": str(file) for each, file in written.items()}
            else:
                found.append({"key": key, "candidates": who, "files": files})
    (folder / PREPARED).write_text(json.dumps(found), encoding="utf-8")


def _in_common(candidates: Sequence[CandidateSpec]) -> dict[str, list[str]]:
    """Return the names of the candidates that have a first step in common, by what it is.

    A candidate that cannot be built is left out: its own fit says why.
    """
    found: dict[str, list[str]] = {}
    for candidate in candidates:
        with suppress(EstimatorError):
            key = None if candidate.train else shared_steps.key_of(candidate, training.build(candidate))
            if key is not None:
                found.setdefault(key, []).append(candidate.name)
    return {key: names for key, names in found.items() if len(names) > 1}


def _files(
    spec: Spec, name: str, train: Rows, validation: Rows, folder: Path, *, say: Callable[[str], None]
) -> dict[str, Path] | None:
    step = training.build(spec.candidate(name)).steps[0][1]
    what, state = type(step).__name__, shared_steps.drawn()
    begun = time.monotonic()
    try:
        fitted = step.fit_transform(train.features, training.targets(spec.task, train.labels))
        seconds = time.monotonic() - begun
        if seconds < _WORTH:
            say(f"{what}: took {seconds:.1f} s, each candidate fits its own")
            return None
        if shared_steps.drawn() != state:
            say(f"{what}: draws random numbers, each candidate fits its own")
            return None
        arrays = {FITTED: fitted, VALIDATION: step.transform(validation.features)}
        again = step.transform(train.features)
    except Exception as error:  # the candidates' own fits say it, each on its run
        say(f"{what}: cannot be fitted for all: {type(error).__name__}")
        return None
    if not _same(fitted, again):  # as with a target encoder: it learns on parts of the rows
        arrays[TRAIN] = again
    files = shared_steps.write(step, arrays, folder, spec.trust)
    say(f"{what}: took {seconds:.1f} s, " + ("once for all" if files else "cannot be stored, each fits its own"))
    return files


def _same(one: Any, other: Any) -> bool:
    if hasattr(one, "nnz"):
        return bool(one.shape == other.shape and one.dtype == other.dtype and (one != other).nnz == 0)
    return bool(np.array_equal(one, other, equal_nan=True))
