"""A model in skops and in ONNX: plain MLflow loads either, and ONNX where it loads nothing that could run code."""

import json
import os
import subprocess
import sys
import sysconfig
from pathlib import Path
from typing import Any
from uuid import uuid4

import numpy as np
import pandas as pd
import pytest
from sklearn.pipeline import Pipeline

from retrain.models import files as model_files
from retrain.models.as_onnx import as_onnx
from retrain.models.sandbox import Sandbox
from retrain.preflight.mlmodel import MLmodel, measured
from retrain.spec.task import Task
from retrain.tracker import model_writer
from retrain.tracker.client import ExperimentTracker
from stack.local import Running
from tests.core import toys
from tests.docs.blocks import blocks_of
from tests.elsewhere import python_with

DICE = np.random.default_rng(0)
ROWS = pd.DataFrame(DICE.normal(size=(300, 2)), columns=["a", "b"])
LABELS = pd.Series(np.where(ROWS["a"] > 0, "yes", "no").astype(object))

PAGE = "docs/production.md"
BEFORE = """
import json, sys
uri, tracking, *path = sys.argv[1:]
sys.path += path
import mlflow
mlflow.set_tracking_uri(tracking)
try:
    mlflow.pyfunc.load_model(uri)
    refused = ""
except mlflow.MlflowException as error:
    refused = str(error)
"""
AFTER = """
assert "skops" not in sys.modules and "sklearn" not in sys.modules
print(json.dumps([refused, labels.tolist(), probabilities.tolist()]))
"""


def fitted() -> Pipeline:
    return toys.logistic(["a", "b"]).fit(ROWS, LABELS)


def _block() -> str:
    (found,) = [each.text for each in blocks_of(PAGE) if each.begins == "# score.py"]
    return found


def saved(model: Pipeline, path: Path) -> Path:
    onnx = as_onnx("it", model, ROWS, Task.CLASSIFICATION)
    model_writer.save("it", model, path, ROWS.head(), trust=(), onnx=onnx)
    return path


def test_production_is_loaded_by_its_onnx_where_pickles_are_not_allowed(
    tracker: ExperimentTracker, mlflow_server: Running, tmp_path: Path
) -> None:
    key, model = uuid4().hex, fitted()
    name = f"beside-{key}"
    run = tracker.start_run(tracker.create_experiment(name), "test", key=key)
    logged = tracker.log_model_files(run, "it", saved(model, tmp_path / "model"), key=key)
    tracker.set_production(name, tracker.register_model(run, name, logged.uri, key=key))
    ROWS.to_csv(tmp_path / "customers.csv", index=False)
    uri = f"models:/{name}@production"
    program = "\n".join([BEFORE, _block().replace("models:/Churn@production", uri), AFTER])

    # -S: nothing of Retrain's is on the path.
    words = [sys.executable, "-S", "-I", "-c", program, uri, mlflow_server.mlflow_url, sysconfig.get_path("purelib")]
    refused, labels, probabilities = _asked_without_pickles(words, tmp_path)
    assert "MLFLOW_ALLOW_PICKLE_DESERIALIZATION" in refused
    assert labels == list(model.predict(ROWS))
    assert np.abs(np.array(probabilities) - model.predict_proba(ROWS)).max() < 1e-4


def test_retrain_itself_loads_the_estimator(tmp_path: Path) -> None:
    model, path = fitted(), saved(fitted(), tmp_path / "model")
    assert model_files.stored_in("it", path).format == "skops"
    with Sandbox() as sandbox:
        predictions = sandbox.ask("it", path, model_files.digest(path), ROWS).predictions
    assert list(predictions.labels) == list(model.predict(ROWS))


def test_the_description_and_the_requirements_name_what_it_takes(tmp_path: Path) -> None:
    path = saved(fitted(), tmp_path / "model")
    about = MLmodel.read((path / "MLmodel").read_bytes())
    assert set(about.flavors) == {"sklearn", "python_function", "onnx"}
    assert "model.onnx" in set(about.named_files())
    files = {file.relative_to(path).as_posix(): file.stat().st_size for file in path.rglob("*") if file.is_file()}
    assert about.size == sum(size for name, size in files.items() if measured(name))
    required = (path / "requirements.txt").read_text()
    assert "onnx==" in required
    assert "onnxruntime==" in required


@pytest.mark.nightly
def test_an_environment_of_the_logged_requirements_is_enough(tmp_path: Path) -> None:
    model, path = fitted(), saved(fitted(), tmp_path / "model")
    python = python_with((path / "requirements.txt").read_text(encoding="utf-8"), tmp_path / "environment")
    ROWS.to_csv(tmp_path / "customers.csv", index=False)
    program = "\n".join([BEFORE, _block().replace("models:/Churn@production", str(path)), AFTER])

    _, labels, _ = _asked_without_pickles([python, "-I", "-c", program, str(path), ""], tmp_path)
    assert labels == list(model.predict(ROWS))


def _asked_without_pickles(words: list[str], folder: Path) -> list[Any]:
    """What a program prints last, where MLflow may not load pickles."""
    done = subprocess.run(
        words,
        cwd=folder,
        env=os.environ | {"MLFLOW_ALLOW_PICKLE_DESERIALIZATION": "false"},
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    found: list[Any] = json.loads(done.stdout.splitlines()[-1])
    return found
