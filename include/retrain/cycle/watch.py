"""The verb `watch`: notices what no cycle would notice, because none runs or because it would be too late."""

from collections.abc import Iterator
from datetime import timedelta

from retrain.cycle.sense import sense
from retrain.ledger.ledger import Ledger
from retrain.messages import texts
from retrain.production.apply import apply
from retrain.production.known import file_of
from retrain.records import Fault, Incident
from retrain.source.table import Source
from retrain.spec.fields import duration_text
from retrain.spec.spec import Spec
from retrain.topics import Topic
from retrain.tracker.client import ExperimentTracker

_WATCHED = "watch/"
"""The name of a fault begins with this."""


def watch(spec: Spec, *, source: Source, ledger: Ledger, tracker: ExperimentTracker) -> list[Fault]:
    """Return what is wrong with a model now. The team is told when a fault begins and when it is over.

    A change of Production by hand is recorded and announced, as by any step that finds it. Run again, it announces
    nothing twice.
    """
    found = [*_of_production(spec.model, ledger, tracker), *_of_source(spec, source, ledger)]
    for fault in found:
        ledger.fail(fault, key=_WATCHED, announcement=texts.of_fault)
    ledger.end_faults(spec.model, _WATCHED, but=[fault.name for fault in found], announcement=texts.of_recovery)
    return found


def _of_production(model: str, ledger: Ledger, tracker: ExperimentTracker) -> Iterator[Fault]:
    if not ledger.history(model):
        return  # Retrain has put nothing there yet, and MLflow may not know the model
    apply(model, ledger, tracker)
    found = tracker.in_production(model)
    if found is None:
        return
    version, file = found.version, file_of(found, ledger)
    if not tracker.has_files(file.uri if file else f"models:/{model}/{version}"):
        yield Fault(
            name=f"{_WATCHED}files/{version}",
            incident=Incident(
                model=model,
                topic=Topic.FILES_GONE,
                what=f"the files of version {version}, which is in Production, are gone from MLflow's artifacts.",
                remedy="Whoever loads it next will fail. Restore them from a backup, or trigger DAG retrain-rollback "
                f"for {model}; then find out what deletes files there.",
                facts={"version": version},
            ),
        )


def _of_source(spec: Spec, source: Source, ledger: Ledger) -> Iterator[Fault]:
    silence, late = spec.watch.silence, spec.watch.late
    if silence is not None:
        age = source.newest_label_age()
        if age is None or age >= silence:
            yield Fault(
                name=f"{_WATCHED}silence",
                incident=Incident(
                    model=spec.model,
                    topic=Topic.SOURCE_SILENT,
                    what=f"no labelled row has arrived for {duration_text(silence)}.",
                    remedy="The labelling, or the transfer of rows to this table, may have stopped. Retrain itself has "
                    "nothing to do meanwhile.",
                    facts={"silence": duration_text(silence)},
                ),
                # An empty table has no label time: it counts as silent from the first look.
                after=silence if age is None else timedelta(0),
            )
    if late is not None and spec.starts_by_itself:
        sensed, last = sense(spec, source=source, ledger=ledger), ledger.last_consumed(spec.model)
        if sensed.enough:
            yield Fault(
                # One fault for each cycle that should start by itself; the next verdict ends it.
                name=f"{_WATCHED}late/{last.id if last else 'first'}",
                incident=Incident(
                    model=spec.model,
                    topic=Topic.CYCLE_LATE,
                    what=f"a cycle is late: for {duration_text(late)} there have been rows enough for one, and none "
                    f"has ended with a verdict. {sensed}",
                    remedy="Check whether the model's DAG is paused, whether a run waits for an approval or fails, and "
                    "whether the scheduler runs.",
                    facts={"late": duration_text(late), "sensed": sensed.to_json()},
                ),
                after=late,
            )
