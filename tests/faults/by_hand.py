"""What people do to a registered model by themselves: in MLflow's pages, or from a notebook."""

import tempfile
from collections.abc import Sequence
from importlib.metadata import version as version_of
from pathlib import Path
from typing import Any
from uuid import uuid4

import mlflow.sklearn

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


def log_pickle(
    tracker: ExperimentTracker, model: str, estimator: Any, *, stage: Stage = "None", requirements: Sequence[str] = ()
) -> str:
    """Register an estimator as MLflow's own call stores it by default for years, a pickle, and return its version."""
    run = tracker.start_run(tracker.create_experiment(f"theirs-{uuid4().hex}"), "theirs")
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "model"
        packages = [*requirements] or [f"scikit-learn=={version_of('scikit-learn')}"]
        mlflow.sklearn.save_model(
            estimator.fit(ROWS, LABELS), path, serialization_format="cloudpickle", pip_requirements=packages
        )
        tracker._client.log_artifacts(run, str(path), "model")
    source = f"{tracker._client.get_run(run).info.artifact_uri}/model"
    with tracker._translated_errors(model):
        tracker._client.create_registered_model(model)
        version = tracker._client.create_model_version(model, source, run).version
    if stage != "None":
        tracker.transition_model_stage(model, str(version), stage)
    return str(version)
