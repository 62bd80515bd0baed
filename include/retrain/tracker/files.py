"""Model files: what is written, what proves that it is still that, and what may be loaded."""

import hashlib
import warnings
from importlib.metadata import version as installed
from pathlib import Path
from typing import Any

import cloudpickle
import mlflow.sklearn
import pandas as pd
from mlflow.exceptions import MlflowException
from mlflow.models import Model, infer_signature

from retrain.errors import UntrustedModelError

with warnings.catch_warnings():
    # Both look at every module that is loaded, and at type hints of their own, and warn about what they find there.
    warnings.simplefilter("ignore")
    import mlflow.pyfunc
    import skops.io

PICKLE = "pickle"
"""A spec that trusts this takes any type, in files that can run anything when they are loaded."""

_REQUIREMENTS = ("numpy", "pandas", "scikit-learn")
_HARMLESS = ("numpy.dtype",)
"""Types that skops asks about and that run nothing when they are loaded."""
_SKOPS_FILE, _PICKLE_FILE = "model.skops", "model.pkl"


def _refuse_foreign_types(name: str, model: Any, trust: tuple[str, ...]) -> None:
    foreign = _foreign(skops.io.get_untrusted_types(data=skops.io.dumps(model)), trust)
    if foreign:
        raise UntrustedModelError(
            f"{name}: the model holds {', '.join(foreign)}; add what you trust of these to the spec's `trust`, "
            f"or `{PICKLE}` for all"
        )


def save(name: str, model: Any, path: Path, example: pd.DataFrame, *, about: Model, trust: tuple[str, ...]) -> None:
    """Write a fitted estimator as MLflow's scikit-learn flavour; `about` then says what it is.

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
            skops_trusted_types=None if pickled else [*_HARMLESS, *trust],
        )
    except MlflowException:
        # MLflow has read the file back, and refused some types. To write a model takes long: only now once more.
        if not pickled:
            _refuse_foreign_types(name, model, trust)
        raise


def load(name: str, path: Path, expected: str, trust: tuple[str, ...]) -> Any:
    """The estimator in a folder. Raises UntrustedModelError where the files are others, before it reads any."""
    if digest(path) != expected:
        raise UntrustedModelError(f"{name}: its files are not the ones that were logged; it is not loaded")
    if (path / _PICKLE_FILE).exists():
        if PICKLE not in trust:
            raise UntrustedModelError(f"{name}: is a pickle, and the spec's `trust` does not name {PICKLE}")
        with (path / _PICKLE_FILE).open("rb") as file:
            return cloudpickle.load(file)
    file_ = path / _SKOPS_FILE
    foreign = _foreign(skops.io.get_untrusted_types(file=file_), trust)
    if foreign and PICKLE not in trust:
        raise UntrustedModelError(f"{name}: holds {', '.join(foreign)}, which the spec does not trust")
    return skops.io.load(file_, trusted=[*_HARMLESS, *(foreign if PICKLE in trust else trust)])


def digest(folder: Path) -> str:
    """SHA-256 over the paths and contents of all files, in the order of their paths."""
    whole = hashlib.sha256()
    for file in sorted(path for path in folder.rglob("*") if path.is_file()):
        name, content = file.relative_to(folder).as_posix().encode(), file.read_bytes()
        whole.update(b"%d:%s%d:" % (len(name), name, len(content)) + content)
    return whole.hexdigest()


def _foreign(found: list[str], trust: tuple[str, ...]) -> list[str]:
    return sorted(set(found) - set(trust) - set(_HARMLESS))
