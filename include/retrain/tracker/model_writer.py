"""Writes a fitted estimator as MLflow's scikit-learn flavour."""

import tempfile
import warnings
from importlib import import_module
from importlib.metadata import packages_distributions
from importlib.metadata import version as installed
from pathlib import Path
from typing import Any

import mlflow.sklearn
import pandas as pd
from mlflow.exceptions import MlflowException
from mlflow.models import ModelSignature, infer_signature
from mlflow.types.schema import AnyType, ColSpec, DataType, Schema
from sklearn.linear_model import LogisticRegression

from retrain.errors import EstimatorError
from retrain.models.files import COLUMNS, PICKLE, refuse_foreign_types, refuse_unwritable, trusted
from retrain.text import one_line

with warnings.catch_warnings():
    # On import it looks at its own type hints, and warns about them.
    warnings.simplefilter("ignore")
    import mlflow.pyfunc

_REQUIREMENTS = ("numpy", "pandas", "scikit-learn")
_BOOSTERS = {"catboost", "lightgbm", "xgboost"}
_TRAVELLING = ("retrain_features",)
"""Packages whose code goes with a model that holds an object of theirs: plain MLflow loads it where they are not."""


def save(name: str, model: Any, path: Path, example: pd.DataFrame, *, trust: tuple[str, ...]) -> None:
    """Write the estimator into folder `path`.

    example: rows of features; the types of their columns count, not the values. The requirements are passed on: MLflow
    would infer them in 4 to 6 seconds. Raises UntrustedModelError if the estimator holds types that neither skops,
    Retrain nor the spec trusts, and EstimatorError if it cannot be written.
    """
    pickled = PICKLE in trust
    columns = {str(column): _type(example[column]) for column in example}
    try:
        packages = (*_REQUIREMENTS, "cloudpickle" if pickled else "skops", *_packages(model))
        mlflow.sklearn.save_model(
            model,
            str(path),
            signature=_signature(columns, model.predict(example)),
            metadata={COLUMNS: [*map(list, columns.items())]},  # as a list: YAML sorts the names of a mapping
            code_paths=_code(model),
            pip_requirements=[f"{package}=={installed(package)}" for package in packages],
            serialization_format="cloudpickle" if pickled else "skops",
            skops_trusted_types=None if pickled else trusted(trust),
        )
    except Exception as error:  # what the estimator's own code raises among them
        cause = error.__cause__ or error.__context__ or error
        if isinstance(cause, OSError | MemoryError):
            raise
        # MLflow has written the file and read it back. Only now what it refused is looked for: that takes long.
        if not pickled:
            refuse_unwritable(name, model)
            refuse_foreign_types(name, model, trust)
        if isinstance(cause, MlflowException):
            raise
        raise EstimatorError(
            f"{name}: the model cannot be written: {type(cause).__name__}: {one_line(cause)}; leave out of the "
            "estimator what the error names"
        ) from error


def prepare() -> None:
    """Write a small model: with the first one, MLflow and skops import what they need, and look at all packages."""
    rows = pd.DataFrame({"a": [0.0, 1.0]})
    with tempfile.TemporaryDirectory() as folder:
        save("a", LogisticRegression().fit(rows, ["no", "yes"]), Path(folder) / "model", rows, trust=())


def _type(column: "pd.Series[Any]") -> str:
    return "double" if column.dtype.kind in "biuf" else "string"


def _signature(columns: dict[str, str], predictions: Any) -> ModelSignature:
    """Return what clients may send. The types of the columns decide: the first rows may hold nothing but nulls.

    A number is of type `any`: as `double`, MLflow would refuse a client's booleans and whole numbers, although the
    model takes them.
    """
    number = AnyType()  # type: ignore[no-untyped-call]
    inputs = Schema(
        [ColSpec(DataType.string if type_ == "string" else number, name) for name, type_ in columns.items()]
    )
    with warnings.catch_warnings():
        # MLflow warns that a missing value would turn integers into floats.
        warnings.simplefilter("ignore", UserWarning)
        outputs = infer_signature(model_output=predictions).outputs
    return ModelSignature(inputs, outputs)


def _packages(model: Any) -> list[str]:
    """Return the boosters' packages, if the estimator or one inside it is theirs: who loads it needs them, too."""
    return sorted(packages_distributions()[module][0] for module in _modules(model) & _BOOSTERS)  # XGBoost has several


def _code(model: Any) -> list[str] | None:
    """Return the folders of the code that travels with the estimator; None where it needs none."""
    found = sorted(_modules(model) & set(_TRAVELLING))
    return [str(Path(str(import_module(name).__file__)).parent) for name in found] or None


def _modules(model: Any) -> set[str]:
    """Return the packages of the estimator and of all inside it."""
    parts = [model, *(model.get_params().values() if hasattr(model, "get_params") else ())]
    return {type(part).__module__.partition(".")[0] for part in parts}
