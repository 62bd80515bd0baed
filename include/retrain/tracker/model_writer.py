"""Writes a fitted estimator as MLflow's scikit-learn flavour."""

import warnings
from importlib.metadata import version as installed
from pathlib import Path
from typing import Any

import mlflow.sklearn
import pandas as pd
from mlflow.exceptions import MlflowException
from mlflow.models import Model, infer_signature

from retrain.models.files import HARMLESS, PICKLE, refuse_foreign_types

with warnings.catch_warnings():
    # It looks at type hints of its own, and warns about what it finds there.
    warnings.simplefilter("ignore")
    import mlflow.pyfunc

_REQUIREMENTS = ("numpy", "pandas", "scikit-learn")


def save(name: str, model: Any, path: Path, example: pd.DataFrame, *, about: Model, trust: tuple[str, ...]) -> None:
    """Write the estimator into a folder; `about` then says what it is.

    example: rows of features, for the signature. Requirements are given: MLflow infers them in 4 to 6 seconds. Raises
    UntrustedModelError where the estimator holds types that neither skops, we nor the spec trusts.
    """
    with warnings.catch_warnings():
        # On columns of integers: that a missing value would make them floats.
        warnings.simplefilter("ignore", UserWarning)
        signature = infer_signature(example, model.predict(example))
    pickled = PICKLE in trust
    packages = (*_REQUIREMENTS, "cloudpickle" if pickled else "skops")
    try:
        mlflow.sklearn.save_model(
            model,
            str(path),
            mlflow_model=about,
            signature=signature,
            pip_requirements=[f"{package}=={installed(package)}" for package in packages],
            serialization_format="cloudpickle" if pickled else "skops",
            skops_trusted_types=None if pickled else [*HARMLESS, *trust],
        )
    except MlflowException:
        # MLflow has read the file back, and refused some types. To write a model takes long: only now once more.
        if not pickled:
            refuse_foreign_types(name, model, trust)
        raise
