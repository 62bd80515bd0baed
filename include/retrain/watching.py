"""The verb `watch`: notices what no cycle would, because none runs, or because it would be too late."""

from collections.abc import Iterator
from datetime import timedelta

from retrain.apply import apply
from retrain.nouns import Fault, Incident
from retrain.sensing import sense
from retrain.source import Source
from retrain.spec import Spec, duration_text
from retrain.state import State
from retrain.tracker import ExperimentTracker

_WATCHED = "watch/"


def watch(spec: Spec, *, source: Source, state: State, tracker: ExperimentTracker) -> list[Fault]:
    """What is wrong with a model now. The team is told of each fault when it begins, and when it is over.

    A change of Production by hand is recorded and told, as whoever comes next would. Run again, nothing is told twice.
    """
    found = [*_of_production(spec.model, state, tracker), *_of_source(spec, source, state)]
    for fault in found:
        state.fail(fault, key=_WATCHED)
    state.end_faults(spec.model, _WATCHED, but=[fault.name for fault in found])
    return found


def _of_production(model: str, state: State, tracker: ExperimentTracker) -> Iterator[Fault]:
    if not state.history(model):
        return  # nothing was ever put there by Retrain, which may not know the model at all
    version = apply(model, state, tracker)
    if version is None:
        return
    file = state.model_file_of_version(model, version)
    if not tracker.has_files(file.uri if file else f"models:/{model}/{version}"):
        yield Fault(
            name=f"{_WATCHED}files/{version}",
            incident=Incident(
                model=model,
                what=f"the files of version {version}, which is in Production, are gone from MLflow's artifacts.",
                remedy="Whoever loads it next will fail. Restore them from a backup, or trigger the model's rollback "
                "DAG; then find out what deletes there.",
                facts={"version": version},
            ),
        )


def _of_source(spec: Spec, source: Source, state: State) -> Iterator[Fault]:
    silence, late = spec.watch.silence, spec.watch.late
    if silence is not None:
        age = source.newest_label_age()
        if age is None or age >= silence:
            yield Fault(
                name=f"{_WATCHED}silence",
                incident=Incident(
                    model=spec.model,
                    what=f"no labelled row has arrived for {duration_text(silence)}.",
                    remedy="Whatever labels rows, or brings them here, may have stopped. Retrain itself has nothing to "
                    "do meanwhile.",
                    facts={"silence": duration_text(silence)},
                ),
                # An empty table says of no row when it came: then it is silent from when this is first seen.
                after=silence if age is None else timedelta(0),
            )
    if late is not None and spec.starts_by_itself:
        sensed, last = sense(spec, source=source, state=state), state.last_consumed(spec.model)
        if sensed.enough:
            yield Fault(
                # Of each cycle that should come by itself: the one that comes ends it.
                name=f"{_WATCHED}late/{last.id if last else 'first'}",
                incident=Incident(
                    model=spec.model,
                    what=f"a cycle is late: for {duration_text(late)} there have been rows enough for one, and none "
                    f"has ended with a verdict. {sensed}",
                    remedy="Look whether the model's DAG is paused, whether a run waits for an approval or fails, and "
                    "whether the scheduler is well.",
                    facts={"late": duration_text(late), "sensed": sensed.to_json()},
                ),
                after=late,
            )
