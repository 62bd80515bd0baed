"""The extras of the distribution: what each is for, and whether its packages are installed."""

from collections.abc import Mapping
from importlib.metadata import PackageNotFoundError, distribution
from importlib.util import find_spec

from retrain.errors import MissingExtraError

DISTRIBUTION = "airflow-provider-retrain"

EXTRAS: Mapping[str, tuple[str, ...]] = {
    "mlflow": ("flask",),
    "adbc": ("adbc_driver_manager", "adbc_driver_postgresql"),
    "slack": ("apache-airflow-providers-slack", "aiohttp"),
    "smtp": ("apache-airflow-providers-smtp",),
    "apprise": ("apache-airflow-providers-apprise", "apprise"),
    "celery": ("apache-airflow-providers-celery",),
    "s3": ("boto3",),
    "tune": ("optuna", "cmaes"),
    "boost": ("lightgbm", "xgboost"),
    "onnx": ("skl2onnx", "onnx", "onnxruntime"),
    "report": ("matplotlib", "pylopdf_fonts_ko"),
}
"""By extra, what it brings: modules, and distributions whose modules are slow to look for."""


def missing(extra: str) -> list[str]:
    """Return what an extra brings and is not installed."""
    return [name for name in EXTRAS[extra] if not _is_there(name)]


def has(extra: str) -> bool:
    """Return whether all of an extra is installed."""
    return not missing(extra)


def require(extra: str) -> None:
    """Raises MissingExtraError, with the command that installs it, where a part of the extra is not installed."""
    if lacking := missing(extra):
        raise MissingExtraError(f"{', '.join(lacking)}: not installed; {remedy(extra)}")


def remedy(extra: str) -> str:
    """Return what installs an extra."""
    return f"run `pip install '{DISTRIBUTION}[{extra}]'`"


def bringing(module: str) -> str | None:
    """Return the extra that brings a module; None if none does."""
    return next((extra for extra, modules in EXTRAS.items() if module in modules), None)


def _is_there(name: str) -> bool:
    if "-" not in name:
        return find_spec(name) is not None
    try:
        distribution(name)
    except PackageNotFoundError:
        return False
    return True
