"""Writes a fitted estimator as MLflow's scikit-learn flavour, or a folder of MLflow's as it is."""

import shutil
import sys
import tempfile
import warnings
from collections.abc import Mapping
from functools import cache
from importlib import import_module
from importlib.metadata import distribution, packages_distributions
from importlib.metadata import version as installed
from pathlib import Path
from typing import Any

import mlflow.sklearn
import pandas as pd
from mlflow.exceptions import MlflowException
from mlflow.models import Model, ModelSignature, infer_signature
from mlflow.models.model import MLMODEL_FILE_NAME
from mlflow.types.schema import AnyType, ColSpec, DataType, Schema
from sklearn.linear_model import LogisticRegression

from retrain.errors import EstimatorError
from retrain.models.files import (
    COLUMNS,
    PICKLE,
    digest,
    may_load,
    refuse_foreign_types,
    refuse_unwritable,
    trusted,
    without_label,
)
from retrain.models.saved_model import SavedModel
from retrain.text import one_line

with warnings.catch_warnings():
    # On import it looks at its own type hints, and warns about them.
    warnings.simplefilter("ignore")
    import mlflow.pyfunc

_REQUIREMENTS = ("numpy", "pandas", "scikit-learn")
_NAMED = {"mlflow", "numpy", "pandas", "scipy", "sklearn"}
"""Modules that these bring."""
_ONNX, _ONNX_FILE = ("onnx", "onnxruntime"), "model.onnx"
_TRAVELLING = ("retrain_features",)
"""Packages whose code goes with a model that holds an object of theirs: plain MLflow loads it where they are not."""


def save(
    name: str, model: Any, path: Path, example: pd.DataFrame, *, trust: tuple[str, ...], onnx: bytes | None = None
) -> None:
    """Write the model into folder `path`.

    example: rows of features; the types of their columns count, not the values. onnx: the same estimator in ONNX, which
    is written beside it. The requirements are passed on: MLflow would infer them in 4 to 6 seconds. Raises
    UntrustedModelError if the estimator holds types that neither skops, Retrain nor the spec trusts, and EstimatorError
    if it cannot be written.
    """
    if isinstance(model, SavedModel):
        _copy(name, model, path, example, trust)
        return
    pickled = PICKLE in trust
    columns = _columns(example)
    try:
        packages = (*_REQUIREMENTS, "cloudpickle" if pickled else "skops", *_packages(model), *(_ONNX if onnx else ()))
        mlflow.sklearn.save_model(
            model,
            str(path),
            signature=_signature(columns, model.predict(example)),
            metadata=_metadata(columns),
            code_paths=_code(model),
            pip_requirements=[f"{package}=={without_label(installed(package))}" for package in packages],
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
    if onnx is not None:
        _add_onnx(path, onnx)


def _add_onnx(path: Path, onnx: bytes) -> None:
    """Write a model in ONNX into a folder, as `mlflow.onnx.load_model` looks for it."""
    (path / _ONNX_FILE).write_bytes(onnx)
    about = Model.load(str(path))
    about.add_flavor(
        "onnx", onnx_version=installed("onnx"), data=_ONNX_FILE, providers=["CPUExecutionProvider"], code=None
    )
    about.model_size_bytes = (about.model_size_bytes or 0) + len(onnx)
    about.save(str(path / MLMODEL_FILE_NAME))


def _copy(name: str, saved: SavedModel, path: Path, example: pd.DataFrame, trust: tuple[str, ...]) -> None:
    """Copy a folder that MLflow has written; a signature is added where it has none."""
    may_load(name, saved.folder, digest(saved.folder), trust)
    shutil.copytree(saved.folder, path)
    about = Model.load(str(path))
    if about.signature is None or about.signature.inputs is None:
        columns = _columns(example)
        about.signature = _signature(columns, saved.predict(example))
        about.metadata = {**(about.metadata or {}), **_metadata(columns)}
        about.save(str(path / MLMODEL_FILE_NAME))


def _columns(example: pd.DataFrame) -> dict[str, str]:
    return {str(column): _type(example[column]) for column in example}


def _metadata(columns: dict[str, str]) -> dict[str, Any]:
    return {COLUMNS: [*map(list, columns.items())]}  # as a list: YAML sorts the names of a mapping


def prepare() -> None:
    """Write a small model: with the first one, MLflow and skops import what they need, and look at all packages."""
    _installed_packages()
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
    """Return the packages of others that the estimator or one inside it is from: who loads it needs them, too.

    Left out are modules of the user's own, which come from no installed package.
    """
    others = _modules(model) - _NAMED - {*_TRAVELLING, *sys.stdlib_module_names}
    if not others:
        return []
    names = _installed_packages()
    return sorted(names[module][0] for module in others & names.keys() if _is_of(module, names[module][0]))


@cache
def _installed_packages() -> Mapping[str, list[str]]:
    """Return the packages of each module. It takes a second."""
    return packages_distributions()


def _is_of(module: str, package: str) -> bool:
    """Return whether a module is a package's, and does not only have the name of one in it."""
    file = getattr(sys.modules.get(module), "__file__", None)
    return file is not None and Path(file).is_relative_to(str(distribution(package).locate_file("")))


def _code(model: Any) -> list[str] | None:
    """Return the folders of the code that travels with the estimator; None where it needs none."""
    found = sorted(_modules(model) & set(_TRAVELLING))
    return [str(Path(str(import_module(name).__file__)).parent) for name in found] or None


def _modules(model: Any) -> set[str]:
    """Return the packages of the estimator and of all inside it."""
    parts = [model, *(model.get_params().values() if hasattr(model, "get_params") else ())]
    kinds = [part if isinstance(part, type) else type(part) for part in parts]
    return {kind.__module__.partition(".")[0] for kind in kinds}
