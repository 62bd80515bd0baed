"""A spec held to its source: whatever the first run would find, found on some rows of the table."""

import tempfile
from collections.abc import Iterator
from datetime import UTC, datetime
from pathlib import Path

from retrain.errors import RetrainError
from retrain.gate.labels import classes_in
from retrain.labels import code, spelled
from retrain.messages import texts
from retrain.models import training
from retrain.models.sandbox import Sandbox
from retrain.preflight.corners import corners_of
from retrain.preflight.finding import Finding
from retrain.preflight.spec import look
from retrain.preflight.trial import TrialRows, elsewhere, run_trial
from retrain.quality import checks
from retrain.records import Snapshot, Subset
from retrain.snapshots import sample
from retrain.snapshots.store import SnapshotStore
from retrain.source.served import Served
from retrain.source.table import Source
from retrain.spec.spec import Spec
from retrain.spec.task import Task

SAMPLE = 10_000
"""Rows that are read."""


def hold_to_source(spec: Spec, source: Source, served: Served | None = None) -> Iterator[Finding]:
    """Yield what is wrong between a spec and its tables. Reads at most `SAMPLE` rows, and writes nothing there.

    served: the log of what was served, where the spec names one.
    """
    if served is not None:
        try:
            served.check()
        except RetrainError as error:
            yield from (Finding(line) for line in str(error).splitlines())
    try:
        plan, about, hidden = source.count_plan(), source.about(), source.hides_rows()
    except RetrainError as error:
        yield from (Finding(line) for line in str(error).splitlines())
        return
    yield Finding(str(plan), fault=False)
    yield from (Finding(text, fault=False) for text in about)
    if hidden:
        yield Finding("row-level security is active for this role: rows that it may not see do not count", fault=False)
    with tempfile.TemporaryDirectory(prefix="retrain-") as folder:
        store = SnapshotStore(Path(folder).as_uri())
        try:
            with source.labelled(at_most=SAMPLE) as labelled:
                snapshot = sample.take(spec, labelled, store)
        except RetrainError as error:
            yield Finding(str(error))
            return
        if not snapshot.rows:
            if hidden:
                yield Finding("no labelled row can be read: row-level security hides them, or there is none")
            yield from look(spec)
            return
        yield from _of_rows(spec, source, store, snapshot)


def _of_rows(spec: Spec, source: Source, store: SnapshotStore, snapshot: Snapshot) -> Iterator[Finding]:
    for each in checks.run(spec, store.table(snapshot), None, same_contents=False, now=datetime.now(UTC)):
        if not each.passed:
            yield Finding(f"check {each.name}: {texts.found(each)}", fault=each.blocks)
    rows = store.read(snapshot, Subset)
    if spec.task is Task.CLASSIFICATION:
        yield from _of_classes(spec, source, classes_in(rows.labels))
    for part in spec.gate.slices:
        if part.value is not None and not source.holds(part.column, spelled(part.value)):
            yield Finding(f"gate.slices: {part} holds no row of the source; correct the value")
    some = TrialRows.of(rows.features, rows.labels)
    if spec.run_on.python is not None:
        yield from elsewhere(spec)
        return
    with Sandbox() as sandbox:
        for candidate in spec.candidates:
            try:
                run_trial(spec, corners_of(candidate)[0], some, sandbox)
            except RetrainError as error:
                yield Finding(f"candidate {candidate.name!r}, tried on {len(some.labels):,} rows: {error}")


def _of_classes(spec: Spec, source: Source, classes: tuple[str, ...]) -> Iterator[Finding]:
    if len(classes) < 2:
        yield Finding(f"the labels have one class in {SAMPLE:,} rows ({training.listed(classes)})", fault=False)
    for each in (spec.gate, *spec.gate.limits):
        if each.positive is None or code(each.positive, classes) is not None:
            continue
        if not source.holds(spec.source.label, each.positive):
            yield Finding(
                f"gate: {each.metric} is about class {each.positive!r}, and no row has that label; the classes are "
                f"{training.listed(classes)}"
            )
