"""The verb `check`: what a snapshot's rows are like, before anything is trained on them.

The results go to the cycle's run in MLflow: one tag per check, and `checks/checks.json`. The drift since Production was
trained goes there as metrics, as `drift/drift.json` and as a picture.
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

from retrain import extras
from retrain.cycle import runs
from retrain.cycle.context import Cycle
from retrain.errors import BlockedDataError, MissingExtraError
from retrain.messages import texts
from retrain.quality import checks
from retrain.quality.drift import Drift, drift, new_or_all, sample
from retrain.records import Check, Fault, ModelFile, Snapshot, VersionId
from retrain.source.columns import SUBSET
from retrain.text import one_line

if extras.has("report"):
    from retrain.reports import drift_chart

log = logging.getLogger(__name__)

_MOST_CLASSES = 20
"""With more classes than this, their shares are in the file only, not in the metrics."""

_BLOCKED = "blocked/"
"""The name of a fault begins with this; the names of the blocking checks follow."""

Read = Callable[[Snapshot], pa.Table]


def check(cycle: Cycle, snapshot: Snapshot) -> tuple[Check, ...]:
    """Run every check of the spec on this snapshot, compared with the one that was the last consumed when it was taken.

    Raises BlockedDataError if a blocking check fails, after an announcement to the team: one for the same rows, however
    often the step or the cycle runs again. A blocked snapshot consumes nothing. Drift never blocks.
    """
    run_id = runs.of_cycle(cycle, snapshot)
    with runs.recorded(cycle.tracker, run_id):
        read = _cached_reader(cycle)
        results = _run_checks(cycle, snapshot, read)
        _log_checks(cycle, run_id, snapshot, results)
        _log_drift(cycle, run_id, _measure_drift(cycle, snapshot, read))
        _refuse_blocked(cycle, run_id, snapshot, [each for each in results if each.result == "blocked"])
    return results


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


def _cached_reader(cycle: Cycle) -> Read:
    """Return a function that reads each snapshot once: the last one is often this one, or Production's."""
    tables: dict[str, pa.Table] = {}

    def read(snapshot: Snapshot) -> pa.Table:
        if snapshot.id not in tables:
            tables[snapshot.id] = cycle.snapshots.table(snapshot)
        return tables[snapshot.id]

    return read


# ── checks


def _run_checks(cycle: Cycle, snapshot: Snapshot, read: Read) -> tuple[Check, ...]:
    # The one that the snapshot names, not the newest one: a step that runs again compares with the same rows.
    last = None if snapshot.after is None else cycle.ledger.snapshot(snapshot.model, snapshot.after)
    return checks.run(
        cycle.spec,
        read(snapshot),
        None if last is None else read(last),
        since=snapshot.since,
        same_contents=last is not None and last.split_version == snapshot.split_version,
        now=datetime.now(UTC),
    )


def _log_checks(cycle: Cycle, run_id: str, snapshot: Snapshot, results: Sequence[Check]) -> None:
    for each in results:
        level = logging.INFO if each.passed else logging.WARNING
        log.log(level, "%s %s: %s", each.name, each.result, texts.found(each))
    body = {
        "snapshot": snapshot.id,
        "beside": snapshot.after,
        "checks": [{**each.to_json(), "result": each.result} for each in results],
    }
    with tempfile.TemporaryDirectory(prefix="retrain-") as folder:
        cycle.tracker.log_artifact(run_id, _write_json(Path(folder) / "checks.json", body), "checks")
    cycle.tracker.set_tags(run_id, runs.retrain_tags({f"check.{each.name}": each.result for each in results}))


# ── drift


@dataclass(frozen=True)
class _MeasuredDrift:
    summary: str
    """What was compared, or why nothing was."""
    columns: tuple[Drift, ...] = ()


