"""A folder that MLflow has saved is stored as it is, and asked in a fresh process."""

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import mlflow.pyfunc
import numpy as np
import pandas as pd
import pytest
from mlflow.models import Model, infer_signature

from retrain.errors import EstimatorError, UntrustedModelError
from retrain.models import files as model_files
from retrain.models.own_train import Context, Given
from retrain.models.sandbox import Sandbox
from retrain.models.saved_model import SavedModel
from retrain.tracker import model_writer
from tests.core.models import own

DICE = np.random.default_rng(0)
ROWS = pd.DataFrame(DICE.normal(size=(300, 2)), columns=["a", "b"])
LABELS = pd.Series((ROWS["a"] > 0).astype(int))
SIGNS = list(np.where(ROWS["a"] + ROWS["b"] > 0, "yes", "no"))


@pytest.fixture(scope="module")
def sandbox() -> Iterator[Sandbox]:
    with Sandbox() as process:
        yield process


def trained(function: Any, folder: Path, **params: Any) -> SavedModel:
    folder.mkdir()
    return SavedModel("it", Path(function(Given(ROWS, LABELS), params, Context(folder))))


def test_it_needs_trust_in_pickle_before_it_is_stored_and_before_it_is_loaded(tmp_path: Path, sandbox: Sandbox) -> None:
    model, path = trained(own.folder, tmp_path / "own"), tmp_path / "stored"
    with pytest.raises(UntrustedModelError, match=r"^it: MLflow may run any code when it loads it"):
        model_writer.save("it", model, path, ROWS.head(), trust=())
    assert not path.exists()

    model_writer.save("it", model, path, ROWS.head(), trust=("pickle",))

    digest = model_files.digest(path)
    assert list(sandbox.ask("it", path, digest, ROWS, ("pickle",)).predictions.labels) == SIGNS
    with pytest.raises(UntrustedModelError, match=r"^it: MLflow may run any code when it loads it"):
        sandbox.ask("it", path, digest, ROWS)


def test_a_boosters_own_file_needs_no_trust(tmp_path: Path, sandbox: Sandbox) -> None:
    model, path = trained(own.booster_folder, tmp_path / "own"), tmp_path / "stored"
    model_writer.save("it", model, path, ROWS.head(), trust=())

    reply = sandbox.ask("it", path, model_files.digest(path), ROWS, latency=True)

    assert list(reply.predictions.labels) == [str(each) for each in model.predict(ROWS)]
    assert reply.inputs == {"a": "double", "b": "double"}
    assert reply.latency_ms is not None


def test_a_changed_file_is_not_loaded(tmp_path: Path, sandbox: Sandbox) -> None:
    model, path = trained(own.booster_folder, tmp_path / "own"), tmp_path / "stored"
    model_writer.save("it", model, path, ROWS.head(), trust=())
    digest = model_files.digest(path)
    (path / "MLmodel").write_text((path / "MLmodel").read_text() + "\n")
    with pytest.raises(UntrustedModelError, match="its files are not the ones that were logged"):
        sandbox.ask("it", path, digest, ROWS)


def test_where_it_has_no_signature_it_gets_that_of_the_features(tmp_path: Path) -> None:
    model, path = trained(own.folder, tmp_path / "own"), tmp_path / "stored"
    model_writer.save("it", model, path, ROWS.head(), trust=("pickle",))

    assert model_files.inputs(path) == {"a": "double", "b": "double"}
    whole = pd.DataFrame({"a": [1, -1], "b": [0, 0]})  # whole numbers of a client's
    assert list(mlflow.pyfunc.load_model(str(path)).predict(whole)) == ["yes", "no"]


@pytest.mark.filterwarnings("ignore:.*An input example was not provided:UserWarning")
def test_a_signature_of_its_own_stays_and_decides_which_columns_it_gets(tmp_path: Path, sandbox: Sandbox) -> None:
    made = tmp_path / "own"
    signature = infer_signature(ROWS[["b", "a"]], ["yes"])
    mlflow.pyfunc.save_model(made, python_model=own.Signs("table"), signature=signature, pip_requirements=["pandas"])
    model_writer.save("it", SavedModel("it", made), tmp_path / "stored", ROWS.head(), trust=("pickle",))

    assert Model.load(str(tmp_path / "stored")).signature == Model.load(str(made)).signature
    more = ROWS.assign(c=1.0)
    reply = sandbox.ask("it", tmp_path / "stored", model_files.digest(tmp_path / "stored"), more, ("pickle",))
    assert list(reply.predictions.labels) == SIGNS
    assert list(reply.inputs or ()) == ["b", "a"]


def test_an_estimator_in_a_folder_is_loaded_by_its_types(tmp_path: Path, sandbox: Sandbox) -> None:
    model, path = trained(own.estimator_folder, tmp_path / "own"), tmp_path / "stored"
    model_writer.save("it", model, path, ROWS.head(), trust=())
    predictions = sandbox.ask("it", path, model_files.digest(path), ROWS).predictions
    assert predictions.probabilities == pytest.approx(model.predict_proba(ROWS))


def test_what_cannot_be_loaded_any_more_is_one_clear_error(tmp_path: Path, sandbox: Sandbox) -> None:
    model, path = trained(own.booster_folder, tmp_path / "own"), tmp_path / "stored"
    model_writer.save("it", model, path, ROWS.head(), trust=())
    (path / "model.json").write_text("{}")
    with pytest.raises(EstimatorError, match=r"^it: cannot be loaded: "):
        sandbox.ask("it", path, model_files.digest(path), ROWS)


def test_nothing_is_left_in_the_working_directory(
    tmp_path: Path, sandbox: Sandbox, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "work").mkdir()
    monkeypatch.chdir(tmp_path / "work")
    model, path = trained(own.folder, tmp_path / "own"), tmp_path / "stored"
    model_writer.save("it", model, path, ROWS.head(), trust=("pickle",))
    with Sandbox() as here:
        here.ask("it", path, model_files.digest(path), ROWS, ("pickle",))
    assert list(Path.cwd().iterdir()) == []
