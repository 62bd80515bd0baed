"""A cycle's runs in MLflow: one for the cycle, and below it one for each candidate. Each is made once."""

from collections.abc import Iterator, Mapping
from contextlib import contextmanager, suppress

from retrain.cycle.context import Cycle
from retrain.errors import TrackerError
from retrain.records import Snapshot
from retrain.tracker.client import ExperimentTracker
from retrain.tracker.entities import Run
from retrain.tracker.filters import Condition

_CANDIDATE = "retrain.candidate"


def of_cycle(cycle: Cycle, snapshot: Snapshot) -> str:
    """Return the id of the cycle's run, which has the snapshot as its data set; make it if needed."""
    run_id = _once(cycle, cycle.run_id, _key_of_cycle(cycle, snapshot.id), snapshot)

    def log() -> str:
        cycle.tracker.log_dataset(run_id, snapshot)
        return snapshot.id

    # MLflow refuses one of two runs that log a new data set at the same time, so the cycle's run logs it first.
    cycle.ledger.once(cycle.key("data", snapshot.id), find=lambda: None, create=log)
    return run_id


def of_candidate(cycle: Cycle, snapshot: Snapshot, name: str, parent: str) -> str:
    """Return the id of one candidate's run below the cycle's run; make it if needed."""
    return _once(cycle, name, _key_of_candidate(cycle, snapshot.id, name), snapshot, parent, candidate=name)


def made_of_cycle(cycle: Cycle, snapshot_id: str) -> str | None:
    """Return the id of the cycle's run; None if it was not made yet."""
    return cycle.ledger.made(_key_of_cycle(cycle, snapshot_id))


def made_of_candidate(cycle: Cycle, snapshot_id: str, name: str) -> str | None:
    """Return the id of one candidate's run; None if it was not made yet."""
    return cycle.ledger.made(_key_of_candidate(cycle, snapshot_id, name))


def candidates(tracker: ExperimentTracker, run: Run) -> dict[str, Run]:
    """Return the candidates' runs below a cycle's run, by the name of the candidate."""
    below = tracker.search_runs([run.experiment_id], [Condition("tag", "mlflow.parentRunId", "=", run.id)])
    return {each.tags[_CANDIDATE]: each for each in below if _CANDIDATE in each.tags}


def retrain_tags(tags: Mapping[str, str]) -> dict[str, str]:
    """Return the tags with Retrain's prefix."""
    return {f"retrain.{name}": text for name, text in tags.items()}


@contextmanager
def recorded(tracker: ExperimentTracker, *runs: str) -> Iterator[None]:
    """Keep the status of the runs RUNNING while the block runs, even after an earlier failure; FAILED if it raises."""
    for run_id in runs:
        if tracker.get_run(run_id).status != "RUNNING":
            tracker.end_run(run_id, "RUNNING")
    try:
        yield
    except Exception:
        for run_id in runs:
            with suppress(TrackerError):
                tracker.end_run(run_id, "FAILED")
        raise


def _key_of_cycle(cycle: Cycle, snapshot_id: str) -> str:
    return cycle.key("cycle", snapshot_id)


def _key_of_candidate(cycle: Cycle, snapshot_id: str, name: str) -> str:
    return cycle.key("train", snapshot_id, name)


def _once(cycle: Cycle, run_name: str, key: str, snapshot: Snapshot, parent: str | None = None, **tags: str) -> str:
    experiment = cycle.tracker.create_experiment(cycle.spec.model)
    known = {"snapshot": snapshot.id, "dag_id": cycle.dag_id, "dag_run": cycle.run_id, **tags}
    return cycle.ledger.once(
        key,
        find=lambda: cycle.tracker.find_run(experiment, key),
        create=lambda: cycle.tracker.start_run(
            experiment, run_name, retrain_tags(known), key=key, parent=parent, note=cycle.note
        ),
    )
