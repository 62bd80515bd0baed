"""Folders of MLflow's, formats and autologging in whole cycles, against a real PostgreSQL and a real MLflow server."""

import sys
from pathlib import Path

import mlflow
import pytest

from retrain.cycle.train import train
from retrain.errors import EstimatorError, NotFoundError, UntrustedModelError
from stack.local import Running
from tests.core.conftest import Make
from tests.docs.blocks import blocks_of

PAGE = "docs/training.md"


def test_the_folder_of_the_page_goes_into_production(
    world: Make, mlflow_server: Running, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (block,) = [each.text for each in blocks_of(PAGE) if each.begins == "# my_booster.py"]
    (tmp_path / "my_booster.py").write_text(block, encoding="utf-8")
    monkeypatch.syspath_prepend(str(tmp_path))
    model = world(candidates=[{"name": "own", "train": "my_booster:train", "params": {"trees": 20}}])
    model.feed(600)
    model.execute("ALTER TABLE rows ALTER label TYPE integer USING (label = 'yes')::integer")

    assert model.promote().to_version == "1"

    file = model.ledger.model_file_of_version(model.model, "1")
    assert file is not None
    assert file.recipe is not None
    monkeypatch.setenv("MLFLOW_TRACKING_URI", mlflow_server.mlflow_url)
    loaded = mlflow.pyfunc.load_model(f"models:/{model.model}@production")
    assert set(loaded.metadata.flavors) == {"python_function", "xgboost"}
    model.registry.prove(model.tracker.get_model_version(model.model, "1"))


def test_a_folder_that_may_run_code_takes_trust_in_pickle(world: Make) -> None:
    own = {"name": "own", "train": "tests.core.models.own:folder"}
    model = world(candidates=[own])
    model.feed(600)
    with pytest.raises(UntrustedModelError, match="own: MLflow may run any code when it loads it"):
        train(model.cycle(), model.take(), "own")


def test_with_that_trust_it_goes_into_production(world: Make) -> None:
    model = world(candidates=[{"name": "own", "train": "tests.core.models.own:folder"}], trust="pickle")
    model.feed(600)
    assert model.promote().to_version == "1"


def test_another_interpreter_saves_it_and_is_asked(world: Make, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("RETRAIN_PYTHONS", f"other={sys.executable}")
    own = {"name": "own", "train": "tests.core.models.own:booster_folder"}
    model = world(candidates=[own], run_on={"python": "other"})
    model.feed(600)
    model.execute("ALTER TABLE rows ALTER label TYPE integer USING (label = 'yes')::integer")
    assert model.promote().to_version == "1"


def test_what_a_function_autologs_is_on_the_run_and_registers_nothing(
    world: Make, mlflow_server: Running, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    monkeypatch.setenv("MLFLOW_TRACKING_URI", mlflow_server.mlflow_url)
    caplog.set_level("INFO")
    own = {"name": "own", "train": "tests.core.models.own:autologged", "params": {"registers": "by-itself"}}
    model = world(candidates=[own])
    model.feed(600)

    trained = train(model.cycle(), model.take(), "own")

    assert [each.value for each in model.tracker.metric_history(trained.run_id, "loss")] == [1.0, 0.5, 1 / 3]
    assert model.tracker.get_run(trained.run_id).metrics["training_accuracy_score"] > 0.6
    with pytest.raises(NotFoundError):
        model.tracker.get_model("by-itself")
    assert model.tracker.find_experiment("mine") is None
    assert "It wrote into its working directory" not in caplog.text


def test_a_candidate_with_a_copy_in_onnx_is_judged_and_put_into_production(
    world: Make, mlflow_server: Running, monkeypatch: pytest.MonkeyPatch
) -> None:
    linear = {"name": "linear", "estimator": "tests.core.toys:logistic", "params": {"columns": ["a", "b"]}}
    model = world(candidates=[{**linear, "format": ["skops", "onnx"]}])
    model.feed(600)
    assert model.promote().to_version == "1"
    monkeypatch.setenv("MLFLOW_TRACKING_URI", mlflow_server.mlflow_url)
    loaded = mlflow.onnx.load_model(f"models:/{model.model}@production")
    assert [each.name for each in loaded.graph.input] == ["a", "b"]


def test_a_folder_cannot_have_a_copy_in_onnx(world: Make) -> None:
    own = {"name": "own", "train": "tests.core.models.own:estimator_folder", "format": ["skops", "onnx"]}
    model = world(candidates=[own])
    model.feed(600)
    with pytest.raises(EstimatorError, match="own: a folder of MLflow's is stored as it is"):
        train(model.cycle(), model.take(), "own")
