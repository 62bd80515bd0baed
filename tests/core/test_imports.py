"""Imports point down only: the table below is the design, and a module that it does not name is a fault."""

import ast
import sys
from collections.abc import Iterator
from dataclasses import dataclass
from fnmatch import fnmatchcase
from itertools import pairwise
from pathlib import Path

import pytest

from retrain.ledger.database import MIGRATIONS

PROJECT = Path(__file__).resolve().parents[2]
ROOTS = {"include": "", "plugins": "", "dags": "dags."}


@dataclass(frozen=True)
class Layer:
    name: str
    modules: dict[str, set[str]]
    """What is in it, by name or pattern, each with the libraries that it may import beside its layer's."""
    libraries: frozenset[str] = frozenset()
    sideways: bool = False
    """Whether its modules may import each other."""


CORE = frozenset({"numpy", "pydantic", "pydantic_core"})
AIRFLOW = frozenset({"airflow"})

# From the bottom up: a module may import those of the layers before its own.
LAYERS = (
    Layer(
        "the user's", {"estimators": set(), "estimators.*": set()}, frozenset({"numpy", "pandas", "sklearn", "scipy"})
    ),
    Layer(
        "0: the nouns and the rules",
        {
            "retrain": set(),
            "retrain.errors": set(),
            "retrain.about_rows": set(),
            "retrain.nouns": set(),
            "retrain.spec": set(),
            "retrain.spec_files": {"yaml"},
            "retrain.model_files": {"skops", "cloudpickle", "yaml"},
            "retrain.split": set(),
            "retrain.threshold": set(),
            "retrain.count_plan": set(),
            "retrain.metrics": set(),
            "retrain.codes": set(),
            "retrain.sums": set(),
            "retrain.scores": set(),
            "retrain.resampling": set(),
            "retrain.comparing": set(),
            "retrain.guards": set(),
            "retrain.gate": set(),
            "retrain.announcements": set(),
            "retrain.renderings": set(),
        },
        CORE,
        sideways=True,
    ),
    Layer(
        "1: below the others",
        {
            "retrain.scorers": {"sklearn"},
            "retrain.drift": {"pyarrow", "scipy"},
            "retrain.figures": {"matplotlib", "pylopdf_fonts_ko"},
            "retrain.pages": set(),
            "retrain.arrow_stream": {"psycopg2", "pyarrow", "adbc_driver_manager", "adbc_driver_postgresql"},
            "retrain.keys": {"pyarrow"},
            "retrain.digest": {"pyarrow"},
            "retrain.content": {"pandas", "pyarrow"},
        },
        CORE,
    ),
    Layer("1: a snapshot's rows", {"retrain.draft": {"pyarrow"}}, CORE),
    Layer(
        "1: each with a library of its own",
        {
            "retrain.source": {"psycopg2", "pyarrow"},
            "retrain.snapshot": {"pandas", "pyarrow", "fsspec"},
            "retrain.state": {"psycopg2"},
            "retrain.tracker": set(),
            "retrain.tracker.*": {"mlflow", "pandas", "requests"},
            "retrain.training": {"pandas", "sklearn"},
            "retrain.channels": {"httpx"},
            "retrain.judging": {"pandas"},
            "retrain.checks": {"pyarrow"},
            "retrain.plots": {"matplotlib"},
            "retrain.drift_plot": {"matplotlib"},
            "retrain.report": set(),
        },
        CORE,
    ),
    Layer("1b: runs side by side", {"retrain.comparison": {"pandas", "optuna"}}, CORE),
    Layer("1b: their pictures", {"retrain.comparison_plots": {"pandas", "matplotlib"}}, CORE),
    Layer("1b: their report", {"retrain.comparison_report": {"pandas", "matplotlib"}}, CORE),
    Layer("1b: what a cycle works with", {"retrain.cycle": set(), "retrain.answering": {"pandas"}}, CORE),
    Layer("1b: its runs in MLflow", {"retrain.runs": set()}, CORE),
    Layer("1b: its report", {"retrain.reporting": set()}, CORE),
    Layer(
        "1b: parts of the verbs",
        {
            "retrain.apply": set(),
            "retrain.checking": {"pyarrow"},
            "retrain.fitting": set(),
            "retrain.measuring": set(),
            "retrain.outbox": set(),
            "retrain.retention": set(),
            "retrain.sensing": set(),
        },
        CORE,
    ),
    Layer("1b: beside a cycle", {"retrain.registry": set(), "retrain.watching": set()}, CORE),
    Layer("1b: the verbs", {"retrain.steps": set()}, CORE),
    Layer("1b: the shell", {"retrain.cli": {"psycopg2"}}),
    Layer(
        "2: hooks", {"retrain_airflow.hooks": set(), "retrain_airflow.hooks.*": {"psycopg2"}}, AIRFLOW, sideways=True
    ),
    Layer(
        "3: the API",
        {"retrain_airflow.api": set(), "retrain_airflow.api.*": {"fastapi", "starlette"}},
        CORE,
        sideways=True,
    ),
    Layer(
        "3: dashboard",
        {"retrain_airflow.dashboard": set(), "retrain_airflow.dashboard.*": {"fastapi", "starlette"}},
        frozenset(),
    ),
    Layer("3: metrics", {"retrain_airflow.metrics": set()}, AIRFLOW),
    Layer("3: triggers", {"retrain_airflow.triggers": set(), "retrain_airflow.triggers.*": set()}, AIRFLOW),
    Layer(
        "3: below the operators",
        {
            "retrain_airflow": set(),
            "retrain_airflow.assets": set(),
            "retrain_airflow.channels": {"apprise"},
            "retrain_airflow.links": set(),
            "retrain_airflow.on_call": set(),
            "retrain_airflow.person": set(),
            "retrain_airflow.preload": set(),
            "retrain_airflow.provider": set(),
            "retrain_airflow.retrying": set(),
            "retrain_airflow.task_faults": set(),
            "retrain_airflow.operators": set(),
            "retrain_airflow.operators.spec": set(),
            "retrain_airflow.sensors": set(),
            "retrain_airflow.notifiers": set(),
        },
        AIRFLOW,
    ),
    Layer(
        "3: the API inside Airflow",
        {"retrain_airflow.api.airflow_access": {"fastapi"}, "retrain_airflow.api.in_airflow": {"fastapi", "httpx"}},
        AIRFLOW,
        sideways=True,
    ),
    Layer(
        "3: operators, sensors, notifiers",
        {
            "retrain_airflow.operators.*": set(),
            "retrain_airflow.sensors.*": set(),
            "retrain_airflow.notifiers.*": set(),
        },
        AIRFLOW,
    ),
    Layer("3: what the DAGs share", {"retrain_airflow.task_defaults": set()}, AIRFLOW),
    Layer(
        "4: what Airflow and Celery read",
        {"dags.*": set(), "retrain_plugin": set(), "retrain_airflow.celery_worker": set()},
        AIRFLOW,
    ),
)

