"""Distributions and extras: what Python finds of them first is what is there."""

import sys
from functools import partial
from pathlib import Path

from retrain.preflight.probe import State
from tests.airflow.doctor_ways.way import Stack, Steps, way

_packages = partial(way, "Packages and extras", part="packages", about="packages")
_extras = partial(way, "Packages and extras", part="packages", about="toy.yaml")


def _installed(stack: Stack, name: str, version: str, **files: str) -> Path:
    """Install a distribution that holds nothing before all others."""
    where = stack.folder / "installed"
    about = where / f"{name.replace('-', '_')}-{version}.dist-info"
    about.mkdir(parents=True)
    for file, text in {"METADATA": f"Metadata-Version: 2.1\nName: {name}\nVersion: {version}\n", **files}.items():
        (about / file.replace("__", ".")).write_text(text)
    stack.patch.syspath_prepend(str(where))
    return about


def _uninstall(about: Path) -> None:
    for file in about.iterdir():
        file.unlink()
    about.rmdir()


@_packages("a package is older than Retrain needs", "pandas is 0.1", "run `pip install 'pandas…'`")
def old(stack: Stack) -> Steps:
    about = _installed(stack, "pandas", "0.1")
    yield
    _uninstall(about)


@_packages("a package is missing", "an-absent-package is not installed", "run `pip install 'an-absent-package>=1'`")
def absent(stack: Stack) -> Steps:
    needs = "Metadata-Version: 2.1\nName: airflow-provider-retrain\nVersion: 9\nRequires-Dist: an-absent-package>=1\n"
    _installed(stack, "airflow-provider-retrain", "9", METADATA=needs)
    yield
    _installed(stack, "an-absent-package", "1.0")


@_packages(
    "another distribution has the same module",
    "`retrain` of the package index is installed as well, whose module has the same name",
    "run `pip uninstall retrain`…",
)
def other(stack: Stack) -> Steps:
    about = _installed(stack, "retrain", "1.0")
    yield
    _uninstall(about)


@_extras(
    "a channel's extra is missing",
    "channels[0]: apprise needs an extra",
    "run `pip install 'airflow-provider-retrain[apprise]'`",
)
def no_apprise(stack: Stack) -> Steps:
    stack.spec(channels=[{"apprise": "team"}])
    stack.patch.setitem(sys.modules, "apprise", None)
    yield
    stack.patch.delitem(sys.modules, "apprise")


@_extras(
    "reports cannot be drawn",
    "reports have no pictures",
    "run `pip install 'airflow-provider-retrain[report]'`",
    state=State.WARN,
)
def no_pictures(stack: Stack) -> Steps:
    stack.patch.setitem(sys.modules, "pylopdf_fonts_ko", None)
    yield
    stack.patch.delitem(sys.modules, "pylopdf_fonts_ko")


@_extras(
    "snapshots are read by the slower driver",
    "snapshots are read more slowly than they could be",
    "run `pip install 'airflow-provider-retrain[adbc]'`",
    state=State.WARN,
)
def no_adbc(stack: Stack) -> Steps:
    stack.patch.setitem(sys.modules, "adbc_driver_postgresql", None)
    yield
    stack.patch.delitem(sys.modules, "adbc_driver_postgresql")


@way(
    "Packages and extras",
    "the plugin is there twice",
    "the plugin is there 2 times",
    "run `pip uninstall` on each distribution that brings it, then install airflow-provider-retrain once",
    part="Airflow",
    about="Airflow 3",
)
def twice(stack: Stack) -> Steps:
    plugin = "[airflow.plugins]\nretrain = retrain_airflow.plugin:RetrainPlugin\n"
    about = _installed(stack, "our-own-retrain", "1.0", entry_points__txt=plugin)
    yield
    _uninstall(about)
