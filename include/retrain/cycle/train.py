"""The verb `train`: one candidate, fitted and scored."""

from retrain.cycle import runs
from retrain.cycle.context import Cycle
from retrain.cycle.fit import fit
from retrain.cycle.runs import recorded
from retrain.models import training
from retrain.records import Candidate, Snapshot, Subset


def train(cycle: Cycle, snapshot: Snapshot, name: str) -> Candidate:
    """Fit one candidate on the training rows and score it on the validation rows, in a run below the cycle's run.

    Raises SpecError if the candidate is unknown, before it makes anything, and EstimatorError if it cannot be built,
    fitted or scored: its run then says why.
    """
    spec, tracker = cycle.spec, cycle.tracker
    candidate = spec.candidate(name)
    if runs.made_of_cycle(cycle, snapshot.id) is None:
        training.build(candidate)  # otherwise a cycle without any run would get one that has failed
    parent = runs.of_cycle(cycle, snapshot)
    run_id = runs.of_candidate(cycle, snapshot, name, parent)
    with recorded(tracker, run_id, parent):
        runs.log_params(tracker, run_id, {"estimator": candidate.estimator, **candidate.params})
        training.build(candidate)
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
