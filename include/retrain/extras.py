"""The extras of the distribution: what each is for, and whether its packages are installed."""

from collections.abc import Mapping
from importlib.util import find_spec

from retrain.errors import MissingExtraError

DISTRIBUTION = "airflow-provider-retrain"

EXTRAS: Mapping[str, tuple[str, ...]] = {
    "mlflow": ("mlflow.server",),
    "adbc": ("adbc_driver_manager", "adbc_driver_postgresql"),
    "slack": ("airflow.providers.slack", "aiohttp"),
    "smtp": ("airflow.providers.smtp",),
    "apprise": ("airflow.providers.apprise", "apprise"),
    "celery": ("airflow.providers.celery",),
    "s3": ("boto3",),
    "tune": ("optuna",),
    "boost": ("lightgbm", "xgboost"),
    "report": ("matplotlib", "pylopdf_fonts_ko"),
}
"""By extra, the modules that it brings."""


def missing(extra: str) -> list[str]:
    """Return the modules of an extra that are not installed."""
    return [module for module in EXTRAS[extra] if not _is_there(module)]


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


def _is_there(module: str) -> bool:
    try:
        return find_spec(module) is not None
    except ModuleNotFoundError:  # of the package that it would be in
        return False
