"""A cycle's runs in MLflow: one for the cycle, and below it one for each candidate. Each is made once."""

import hashlib
import json
import logging
import tempfile
import traceback
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any

from retrain.cycle.context import Cycle
from retrain.errors import RetrainError, TrackerError
from retrain.records import Candidate, Snapshot
from retrain.text import one_line, shorten, storable
from retrain.tracker import validation
from retrain.tracker.client import ExperimentTracker
from retrain.tracker.entities import Run
from retrain.tracker.filters import Condition

log = logging.getLogger(__name__)

ERROR = "retrain.error"
"""Tag of a run that has failed: why, without what it quotes of rows. The file `error.txt` has all of it."""
_CANDIDATE = "retrain.candidate"
SEARCH = "retrain.search"
"""Tag of a candidate's run that has a search: what it may try, as JSON."""


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


def of_trial(cycle: Cycle, snapshot: Snapshot, study: str, number: int, parent: str) -> str:
    """Return the id of the run of one trial of a study, below its candidate's run; make it if needed."""
    return _once(
        cycle, f"trial {number}", cycle.key("trial run", study, str(number)), snapshot, parent, trial=str(number)
    )


def made_of_cycle(cycle: Cycle, snapshot_id: str) -> str | None:
    """Return the id of the cycle's run; None if it was not made yet."""
    return cycle.ledger.made(_key_of_cycle(cycle, snapshot_id))


def made_of_candidate(cycle: Cycle, snapshot_id: str, name: str) -> str | None:
    """Return the id of one candidate's run; None if it was not made yet."""
    return cycle.ledger.made(_key_of_candidate(cycle, snapshot_id, name))


def untrained(cycle: Cycle, snapshot_id: str, trained: Sequence[Candidate]) -> dict[str, str]:
    """Return the candidates whose training was begun in this cycle and came to no end, by name, and why."""
    found = {}
    for name in {each.name for each in cycle.spec.candidates} - {each.name for each in trained}:
        run_id = made_of_candidate(cycle, snapshot_id, name)
        if run_id is not None:
            why = cycle.tracker.get_run(run_id).tags.get(ERROR)
            found[name] = why or "its task ended before it was trained; see its log"
    return dict(sorted(found.items()))


def candidates(tracker: ExperimentTracker, run: Run) -> dict[str, Run]:
    """Return the candidates' runs below a cycle's run, by the name of the candidate."""
    below = tracker.search_runs([run.experiment_id], [Condition("tag", "mlflow.parentRunId", "=", run.id)])
    return {each.tags[_CANDIDATE]: each for each in below if _CANDIDATE in each.tags}


def retrain_tags(tags: Mapping[str, str]) -> dict[str, str]:
    """Return the tags with Retrain's prefix, each cut to what MLflow stores."""
    fitting = {name: shorten(storable(text), validation.LONGEST_TAG, keep_lines=True) for name, text in tags.items()}
    return {f"retrain.{name}": text for name, text in fitting.items()}


def log_params(tracker: ExperimentTracker, run_id: str, params: Mapping[str, Any]) -> None:
    """Log parameters that a spec may hold, whatever they are: training does not fail because one is too long.

    Where MLflow cannot store one, its digest stands there, and the file `params.json` holds them all.
    """
    texts, whole = dict[str, str](), True
    for name, value in params.items():
        try:
            texts |= validation.params({name: value})
        except TrackerError as error:
            log.info("%s; the file params.json of run %s has it.", error, run_id)
            whole = False
            with suppress(TrackerError):  # MLflow may not take the name either
                texts |= validation.params({name: _digest(value)})
    tracker.log_params(run_id, texts)
    if not whole:
        log_text(tracker, run_id, "params.json", json.dumps(params, ensure_ascii=False, indent=2))


@contextmanager
def recorded(tracker: ExperimentTracker, *runs: str) -> Iterator[None]:
    """Keep the status of the runs RUNNING while the block runs, even after an earlier failure; FAILED if it raises.

    A run that has failed says why: see `ERROR`.
    """
    for run_id in runs:
        run = tracker.get_run(run_id)
        if run.status != "RUNNING":
            tracker.end_run(run_id, "RUNNING")
        if run.tags.get(ERROR):
            tracker.set_tags(run_id, {ERROR: ""})
    try:
        yield
    except Exception as error:
        for run_id in runs:
            with suppress(TrackerError):
                tracker.end_run(run_id, "FAILED")
                tracker.set_tags(run_id, retrain_tags({"error": _why(error)}))
                log_text(tracker, run_id, "error.txt", "".join(traceback.format_exception(error)))
        raise


def _why(error: Exception) -> str:
    """Return why a run has failed without the text of the library that raised first: it may quote values of rows."""
    if not isinstance(error, RetrainError):
        return type(error).__name__
    text, quoted = one_line(error.message), one_line(error.__cause__) if error.__cause__ else ""
    return text.replace(quoted, "…") if quoted else text


def _digest(value: object) -> str:
    return f"sha256:{hashlib.sha256(json.dumps(value, sort_keys=True).encode()).hexdigest()}"


def log_text(tracker: ExperimentTracker, run_id: str, name: str, text: str) -> None:
    """Log a text as a file of the run."""
    with tempfile.TemporaryDirectory(prefix="retrain-") as folder:
        file = Path(folder) / name
        file.write_text(text, encoding="utf-8", errors="replace")
        tracker.log_artifact(run_id, file)


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
