"""Python, the packages, and the extras that the specs need."""

import sys
from collections.abc import Iterator, Sequence
from importlib.metadata import PackageNotFoundError, requires, version

from packaging.requirements import Requirement

from retrain import extras
from retrain.preflight.probe import Found, fail, good, warn
from retrain.preflight.spec import missing_extras
from retrain.spec.files import SpecFile

_TOLD = ("airflow-provider-retrain", "apache-airflow", "mlflow-skinny", "scikit-learn", "pandas", "psycopg2-binary")


def look(files: Sequence[SpecFile]) -> Iterator[Found]:
    """Yield what is installed, what is older than the distribution asks for, and which extras the specs lack."""
    about = "packages"
    here = ", ".join(f"{name} {version(name)}" for name in _TOLD if _is_there(name))
    yield good(about, f"Python {sys.version.split()[0]}, {here}")
    for text in requires(extras.DISTRIBUTION) or ():
        asked = Requirement(text)
        if asked.marker is not None and not asked.marker.evaluate({"extra": ""}):
            continue
        if not _is_there(asked.name):
            yield fail(about, f"{asked.name} is not installed", f"run `pip install '{asked}'`")
        elif not asked.specifier.contains(version(asked.name), prereleases=True):
            yield fail(about, f"{asked.name} is {version(asked.name)}", f"run `pip install '{asked}'`")
    if _is_there("retrain") and "retrain" not in (extras.DISTRIBUTION,):
        yield fail(
            about,
            "`retrain` of the package index is installed as well, whose module has the same name",
            f"run `pip uninstall retrain`, then `pip install --force-reinstall --no-deps {extras.DISTRIBUTION}`",
        )
    for file in files:
        for finding in missing_extras(file.spec):
            make = fail if finding.fault else warn
            says, _, remedy = finding.text.partition("; ")
            yield make(file.path.name, says, remedy)


def _is_there(name: str) -> bool:
    try:
        version(name)
    except PackageNotFoundError:
        return False
    return True
