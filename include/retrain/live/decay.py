"""What the team is told where Production does worse than was promised."""

import logging
from collections.abc import Iterator, Sequence
from datetime import datetime

import pyarrow as pa

from retrain.errors import RetrainError
from retrain.later import CohortScore, LiveLook
from retrain.live.observing import Observing
from retrain.live.rollback_case import does_better
from retrain.metrics import described
from retrain.quality.drift import MOST_ROWS, SOME, drift, sample
from retrain.records import Fault, Incident, Verdict
from retrain.source.layout import Within
from retrain.spec.files import ROLLBACK_DAG
from retrain.spec.operation import OnDecay
from retrain.topics import Topic

log = logging.getLogger(__name__)

PREFIX = "live/"
"""The name of a fault begins with this."""


def decays(observing: Observing, looks: Sequence[LiveLook]) -> Iterator[Fault]:
    """Yield a fault for each scan whose last look is an alarm."""
    for look in looks:
        if look.alarm:
            yield Fault(name=f"{PREFIX}decay/{look.scan}", incident=_incident(observing, look))


def _incident(observing: Observing, look: LiveLook) -> Incident:
    spec = observing.spec
    window = look.windows[look.window]
    production = observing.ledger.production(spec.model)
    number = production.number if production else "?"
    scores = [
        each for each in observing.ledger.cohorts(spec.model, spec.cohort, window.begins) if each.begins < look.ends
    ]
    moved = [*_moved(observing, window.begins, look.ends)]
    worse = [*_worse_slices(observing.verdict(), scores)]
    lost = described(look.metric).sign * (look.promised - (window.score or 0.0))
    whose = "promised when it was promoted" if look.scan == "version" else "promised by the gate's anchor"
    facts = {
        "look": look.to_json(),
        "version": number,
        "lost": lost,
        "rows": window.rows,
        "since": window.begins.isoformat(),
        "slices": worse,
        "moved": moved,
    }
    what = (
        f"version {number}, in Production, does worse than was {whose}: {look.metric} {window.score:.4f} on the "
        f"{window.rows:,} rows labelled since {window.begins:%Y-%m-%d}, promised {look.promised:.4f}. It has lost "
        f"{lost:.4f}, more than {look.margin:g} beyond chance."
    )
    if worse:
        what += f" Worst on {', '.join(worse)}."
    if moved:
        what += f" Moved since it was trained: {', '.join(moved)}."
    return Incident(model=spec.model, topic=Topic.DECAYED, what=what, remedy=_remedy(observing, scores), facts=facts)


def _remedy(observing: Observing, scores: Sequence[CohortScore]) -> str:
    spec = observing.spec
    if spec.watch.on_decay is OnDecay.RETRAIN:
        return (
            "A cycle starts now, however few rows are new. If its challenger is held, look at the labels and the rows."
        )
    rollback = ""
    if spec.watch.on_decay is OnDecay.ASK_ROLLBACK:
        before = does_better(observing, scores)
        rollback = (
            f" Version {before.number} does better on the same rows, beyond chance: trigger DAG {ROLLBACK_DAG} for "
            f"{spec.model} to put it back."
            if before
            else " No version from before is shown to do better on the same rows: a rollback would not help."
        )
    return f"Look whether labels or rows have changed, and retrain: trigger DAG retrain_{spec.model}." + rollback


def _worse_slices(verdict: Verdict | None, scores: Sequence[CohortScore]) -> Iterator[str]:
    """Yield the slices that the gate guards and that have lost, the greatest loss first, each with its two scores."""
    sign = described(scores[-1].metric).sign if scores else 1
    lost = []
    for held in verdict.slices if verdict else ():
        found = [each for score in scores for each in score.slices if each.name == held.name and each.score is not None]
        rows = sum(each.rows for each in found)
        if held.score is None or not rows:
            continue
        now = sum((each.score or 0.0) * each.rows for each in found) / rows
        if sign * (held.score - now) > 0:
            lost.append((sign * (held.score - now), f"{held.name} ({now:.3f}, was {held.score:.3f})"))
    yield from (text for _, text in sorted(lost, reverse=True))


def _moved(observing: Observing, since: datetime, until: datetime) -> Iterator[str]:
    """Yield the features and the label whose PSI is at least `SOME` between what Production was trained on and now."""
    spec, ledger = observing.spec, observing.ledger
    try:
        production = ledger.production(spec.model)
        file = ledger.file_of(spec.model, production) if production else None
        if file is None or file.snapshot is None:
            return
        snapshot = ledger.snapshot(spec.model, file.snapshot)
        reference = observing.snapshots.table(snapshot)
        with observing.source.labelled(within=Within(observing.column, since, until)) as batches:
            rows = _first_rows(batches)
    except RetrainError as error:  # the alarm does not depend on it
        log.warning("%s: what has moved is not known: %s", spec.model, error)
        return
    found = drift(sample(reference, snapshot.id), rows, spec.source.features, spec.task)
    moved = sorted((each for each in found if each.psi >= SOME), key=lambda each: -each.psi)
    yield from (f"{each.name} (PSI {each.psi:.2f})" for each in moved)


def _first_rows(batches: pa.RecordBatchReader) -> pa.Table:
    """Return as many rows as a drift is measured on, in the order of their keys."""
    taken, rows = list[pa.RecordBatch](), 0
    for batch in batches:
        taken.append(batch)
        rows += batch.num_rows
        if rows >= MOST_ROWS:
            break
    return pa.Table.from_batches(taken, batches.schema)
