"""What people do to a registered model by themselves: in MLflow's pages, or from a notebook."""

from uuid import uuid4

from retrain.tracker.client import ExperimentTracker
from retrain.tracker.entities import Stage
from tests.core import toys
from tests.core.tracker.contract.samples import LABELS, ROWS


def register(tracker: ExperimentTracker, model: str, *, stage: Stage = "None", aliases: tuple[str, ...] = ()) -> str:
    """Log and register a model that Retrain knows nothing of, and return its version."""
    run = tracker.start_run(tracker.create_experiment(f"theirs-{uuid4().hex}"), "theirs")
    logged = tracker.log_model(run, "theirs", toys.logistic(["a"]).fit(ROWS, LABELS), ROWS, key=uuid4().hex)
    version = tracker.register_model(run, model, logged.uri)
    if stage != "None":
        tracker.transition_model_stage(model, version, stage)
    for alias in aliases:
        tracker._client.set_registered_model_alias(model, alias, version)
    return version


def delete(tracker: ExperimentTracker, model: str) -> None:
    """Delete a registered model: MLflow gives its numbers anew."""
    tracker._client.delete_registered_model(model)
