"""The verb `check`: what a snapshot's rows are like, before anything is trained on them.

The results are on the cycle's run in MLflow: a tag for each check and `checks/checks.json`; the drift since Production
was trained as metrics, as `drift/drift.json` and as a picture.
"""

import json
import logging
import re
import tempfile
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from hashlib import blake2b
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.compute as pc

from retrain.cycle import runs
from retrain.cycle.context import Cycle
from retrain.errors import BlockedDataError
from retrain.messages import texts
from retrain.quality import checks
from retrain.quality.drift import Drift, drift, new_or_all, sample
from retrain.records import Check, Fault, ModelFile, Snapshot
from retrain.reports import drift_chart
from retrain.source.columns import SUBSET

log = logging.getLogger(__name__)

_MOST_CLASSES = 20
"""Shares of more classes than these are in the file alone."""

_BLOCKED = "blocked/"
"""Faults of this prefix are the names of the checks that block."""

Read = Callable[[Snapshot], pa.Table]


def check(cycle: Cycle, snapshot: Snapshot) -> tuple[Check, ...]:
    """Every check of the spec on this snapshot, beside the one that was consumed when it was taken.

    Raises BlockedDataError where one fails that blocks, when it has told the team: of the same rows once, however often
    the step or the cycle is run again. Nothing is consumed by that. Drift blocks nothing.
    """
    run_id = runs.of_cycle(cycle, snapshot)
    with runs.recorded(cycle.tracker, run_id):
        read = _reading_once(cycle)
        found = _checked(cycle, snapshot, read)
        _log_checks(cycle, run_id, snapshot, found)
        _log_drift(cycle, run_id, _drifted(cycle, snapshot, read))
        _refuse_blocked(cycle, run_id, snapshot, [each for each in found if each.result == "blocked"])
    return found


def _refuse_blocked(cycle: Cycle, run_id: str, snapshot: Snapshot, blocked: Sequence[Check]) -> None:
    model = snapshot.model
    name = _BLOCKED + ",".join(each.name for each in blocked)
    cycle.ledger.end_faults(model, _BLOCKED, but=[name], announcement=texts.of_recovery)
    if not blocked:
        return
    facts = {"dag_id": cycle.dag_id, "run_id": cycle.run_id, "mlflow_run": run_id}
    incident = texts.blocked(snapshot, blocked, str(cycle), facts)
    cycle.ledger.fail(Fault(name=name, incident=incident), key=snapshot.id, announcement=texts.of_fault)
    raise BlockedDataError(f"{model}: {incident.what}")


def _reading_once(cycle: Cycle) -> Read:
    """The last snapshot is often this one, or the one that Production was trained on."""
    tables: dict[str, pa.Table] = {}

    def read(snapshot: Snapshot) -> pa.Table:
        if snapshot.id not in tables:
            tables[snapshot.id] = cycle.snapshots.table(snapshot)
        return tables[snapshot.id]

    return read


# ── checks


def _checked(cycle: Cycle, snapshot: Snapshot, read: Read) -> tuple[Check, ...]:
    # The one that the snapshot names, not the last one now: run again, the step compares with the same.
    last = None if snapshot.after is None else cycle.ledger.snapshot(snapshot.model, snapshot.after)
    rows, before = read(snapshot), None if last is None else read(last)
    if before is not None and snapshot.since is not None:
        # What has aged out since is neither gone nor another.
        before = before.filter(pc.greater(before["label_time"], pa.scalar(snapshot.since, before["label_time"].type)))
    return checks.run(
        cycle.spec,
        rows,
        before,
        same_contents=last is not None
        and last.split_version == snapshot.split_version
        and before is not None
        and set(before.column_names) == set(rows.column_names),
        now=datetime.now(UTC),
    )


def _log_checks(cycle: Cycle, run_id: str, snapshot: Snapshot, found: Sequence[Check]) -> None:
    for each in found:
        level = logging.INFO if each.passed else logging.WARNING
        log.log(level, "%s %s: %s", each.name, each.result, each.says)
    body = {
        "snapshot": snapshot.id,
        "beside": snapshot.after,
        "checks": [{**each.to_json(), "result": each.result} for each in found],
    }
    with tempfile.TemporaryDirectory(prefix="retrain-") as folder:
        cycle.tracker.log_artifact(run_id, _written(Path(folder) / "checks.json", body), "checks")
    cycle.tracker.set_tags(run_id, runs.ours({f"check.{each.name}": each.result for each in found}))


