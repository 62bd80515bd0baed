"""The verb `train`: one candidate, fitted and scored."""

import json

from retrain.cycle import runs
from retrain.cycle.context import Cycle
from retrain.cycle.fit import fit
from retrain.cycle.fitting import Made
from retrain.cycle.runs import recorded
from retrain.cycle.tuned import tuned
from retrain.models import limited
from retrain.records import Candidate, Snapshot, Subset
from retrain.tracker.client import ExperimentTracker


def train(cycle: Cycle, snapshot: Snapshot, name: str) -> Candidate:
    """Fit one candidate on the training rows and score it on the validation rows, in a run below the cycle's run.

    Raises SpecError if the candidate is unknown, before it makes anything, and EstimatorError if it cannot be built,
    fitted or scored: its run then says why.
    """
    cycle = tuned(cycle, snapshot)
    spec, tracker = cycle.spec, cycle.tracker
    candidate = spec.candidate(name)
    limited.get_ready(spec.run_on.python)
    parent = runs.of_cycle(cycle, snapshot)
    run_id = runs.of_candidate(cycle, snapshot, name, parent)
    with recorded(tracker, run_id, parent):
        runs.log_params(tracker, run_id, {candidate.kind: candidate.function, **candidate.params})
        tracker.log_dataset(run_id, snapshot)
        fitted = fit(cycle, snapshot, name, (Subset.TRAIN,), run_id)
        _log(tracker, run_id, fitted.made)
    tracker.end_run(run_id)
    made = fitted.made
    return Candidate(
        id=fitted.model.uri,
        model=spec.model,
        name=name,
        snapshot=snapshot.id,
        run_id=run_id,
        parent_run_id=parent,
        metric=spec.gate.metric,
        train_score=made.metrics[f"train_{spec.gate.metric}"],
        validation_score=made.metrics[f"validation_{spec.gate.metric}"],
        train_rows=made.rows,
        recipe=made.recipe,
    )


def _log(tracker: ExperimentTracker, run_id: str, made: Made) -> None:
    """Log the figures of the fit, each once."""
    figures = {"fit_seconds": made.seconds, "fit_rows": float(made.rows), "fit_memory_mib": made.memory / (1 << 20)}
    logged = tracker.get_run(run_id).metrics
    tracker.log_metrics(run_id, {name: value for name, value in (made.metrics | figures).items() if name not in logged})
    for name in ("heaviest", "versions"):
        if known := getattr(made, name):
            runs.log_text(tracker, run_id, f"{name}.json", json.dumps(known, ensure_ascii=False, indent=2))