def _measure_drift(cycle: Cycle, snapshot: Snapshot, read: Read) -> _MeasuredDrift:
    model = cycle.spec.model
    # Stored with the claim: one run must not hold the drift of two versions.
    claimed = cycle.ledger.once(
        cycle.key("drift", snapshot.id), find=lambda: None, create=lambda: " ".join(_production(cycle))
    )
    version, _, identity = claimed.partition(" ")
    if not version:
        return _MeasuredDrift("nothing is in Production yet")
    file = cycle.ledger.file_of(model, VersionId(version, identity))
    if file is None or file.snapshot is None:
        return _MeasuredDrift(f"the rows that version {version} was trained on are not known")
    trained_on = cycle.ledger.snapshot(model, file.snapshot)
    try:
        return _compare(cycle, snapshot, read, trained_on=trained_on, file=file, version=version)
    except Exception as error:  # any error: a cycle does not depend on its drift
        log.warning("%s: drift could not be measured.", cycle, exc_info=True)
        return _MeasuredDrift(f"could not be measured: {one_line(error)}")


def _production(cycle: Cycle) -> tuple[str, ...]:
    """Return number and identity of the version in Production; nothing if none is."""
    found = cycle.tracker.in_production(cycle.spec.model)
    return () if found is None else (found.version, found.identity)


def _compare(
    cycle: Cycle, snapshot: Snapshot, read: Read, *, trained_on: Snapshot, file: ModelFile, version: str
) -> _MeasuredDrift:
    spec, rows, known = cycle.spec, read(snapshot), read(trained_on)
    subsets = pa.array([subset.value for subset in file.subsets], pa.string())
    reference = known.filter(pc.is_in(known[SUBSET], subsets))
    current = new_or_all(rows, known["key"])
    summary = f"{len(current):,} {'new ' if len(current) < len(rows) else ''}rows beside the {len(reference):,} that "
    summary += f"version {version} was trained on"
    columns = drift(sample(reference, trained_on.id), sample(current, snapshot.id), spec.source.features, spec.task)
    return _MeasuredDrift(summary, columns)


def _log_drift(cycle: Cycle, run_id: str, measured: _MeasuredDrift) -> None:
    log.info("Drift: %s.", measured.summary)
    cycle.tracker.set_tags(run_id, runs.retrain_tags({"drift": measured.summary}))
    if not measured.columns:
        return
    logged = cycle.tracker.get_run(run_id).metrics
    metrics = dict(_drift_metrics(measured.columns))
    cycle.tracker.log_metrics(run_id, {name: value for name, value in metrics.items() if name not in logged})
    with tempfile.TemporaryDirectory(prefix="retrain-") as name:
        folder = Path(name)
        body = {"says": measured.summary, "drift": [each.to_json() for each in measured.columns]}
        files = [_write_json(folder / "drift.json", body)]
        try:
            extras.require("report")
            files.append(drift_chart.write(measured.columns, f"{cycle.spec.model}: {measured.summary}", folder))
        except MissingExtraError as error:
            log.info("%s: the drift is not drawn: %s", cycle, error)
        except Exception:  # as above
            log.warning("%s: the drift could not be drawn.", cycle, exc_info=True)
        for file in files:
            cycle.tracker.log_artifact(run_id, file, "drift")


def _drift_metrics(columns: Sequence[Drift]) -> Iterator[tuple[str, float]]:
    for each in columns:
        name = _metric_name(each.name)
        values = {
            "psi": each.psi,
            "ks": each.ks,
            "p": each.p_value,
            "unseen_words": each.unseen_words,
            "js": each.js_distance,
        }
        for kind, value in values.items():
            if value is not None:
                yield f"drift_{kind}_{name}", value
        if each.of_classes and len(each.bins) <= _MOST_CLASSES:
            for label, share in zip(each.bins, each.current, strict=True):
                yield f"drift_share_{_metric_name(label)}", share


def _metric_name(name: str) -> str:
    """Return a part of a metric's name: MLflow accepts it, it is short, and different names stay different."""
    plain = re.sub(r"[^\w\-. :]", "_", name)[:60]
    return plain if plain == name else f"{plain}-{blake2b(name.encode(), digest_size=4).hexdigest()}"


def _write_json(path: Path, body: dict[str, Any]) -> Path:
    path.write_text(json.dumps(body, ensure_ascii=False, indent=2), encoding="utf-8")
    return path
