"""The verb `train`: one candidate, fitted and scored."""

from retrain.cycle import runs
from retrain.cycle.context import Cycle
from retrain.cycle.fit import fit
from retrain.cycle.runs import recorded
from retrain.models import training
from retrain.records import Candidate, Snapshot, Subset


def train(cycle: Cycle, snapshot: Snapshot, name: str) -> Candidate:
    """Fit one candidate on the training rows and score it on the validation rows, in a run below the cycle's run.

    Raises SpecError if the candidate is unknown and EstimatorError if it cannot be built, both before it makes
    anything; EstimatorError also if it cannot be fitted or scored.
    """
    spec, tracker = cycle.spec, cycle.tracker
    made = runs.made_of_cycle(cycle, snapshot.id)
    with recorded(tracker, *([made] if made else [])):
        candidate = spec.candidate(name)
        training.build(candidate)
    parent = runs.of_cycle(cycle, snapshot)
    run_id = runs.of_candidate(cycle, snapshot, name, parent)
    with recorded(tracker, run_id, parent):
        tracker.log_params(run_id, {"estimator": candidate.estimator, **candidate.params})
        tracker.log_dataset(run_id, snapshot)
        fitted = fit(cycle, snapshot, name, (Subset.TRAIN,), run_id)
        logged = tracker.get_run(run_id).metrics
        tracker.log_metrics(run_id, {name: score for name, score in fitted.metrics.items() if name not in logged})
    tracker.end_run(run_id)
    return Candidate(
        id=fitted.model.uri,
        model=spec.model,
        name=name,
        snapshot=snapshot.id,
        run_id=run_id,
        parent_run_id=parent,
        metric=spec.gate.metric,
        train_score=fitted.metrics[f"train_{spec.gate.metric}"],
        validation_score=fitted.metrics[f"validation_{spec.gate.metric}"],
        train_rows=fitted.rows,
    )