# What a DAG may import of the core. The layers alone would let it import everything.
DAGS_SEE = {"retrain.spec", "retrain.spec_files"}
SLOW = {"mlflow", "sklearn", "skops", "pandas", "pyarrow", "scipy", "matplotlib"}


# ── the rules


def place_of(module: str) -> tuple[int, set[str]] | None:
    """Which layer the module is in, and the libraries of its own; None where the table does not name it."""
    named = [
        (pattern, number, own)
        for number, layer in enumerate(LAYERS)
        for pattern, own in layer.modules.items()
        if fnmatchcase(module, pattern)
    ]
    # A module's own name goes before a pattern.
    exact = [entry for entry in named if entry[0] == module]
    return (exact or named)[0][1:] if named else None


def fault(module: str, imported: str) -> str | None:
    """Why `module` may not import `imported`; None where it may."""
    place = place_of(module)
    if place is None:
        return f"{module}: is not in the table of layers"
    number, own = place
    layer, library = LAYERS[number], imported.split(".", maxsplit=1)[0]
    target = place_of(imported)
    if target is None:
        if library in sys.stdlib_module_names or library in layer.libraries | own:
            return None
        return f"{module} ({layer.name}): may not import {imported}"
    if module.startswith("dags.") and imported.startswith("retrain.") and imported not in DAGS_SEE:
        return f"{module}: a DAG may not import {imported}"
    below = target[0] < number or (target[0] == number and (layer.sideways or same_package(module, imported)))
    return None if below else f"{module} ({layer.name}): may not import {imported} ({LAYERS[target[0]].name})"


