"""Has a candidate fitted by `retrain train`, in a process of its own, and says how that went."""

import json
import logging
from collections.abc import Callable, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

from retrain.cycle.fitting import ERROR, MADE, Made, Order
from retrain.cycle.preparing import PREPARED
from retrain.errors import EndedError, EstimatorError, SnapshotError, unpacked
from retrain.models import limited
from retrain.models.limited import STOPPED, Ended
from retrain.records import Snapshot
from retrain.snapshots.store import SnapshotStore
from retrain.spec.fields import duration_text
from retrain.spec.spec import Spec
from retrain.spec.training import Limits, size_text

log = logging.getLogger(__name__)

_REMEDY = {
    "time": "let it learn faster, or raise limits.time",
    "memory": "let it take less, with fewer rows or features, or raise limits.memory",
}


def text_of(spec: Spec) -> str:
    """Return a spec as JSON, by which a fit can be made again."""
    return spec.model_dump_json(exclude_defaults=True)


def fit(order: Order, snapshots: SnapshotStore, folder: Path, stop: Callable[[], bool] | None = None) -> Made:
    """Return the figures of a fit whose model is then in the folder, as are its metrics by step.

    stop: asked now and then whether to end it; then it has failed.

    Raises EstimatorError where it fails or passes one of its limits, EndedError where its process was ended from
    outside, and what `retrain train` raises.
    """
    spec, snapshot, name, subsets = order.spec, order.snapshot, order.candidate, order.subsets
    words = ["--candidate", name, "--subsets", ",".join(subsets)]
    if order.shared is not None:
        (folder / "shared.json").write_text(json.dumps(order.shared.to_json()), encoding="utf-8")
        words += ["--shared", str(folder / "shared.json")]
    if not order.keeps:
        words += ["--score-only", *(["--folds", str(order.folds)] if order.folds else [])]
    log.info("Fitting %s on %s rows.", name, f"{sum(snapshot.subsets.get(each, 0) for each in subsets):,}")
    ended = _run("train", words, spec=spec, snapshot=snapshot, snapshots=snapshots, folder=folder, who=name, stop=stop)
    if ended.status or ended.past is not None or not (folder / MADE).exists():
        raise _error(name, ended, spec.limits)
    made = Made.from_text((folder / MADE).read_text(encoding="utf-8"))
    return replace(made, memory=max(made.memory, ended.memory))


def prepare(
    spec: Spec, snapshot: Snapshot, snapshots: SnapshotStore, folder: Path, *, folds: int | None = None
) -> list[Any]:
    """Return the first steps that the candidates have in common, as `cycle.preparing` writes them into the folder.

    None where it fails, or passes one of the limits: the fit of each candidate is within these, or says why not.
    """
    ended = _run(
        "prepare",
        ["--candidates", ",".join(each.name for each in spec.candidates), *(["--folds", str(folds)] if folds else [])],
        spec=spec,
        snapshot=snapshot,
        snapshots=snapshots,
        folder=folder,
        who="shared steps",
    )
    if ended.status or ended.past is not None or not (folder / PREPARED).exists():
        why = f"past limits.{ended.past}" if ended.past else ended.last or f"with {ended.status}"
        log.warning("Nothing is fitted for all: this ended %s. Each candidate fits its own steps.", why)
        return []
    found: list[Any] = json.loads((folder / PREPARED).read_text(encoding="utf-8"))
    return found


def _run(
    command: str,
    words: Sequence[str],
    *,
    spec: Spec,
    snapshot: Snapshot,
    snapshots: SnapshotStore,
    folder: Path,
    who: str,
    stop: Callable[[], bool] | None = None,
) -> Ended:
    """Run a command that reads a snapshot and writes into the folder. Raises the error that it has written there."""
    (folder / "spec.json").write_text(text_of(spec), encoding="utf-8")
    (folder / "snapshot.json").write_text(json.dumps(snapshot.to_json()), encoding="utf-8")
    ended = limited.run(
        [
            *(command, str(folder / "spec.json"), "--snapshot", str(folder / "snapshot.json")),
            *("--snapshots", snapshots.uri, "--into", str(folder), *words),
        ],
        limits=spec.limits,
        python=spec.run_on.python,
        say=lambda line: log.info("%s: %s", who, line),
        stop=stop,
    )
    if ended.past is None and (folder / ERROR).exists():
        error = unpacked(json.loads((folder / ERROR).read_text(encoding="utf-8")))
        if isinstance(error, SnapshotError):
            snapshots.refuse_erased(snapshot)
        raise error
    return ended


def _error(name: str, ended: Ended, limits: Limits) -> Exception:
    who, had = f"candidate {name!r}", f"it had {ended.memory / (1 << 30):.1f} GiB in memory"
    if ended.past == STOPPED:
        return EstimatorError(f"{who}: its training was ended, as it was asked for")
    if ended.past is not None:
        limit = duration_text(limits.time) if ended.past == "time" else size_text(limits.memory or 0)
        return EstimatorError(
            f"{who}: its training was ended past limits.{ended.past} = {limit}; {had}; {_REMEDY[ended.past]}"
        )
    if ended.from_outside:
        return EndedError(f"{who}: the process that fits it was ended from outside; start the task again")
    if ended.status < 0:
        return EstimatorError(
            f"{who}: the process that fits it was killed by signal {-ended.status}; {had}: 9 comes from the system "
            "where memory runs out, 11 and 6 from a fault in a library; set limits.memory, or see the task's log"
        )
    return EstimatorError(
        f"{who}: the process that fits it ended with {ended.status} before there was a model; "
        f"the last that it printed: {ended.last or 'nothing'}"
    )
