"""What loading a model of MLflow's may run, told from its description and files alone."""

from pathlib import Path
from typing import Any

import lightgbm
import mlflow.lightgbm
import mlflow.onnx
import mlflow.pyfunc
import mlflow.xgboost
import numpy as np
import pandas as pd
import pytest
import xgboost
import yaml
from skl2onnx import to_onnx
from sklearn.linear_model import LinearRegression

from retrain.models import files as model_files
from retrain.models import pyfunc
from tests.core.models.own import Signs

DICE = np.random.default_rng(0)
ROWS = pd.DataFrame(DICE.normal(size=(200, 2)), columns=["a", "b"])
LABELS = (ROWS["a"] > 0).astype(int)
NONE: dict[str, Any] = {"pip_requirements": ["pandas"]}
"""MLflow would infer them in seconds."""


def xgboost_classifier(folder: Path) -> None:
    model = xgboost.XGBClassifier(n_estimators=3).fit(ROWS, LABELS)
    mlflow.xgboost.save_model(model, folder, **NONE)


def xgboost_booster(folder: Path) -> None:
    model = xgboost.train({"objective": "reg:squarederror"}, xgboost.DMatrix(ROWS, LABELS), num_boost_round=3)
    mlflow.xgboost.save_model(model, folder, **NONE)


def lightgbm_booster(folder: Path) -> None:
    model = lightgbm.train({"verbose": -1}, lightgbm.Dataset(ROWS, LABELS), num_boost_round=3)
    mlflow.lightgbm.save_model(model, folder, **NONE)


def onnx_regression(folder: Path) -> None:
    model = to_onnx(LinearRegression().fit(ROWS, LABELS), ROWS.to_numpy(np.float32))
    mlflow.onnx.save_model(model, folder, **NONE)


def lightgbm_classifier(folder: Path) -> None:
    model = lightgbm.LGBMClassifier(n_estimators=3, verbose=-1).fit(ROWS, LABELS)
    mlflow.lightgbm.save_model(model, folder, **NONE)


def general(folder: Path) -> None:
    mlflow.pyfunc.save_model(folder, python_model=Signs("array"), **NONE)


DATA = {
    xgboost_classifier: "xgboost",
    xgboost_booster: "xgboost",
    lightgbm_booster: "lightgbm",
    onnx_regression: "onnx",
}
CODE = (lightgbm_classifier, general)


def _format(folder: Path) -> str:
    return model_files.stored_in("it", folder).format


@pytest.mark.parametrize(("save", "format_"), DATA.items())
def test_the_files_of_boosters_and_of_onnx_hold_data_alone_and_predict(save: Any, format_: str, tmp_path: Path) -> None:
    save(tmp_path / "model")
    assert _format(tmp_path / "model") == format_
    loaded = model_files.load("it", tmp_path / "model", model_files.digest(tmp_path / "model"), ())
    assert loaded.predict(ROWS).shape == (200,)
    assert np.corrcoef(loaded.predict(ROWS), LABELS)[0, 1] > 0.7


@pytest.mark.parametrize("save", CODE)
def test_any_other_may_run_code_and_takes_trust_in_pickle(save: Any, tmp_path: Path) -> None:
    folder = tmp_path / "model"
    save(folder)
    assert _format(folder) == pyfunc.ANY
    with pytest.raises(
        model_files.UntrustedModelError, match=r"MLflow may run any code .* `trust` does not name pickle"
    ):
        model_files.load("it", folder, model_files.digest(folder), ("some.Type",))
    assert len(model_files.load("it", folder, model_files.digest(folder), ("pickle",)).predict(ROWS)) == 200


@pytest.mark.parametrize(
    ("flavor", "change"),
    [
        ("python_function", {"code": "code"}),
        ("xgboost", {"code": "code"}),
        ("xgboost", {"model_class": "subprocess.Popen"}),
        ("xgboost", {"model_class": None}),
        ("xgboost", {"data": "other.xgb"}),
        ("python_function", {"data": "../outside.xgb"}),
        ("python_function", {"loader_module": "elsewhere"}),
        ("python_function", {"loader_module": "mlflow.lightgbm"}),
        ("python_function", {"predict_fn": "get_raw_model"}),
        ("python_function", {"config": {"a": 1}}),
    ],
    ids=str,
)
def test_a_description_that_leads_elsewhere_makes_it_one_that_may_run_code(
    flavor: str, change: dict[str, Any], tmp_path: Path
) -> None:
    folder = tmp_path / "model"
    xgboost_classifier(folder)
    (tmp_path / "outside.xgb").write_text("")
    about = yaml.safe_load((folder / "MLmodel").read_text())
    about["flavors"][flavor] |= change
    (folder / "MLmodel").write_text(yaml.safe_dump(about))
    assert _format(folder) == pyfunc.ANY


@pytest.mark.parametrize(
    "change",
    [
        {"providers": [["TensorrtExecutionProvider", {"trt_ep_context_file_path": "/"}]]},
        {"onnx_session_options": {"extra_session_config": {"a": "1"}}},
    ],
    ids=str,
)
def test_options_of_the_runtime_make_a_model_in_onnx_one_that_may_run_code(
    change: dict[str, Any], tmp_path: Path
) -> None:
    folder = tmp_path / "model"
    onnx_regression(folder)
    about = yaml.safe_load((folder / "MLmodel").read_text())
    about["flavors"]["onnx"] |= change
    (folder / "MLmodel").write_text(yaml.safe_dump(about))
    assert _format(folder) == pyfunc.ANY


@pytest.mark.parametrize("name", ["model.pkl", "code/xgboost.py", "weights.pt"])
def test_a_file_that_can_hold_code_makes_it_one_that_may_run_it(name: str, tmp_path: Path) -> None:
    folder = tmp_path / "model"
    xgboost_classifier(folder)
    (folder / name).parent.mkdir(exist_ok=True)
    (folder / name).write_text("")
    assert _format(folder) == pyfunc.ANY
