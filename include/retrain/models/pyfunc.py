"""Models that MLflow has saved as a flavour of its own with a `predict`: what loading one runs, and the loading.

A format is what `trust` is about. A model of the formats in `PLAIN` holds data alone; any other one runs whatever code
its files hold or name, so it takes `trust: pickle`.
"""

import warnings
from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    import pandas as pd

_FLAVOR = "python_function"
ANY = "python_function"
"""The format of a model that may run any code when it is loaded."""
PLAIN = ("xgboost", "lightgbm", "onnx")
_FIELDS = {"loader_module", "python_version", "data", "env", "code", "streamable"}
"""What such a model's description may say of its `python_function`: another `predict_fn` is another thing."""
_XGBOOST = ("XGBClassifier", "XGBRegressor", "XGBRFClassifier", "XGBRFRegressor", "XGBRanker")
_CLASSES = {
    # MLflow makes an object of whatever class is named here.
    "xgboost": ("xgboost.core.Booster", *(f"xgboost.sklearn.{name}" for name in _XGBOOST)),
    # The other classes of LightGBM's are pickled, or stored by skops, with a list of trusted types of the file's own.
    "lightgbm": ("lightgbm.basic.Booster",),
}
_PROVIDERS = ("CPUExecutionProvider", "CUDAExecutionProvider")
_PICKLES = (".pkl", ".pickle", ".cloudpickle", ".joblib", ".dill", ".pt", ".pth", ".py", ".so")


def is_one(flavors: Mapping[str, Any]) -> bool:
    """Return whether MLflow's description of a model has a `predict` of a flavour that is not scikit-learn's."""
    whole = flavors.get(_FLAVOR)
    return isinstance(whole, dict) and whole.get("loader_module") != "mlflow.sklearn"


def format_of(flavors: Mapping[str, Any], folder: Path) -> str:
    """Return one of `PLAIN` where all that MLflow would load in a folder is data; `ANY` where it may run code."""
    whole = flavors[_FLAVOR]
    name = str(whole.get("loader_module")).removeprefix("mlflow.")
    own = flavors.get(name)
    if name not in PLAIN or not isinstance(own, dict) or not whole.keys() <= _FIELDS:
        return ANY
    if any(each.get("code") for each in (whole, own)) or not _is_among_its_files(whole.get("data"), own, folder):
        return ANY
    if any(path.suffix.lower() in _PICKLES for path in folder.rglob("*")):
        return ANY
    if name == "onnx":
        options = own.get("onnx_session_options") or {}
        providers = own.get("providers") or ()
        is_data = "extra_session_config" not in options and all(each in _PROVIDERS for each in providers)
    else:
        is_data = own.get("model_class") in _CLASSES[name]
    return name if is_data else ANY


def _is_among_its_files(data: object, own: Mapping[str, Any], folder: Path) -> bool:
    """Return whether both descriptions name one file, and that is in the folder."""
    if not isinstance(data, str) or own.get("data") != data:
        return False
    file = (folder / data).resolve()
    return file.is_file() and file.is_relative_to(folder.resolve())


def load(folder: Path) -> "Pyfunc":
    """Return the model in a folder. What MLflow raises comes through, as does what the model's own code raises."""
    with warnings.catch_warnings():
        # On import it looks at its own type hints, and warns about them.
        warnings.simplefilter("ignore")
        import mlflow.pyfunc  # seconds, and for these models alone
    return Pyfunc(mlflow.pyfunc.load_model(str(folder), suppress_warnings=True))


class Pyfunc:
    """What MLflow has loaded, as our own code asks models: `predict` gives one value a row."""

    def __init__(self, model: Any) -> None:
        self._model = model

    def predict(self, features: "pd.DataFrame") -> Any:
        """Return an array of what the model gives: an array, a Series, a list, or a table of one column."""
        import numpy as np

        found = np.asarray(self._model.predict(features))
        return found[:, 0] if found.ndim == 2 and found.shape[1] == 1 else found