def same_package(module: str, imported: str) -> bool:
    """Whether both are in one package of the core that has grown into a folder."""
    return f"{imported}.".startswith(f"{package(module)}.") and package(module) in PACKAGES


def package(module: str) -> str:
    return ".".join(module.split(".")[:2])


# ── the project


def modules() -> dict[str, Path]:
    found = {}
    for root, prefix in ROOTS.items():
        for path in sorted((PROJECT / root).rglob("*.py")):
            parts = path.relative_to(PROJECT / root).with_suffix("").parts
            found[prefix + ".".join(parts).removesuffix(".__init__")] = path
    return found


MODULES = modules()
PACKAGES = {name for name, path in MODULES.items() if path.name == "__init__.py" and name.startswith("retrain.")}


def imports(tree: ast.AST) -> Iterator[str]:
    """Full names of what is imported anywhere below; of ours, the module and not the name in it."""
    for node in ast.walk(tree):
        if isinstance(node, ast.Import):
            yield from (alias.name for alias in node.names)
        elif isinstance(node, ast.ImportFrom):
            origin = "." * node.level + (node.module or "")
            for alias in node.names:
                full = f"{origin}.{alias.name}"
                yield full if full in MODULES else origin


def when_imported(module: str) -> Iterator[str]:
    """What importing this module imports: not what stands in a function or is there for mypy alone."""
    body = ast.parse(MODULES[module].read_text(encoding="utf-8")).body
    for statement in body:
        if isinstance(statement, ast.Import | ast.ImportFrom):
            yield from imports(statement)


def closure(module: str) -> set[str]:
    """All that importing this module imports, directly or by way of other modules of ours."""
    seen: set[str] = set()
    waiting = [module]
    while waiting:
        name = waiting.pop()
        if name not in seen:
            seen.add(name)
            if name in MODULES:
                waiting.extend(when_imported(name))
    return seen


@pytest.mark.parametrize("module", MODULES)
def test_a_module_imports_only_what_its_layer_may(module):
    tree = ast.parse(MODULES[module].read_text(encoding="utf-8"))

    assert [told for told in (fault(module, imported) for imported in imports(tree)) if told] == []


def test_every_module_is_in_the_table():
    assert [module for module in MODULES if place_of(module) is None] == []


def test_the_table_names_no_module_that_is_gone():
    patterns = {pattern for layer in LAYERS for pattern in layer.modules}

    assert {p for p in patterns if not any(fnmatchcase(module, p) for module in MODULES)} <= {"estimators.*"}


@pytest.mark.parametrize("dag", [module for module in MODULES if module.startswith("dags.")])
def test_a_dag_is_read_without_importing_anything_slow(dag):
    assert {name for name in closure(dag) if name.split(".")[0] in SLOW} == set()


def test_who_only_counts_rows_imports_little():
    assert {name for name in closure("retrain.sensing") if name.split(".")[0] in SLOW} == {"pyarrow"}


@pytest.mark.parametrize("module", ["retrain_airflow.api.in_airflow", "retrain_airflow.api.app"])
def test_the_api_is_made_without_importing_anything_slow(module):
    assert {name for name in closure(module) if name.split(".")[0] in SLOW} == set()


