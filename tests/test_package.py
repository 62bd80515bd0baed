"""The distribution: what its wheel holds, and what Airflow finds in it."""

import json
import zipfile
from collections.abc import Iterator
from configparser import ConfigParser
from importlib import import_module
from importlib.metadata import entry_points
from pathlib import Path
from typing import Any

import airflow
import jsonschema
import pytest

from matrix import environments
from retrain import extras
from retrain.errors import MissingExtraError
from retrain_airflow.plugin import RetrainPlugin
from retrain_airflow.provider import get_provider_info
from tests.airflow.conftest import python

PROJECT = Path(__file__).resolve().parents[1]
MODULES = {
    "retrain": PROJECT / "include" / "retrain",
    "retrain_features": PROJECT / "include" / "retrain_features",
    "retrain_airflow": PROJECT / "plugins" / "retrain_airflow",
}


@pytest.fixture(scope="module")
def wheel(tmp_path_factory: pytest.TempPathFactory) -> Iterator[zipfile.ZipFile]:
    with zipfile.ZipFile(environments.build_wheel(tmp_path_factory.mktemp("package"))) as opened:
        yield opened


def test_the_wheel_holds_every_file_of_each_module_and_no_other(wheel: zipfile.ZipFile) -> None:
    held = {name for name in wheel.namelist() if ".dist-info/" not in name}
    ours = {
        f"{module}/{path.relative_to(folder).as_posix()}"
        for module, folder in MODULES.items()
        for path in folder.rglob("*")
        if path.is_file() and path.suffix != ".pyc"
    }
    assert held == ours
    assert {Path(name).suffix for name in held} >= {".py", ".sql", ".jinja", ".js", ".svg", ".typed"}


def test_the_wheel_names_what_airflow_and_the_shell_look_for(wheel: zipfile.ZipFile) -> None:
    (name,) = (each for each in wheel.namelist() if each.endswith("entry_points.txt"))
    found = ConfigParser()
    found.read_string(wheel.read(name).decode())
    assert {section: dict(found[section]) for section in found.sections()} == {
        "console_scripts": {"retrain": "retrain.cli.main:main"},
        "apache_airflow_provider": {"provider_info": "retrain_airflow.provider:get_provider_info"},
        "airflow.plugins": {"retrain": "retrain_airflow.plugin:RetrainPlugin"},
        "retrain.probes": {"airflow": "retrain_airflow.probes:look"},
        "retrain.stores": {"airflow": "retrain_airflow.hooks.retrain:for_commands"},
    }


def test_the_metadata_names_each_extra_and_asks_for_none_of_their_packages(wheel: zipfile.ZipFile) -> None:
    (name,) = (each for each in wheel.namelist() if each.endswith("METADATA"))
    lines = wheel.read(name).decode().splitlines()
    assert {line.split(": ")[1] for line in lines if line.startswith("Provides-Extra: ")} == set(extras.EXTRAS)
    required = [line for line in lines if line.startswith("Requires-Dist: ") and "extra ==" not in line]
    for heavy in ("mlflow>", "matplotlib", "optuna", "adbc", "slack", "boto3", "celery", "apprise", "lightgbm"):
        assert not [line for line in required if heavy in line]
    assert [line for line in required if "mlflow-skinny" in line]


# ── as Airflow finds it


def test_the_provider_is_as_airflow_wants_it_and_names_what_is_there() -> None:
    info = get_provider_info()
    schema = json.loads((Path(airflow.__file__).parent / "provider_info.schema.json").read_text(encoding="utf-8"))
    jsonschema.validate(info, schema)
    for room in ("hooks", "operators", "sensors", "triggers"):
        for entry in info[room]:
            for module in entry["python-modules"]:
                import_module(module)
    classes = [*info["notifications"], *(each["hook-class-name"] for each in info["connection-types"])]
    for name in classes:
        module, _, attribute = name.rpartition(".")
        assert getattr(import_module(module), attribute)


def test_the_provider_names_all_that_a_user_may_use() -> None:
    info: dict[str, Any] = get_provider_info()
    named = {
        module
        for room in ("operators", "sensors", "triggers")
        for each in info[room]
        for module in each["python-modules"]
    }
    bases = {
        *("retrain_airflow.operators.spec", "retrain_airflow.operators.paused", "retrain_airflow.operators.refuse"),
        *("retrain_airflow.triggers.patience", "retrain_airflow.triggers.turns"),
    }
    there = {
        f"retrain_airflow.{room}.{path.stem}"
        for room in ("operators", "sensors", "triggers")
        for path in (MODULES["retrain_airflow"] / room).glob("*.py")
        if path.stem != "__init__"
    }
    assert named == there - bases


def test_airflow_loads_the_plugin_once() -> None:
    (entry,) = (each for each in entry_points(group="airflow.plugins") if each.name == "retrain")
    assert entry.load() is RetrainPlugin
    printed = python(
        "from airflow import plugins_manager as m\n"
        "found, errors = m._get_plugins()\n"
        "print([plugin.name for plugin in found].count('retrain'), errors)",
        AIRFLOW__CORE__PLUGINS_FOLDER=str(PROJECT / "plugins"),
    )
    assert printed.splitlines()[-1] == "1 {}"


# ── extras


def test_what_lacks_an_extra_says_which() -> None:
    program = (
        "import sys\n"
        "for name in ('matplotlib', 'optuna', 'aiohttp'): sys.modules[name] = None\n"
        "from retrain import extras\n"
        "found = extras.find_spec\n"
        "extras.find_spec = lambda name: None if name in ('matplotlib', 'aiohttp') else found(name)\n"
        "from retrain.errors import RetrainError\n"
        "for extra in ('report', 'slack', 'adbc'):\n"
        "    try: extras.require(extra); print('there')\n"
        "    except RetrainError as error: print(error)\n"
        "try: import retrain.reports.verdict_chart\n"
        "except RetrainError as error: print(error)\n"
        "import retrain.cycle.evaluate, retrain.cycle.check; print('imported')"
    )
    assert python(program).splitlines()[-5:] == [
        "matplotlib: not installed; run `pip install 'airflow-provider-retrain[report]'`",
        "aiohttp: not installed; run `pip install 'airflow-provider-retrain[slack]'`",
        "there",
        "pictures need an extra; run `pip install 'airflow-provider-retrain[report]'`",
        "imported",
    ]


def test_the_error_of_a_missing_extra_is_a_subject_of_its_own() -> None:
    with pytest.raises(MissingExtraError, match=r"run `pip install 'airflow-provider-retrain\[boost\]'`"):
        raise MissingExtraError(extras.remedy("boost"))
    assert extras.bringing("lightgbm") == "boost"
    assert extras.bringing("numpy") is None
