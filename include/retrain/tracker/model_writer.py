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
    # On import it looks at its own type hints, and warns about them.
    warnings.simplefilter("ignore")
    import mlflow.pyfunc

_REQUIREMENTS = ("numpy", "pandas", "scikit-learn")


def save(
    name: str, model: Any, path: Path, example: pd.DataFrame, *, about: Model | None = None, trust: tuple[str, ...]
) -> None:
    """Write the estimator into folder `path`, and its description into `about`.

    example: rows of features, for the signature. The requirements are passed on: MLflow would infer them in 4 to 6
    seconds. Raises UntrustedModelError if the estimator holds types that neither skops, Retrain nor the spec trusts.
    """
    with warnings.catch_warnings():
        # MLflow warns that a missing value would turn columns of integers into floats.
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
        # MLflow has read the file back and refused some types. Only now they are looked for: that takes long.
        if not pickled:
            refuse_foreign_types(name, model, trust)
        raise