def test_state_alone_names_the_tables_of_retrain():
    tables = {table for file in MIGRATIONS.glob("*.sql") for table in _tables(file.read_text(encoding="utf-8"))}

    naming = {
        module
        for module, path in MODULES.items()
        for node in ast.walk(ast.parse(path.read_text(encoding="utf-8")))
        if isinstance(node, ast.Constant) and isinstance(node.value, str)
        if any(table in node.value for table in tables)
    }

    assert "retrain.promotions" in tables
    assert naming == {"retrain.state"}


def _tables(migration: str) -> set[str]:
    words = migration.split()
    return {after for word, after in pairwise(words) if word == "TABLE"}


# ── what the rules refuse


@pytest.mark.parametrize(
    ("module", "imported"),
    [
        ("retrain.gate", "retrain.state"),
        ("retrain.source", "retrain.snapshot"),
        ("retrain.tracker", "retrain.steps"),
        ("retrain.apply", "retrain.fitting"),
        ("retrain.state", "retrain_airflow.hooks.tracker"),
        ("retrain.steps", "mlflow"),
        ("retrain.gate", "sklearn.metrics"),
        ("retrain.snapshot", "psycopg2"),
        ("retrain.source", "airflow.sdk"),
        ("retrain.state", "stack.local"),
        ("retrain_airflow.operators.train", "retrain_airflow.operators.evaluate"),
        ("retrain_airflow.operators.train", "retrain_airflow.sensors.new_rows"),
        ("retrain_airflow.hooks.tracker", "retrain_airflow.operators.train"),
        ("retrain_airflow.triggers.new_rows", "retrain_airflow.sensors.new_rows"),
        ("retrain_airflow.hooks.tracker", "mlflow"),
        ("retrain_airflow.api.runs", "mlflow"),
        ("retrain_airflow.api.app", "airflow.models"),
        ("retrain_airflow.api.models", "retrain_airflow.operators.promote"),
        ("dags.retrain", "pandas"),
        ("dags.retrain", "retrain.steps"),
        ("dags.retrain", "stack"),
        ("retrain.steps", ".source"),
        ("estimators.mine", "retrain.state"),
        ("retrain.novelty", "json"),
    ],
)
def test_an_import_that_points_up_or_sideways_is_a_fault(module, imported):
    assert fault(module, imported) is not None


@pytest.mark.parametrize(
    ("module", "imported"),
    [
        ("retrain.gate", "retrain.metrics"),
        ("retrain.tracker.client", "mlflow.entities"),
        ("retrain.steps", "retrain.tracker"),
        ("retrain_airflow.operators.train", "retrain_airflow.operators.spec"),
        ("retrain_airflow.operators.train", "retrain.steps"),
        ("retrain_airflow.sensors.new_rows", "retrain_airflow.triggers.new_rows"),
        ("dags.retrain", "retrain_airflow.operators.train"),
        ("dags.retrain", "retrain.spec_files"),
        ("estimators.mine", "sklearn.pipeline"),
    ],
)
def test_an_import_that_points_down_is_none(module, imported):
    assert fault(module, imported) is None


def test_imports_are_found_wherever_they_stand():
    tree = ast.parse(
        "import json\n"
        "from retrain import spec, errors\n"
        "from retrain.nouns import Side\n"
        "from .source import Source\n"
        "def late():\n    import mlflow.entities\n"
    )

    assert list(imports(tree)) == [
        "json",
        "retrain.spec",
        "retrain.errors",
        "retrain.nouns",
        ".source",
        "mlflow.entities",
    ]


def test_only_what_importing_a_module_runs_is_in_its_closure():
    assert {"retrain.tracker", "mlflow.sklearn", "retrain.nouns"} <= closure("retrain.steps")
    # Its hook imports the tracker twice: in a method, and for mypy.
    assert "retrain.tracker" not in closure("retrain_airflow.hooks.tracker")