# ── drift


@dataclass(frozen=True)
class _Drifted:
    says: str
    found: tuple[Drift, ...] = ()


def _drifted(cycle: Cycle, snapshot: Snapshot, read: Read) -> _Drifted:
    model = cycle.spec.model
    # Kept with the claim: figures of two versions must not stand side by side on one run.
    version = cycle.ledger.once(
        cycle.key("drift", snapshot.id), find=lambda: None, create=lambda: cycle.tracker.production(model) or ""
    )
    if not version:
        return _Drifted("nothing is in Production yet")
    file = cycle.ledger.model_file_of_version(model, version)
    if file is None or file.snapshot is None:
        return _Drifted(f"nothing is known of the rows that version {version} was trained on")
    trained_on = cycle.ledger.snapshot(model, file.snapshot)
    try:
        return _beside(cycle, snapshot, read, trained_on=trained_on, file=file, version=version)
    except Exception as error:  # whatever it is: a cycle does not depend on its drift
        log.warning("%s: drift could not be measured.", cycle, exc_info=True)
        return _Drifted(f"could not be measured: {error}"[:1000])


def _beside(
    cycle: Cycle, snapshot: Snapshot, read: Read, *, trained_on: Snapshot, file: ModelFile, version: str
) -> _Drifted:
    spec, rows, known = cycle.spec, read(snapshot), read(trained_on)
    subsets = pa.array([subset.value for subset in file.subsets], pa.string())
    reference = known.filter(pc.is_in(known[SUBSET], subsets))
    current = new_or_all(rows, known["key"])
    says = f"{len(current):,} {'new ' if len(current) < len(rows) else ''}rows beside the {len(reference):,} that "
    says += f"version {version} was trained on"
    found = drift(sample(reference, trained_on.id), sample(current, snapshot.id), spec.source.features, spec.task)
    return _Drifted(says, found)


def _log_drift(cycle: Cycle, run_id: str, drifted: _Drifted) -> None:
    log.info("Drift: %s.", drifted.says)
    cycle.tracker.set_tags(run_id, runs.ours({"drift": drifted.says}))
    if not drifted.found:
        return
    logged = cycle.tracker.get_run(run_id).metrics
    figures = dict(_figures(drifted.found))
    cycle.tracker.log_metrics(run_id, {name: value for name, value in figures.items() if name not in logged})
    with tempfile.TemporaryDirectory(prefix="retrain-") as name:
        folder = Path(name)
        body = {"says": drifted.says, "drift": [each.to_json() for each in drifted.found]}
        files = [_written(folder / "drift.json", body)]
        try:
            files.append(drift_chart.write(drifted.found, f"{cycle.spec.model}: {drifted.says}", folder))
        except Exception:  # as above
            log.warning("%s: the drift could not be drawn.", cycle, exc_info=True)
        for file in files:
            cycle.tracker.log_artifact(run_id, file, "drift")


def _figures(found: Sequence[Drift]) -> Iterator[tuple[str, float]]:
    for each in found:
        name = _metric(each.name)
        figures = {
            "psi": each.psi,
            "ks": each.ks,
            "p": each.p_value,
            "unseen_words": each.unseen_words,
            "js": each.js_distance,
        }
        for figure, value in figures.items():
            if value is not None:
                yield f"drift_{figure}_{name}", value
        if each.of_classes and len(each.bins) <= _MOST_CLASSES:
            yield from (
                (f"drift_share_{_metric(label)}", share) for label, share in zip(each.bins, each.current, strict=True)
            )


def _metric(name: str) -> str:
    """A part of a metric's name: what MLflow takes, short enough, and different for different names."""
    plain = re.sub(r"[^\w\-. :]", "_", name)[:60]
    return plain if plain == name else f"{plain}-{blake2b(name.encode(), digest_size=4).hexdigest()}"


def _written(path: Path, body: dict[str, Any]) -> Path:
    path.write_text(json.dumps(body, ensure_ascii=False, indent=2), encoding="utf-8")
    return path
