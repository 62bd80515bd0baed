"""Every import is one that the table of rooms allows, and docs/architecture.md prints that table."""

import ast
import re
from collections.abc import Iterator, Mapping
from functools import cache
from graphlib import CycleError, TopologicalSorter
from itertools import pairwise
from pathlib import Path

import pytest

from retrain.ledger.database import MIGRATIONS
from stack.home import PROJECT
from tests.rooms import ALL_ABOVE, ROOMS, Room, fault, room_of

ROOTS = {"include": "", "plugins": "", "dags": "dags."}
MOST_LINES = 400
SLOW = {"mlflow", "sklearn", "skops", "pandas", "pyarrow", "scipy", "matplotlib"}


# ── the project


def _modules() -> dict[str, Path]:
    found = {}
    for root, prefix in ROOTS.items():
        for path in sorted((PROJECT / root).rglob("*.py")):
            parts = path.relative_to(PROJECT / root).with_suffix("").parts
            found[prefix + ".".join(parts).removesuffix(".__init__")] = path
    return found


MODULES = _modules()


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


@cache
def _tree(module: str) -> ast.Module:
    return ast.parse(MODULES[module].read_text(encoding="utf-8"))


def when_imported(module: str) -> Iterator[str]:
    """What importing this module imports: not what stands in a function or is there for mypy alone."""
    for statement in _tree(module).body:
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


def arrows() -> Mapping[str, set[str]]:
    """Of each room, the rooms that it imports."""
    found: dict[str, set[str]] = {room.name: set() for room in ROOMS}
    for module in MODULES:
        room = room_of(module)
        targets = {room_of(imported) for imported in imports(_tree(module))} if room else set()
        if room:
            found[room.name] |= {target.name for target in targets if target not in (None, room)}
    return found


# ── the rules


@pytest.mark.parametrize("module", MODULES)
def test_a_module_imports_only_what_its_room_may(module: str) -> None:
    assert [found for imported in imports(_tree(module)) if (found := fault(module, imported))] == []


def test_every_module_is_in_one_room_and_no_room_is_empty() -> None:
    assert [module for module in MODULES if room_of(module) is None] == []
    assert [room.name for room in ROOMS if not any(room.has(module) for module in MODULES)] == []


def test_no_arrow_points_up_and_none_goes_in_a_circle() -> None:
    between = arrows()
    order = [room.name for room in ROOMS]
    print(f"{len(ROOMS)} rooms, {sum(map(len, between.values()))} arrows between them")

    up = [(name, each) for name, others in between.items() for each in others if order.index(each) > order.index(name)]
    assert up == []
    try:
        order_of_modules = TopologicalSorter({module: {*when_imported(module)} & {*MODULES} for module in MODULES})
        order_of_modules.prepare()
    except CycleError as error:
        pytest.fail(f"modules import each other in a circle: {error.args[1]}")


def test_no_room_may_import_what_it_does_not() -> None:
    """A table that allows more than is needed hides the next arrow."""
    used = {room.name: {*imported} for room in ROOMS for imported in [_used_by(room)]}
    idle = {
        room.name: sorted(name for name in room.may() - {ALL_ABOVE} if not _names(used[room.name], name))
        for room in ROOMS
    }
    assert {name: names for name, names in idle.items() if names} == {}


def _used_by(room: Room) -> Iterator[str]:
    for module in MODULES:
        if room_of(module) is room:
            yield from imports(_tree(module))


def _names(imported: set[str], name: str) -> bool:
    """Whether a room, or one module of it, is among what was imported."""
    return any(
        (target := room_of(each)) is not None and name in (target.name, each.removeprefix("retrain."))
        for each in imported
    )


def test_the_architecture_page_prints_the_table() -> None:
    page = (PROJECT / "docs" / "architecture.md").read_text(encoding="utf-8")
    assert _table() in page, f"docs/architecture.md needs this table:\n{_table()}"


def _table() -> str:
    rows = [f"| `{room.name}` | {room.holds} | {room.may_import or '–'} | {room.libraries or '–'} |" for room in ROOMS]
    return "\n".join(["| room | holds | may import | libraries |", "|---|---|---|---|", *rows])


def test_every_package_of_the_core_begins_empty() -> None:
    packages = [path for name, path in MODULES.items() if path.name == "__init__.py" and name.startswith("retrain.")]
    assert [path for path in packages if path.read_text(encoding="utf-8")] == []


def test_no_file_is_longer_than_a_reader_can_hold() -> None:
    files = [
        path
        for folder in ("include", "plugins", "dags", "stack", "containers", "benchmarks", "tests", "docs")
        for path in (PROJECT / folder).rglob("*.py")
    ]
    lengths = {str(path.relative_to(PROJECT)): len(path.read_text(encoding="utf-8").splitlines()) for path in files}
    assert {name: lines for name, lines in lengths.items() if lines > MOST_LINES} == {}


@pytest.mark.parametrize("dag", [module for module in MODULES if module.startswith("dags.")])
def test_a_dag_file_is_read_without_importing_anything_slow(dag: str) -> None:
    assert {name for name in closure(dag) if name.split(".")[0] in SLOW} == set()


def test_counting_rows_imports_little() -> None:
    assert {name for name in closure("retrain.cycle.sense") if name.split(".")[0] in SLOW} == {"pyarrow"}


@pytest.mark.parametrize("module", ["retrain_airflow.api.in_airflow", "retrain_airflow.api.app"])
def test_the_api_is_made_without_importing_anything_slow(module: str) -> None:
    assert {name for name in closure(module) if name.split(".")[0] in SLOW} == set()


def test_the_ledger_alone_names_its_tables() -> None:
    tables = {table for file in MIGRATIONS.glob("*.sql") for table in _tables(file.read_text(encoding="utf-8"))}

    naming = {
        module
        for module in MODULES
        for node in ast.walk(_tree(module))
        if isinstance(node, ast.Constant) and isinstance(node.value, str)
        # Not `retrain.models.files`, which is a module.
        if any(re.search(rf"{re.escape(table)}\b(?!\.)", node.value) for table in tables)
    }

    assert "retrain.promotions" in tables
    assert [module for module in naming if not module.startswith("retrain.ledger.")] == []


def _tables(migration: str) -> set[str]:
    words = migration.split()
    return {after for word, after in pairwise(words) if word == "TABLE"}


# ── what the rules refuse


@pytest.mark.parametrize(
    ("module", "imported"),
    [
        ("retrain.gate.judge", "retrain.ledger.ledger"),
        ("retrain.source.table", "retrain.snapshots.store"),
        ("retrain.tracker.client", "retrain.cycle.train"),
        ("retrain.tracker.client", "retrain.models.training"),
        ("retrain.messages.texts", "retrain.snapshots.store"),
        ("retrain.ledger.ledger", "retrain_airflow.hooks.tracker"),
        ("retrain.cycle.train", "mlflow"),
        ("retrain.spec.spec", "numpy"),
        ("retrain.snapshots.store", "psycopg2"),
        ("retrain.source.table", "airflow.sdk"),
        ("retrain.ledger.ledger", "stack.local"),
        ("retrain_airflow.operators.train", "retrain_airflow.sensors.new_rows"),
        ("retrain_airflow.hooks.tracker", "retrain_airflow.operators.train"),
        ("retrain_airflow.triggers.new_rows", "retrain_airflow.sensors.new_rows"),
        ("retrain_airflow.hooks.tracker", "mlflow"),
        ("retrain_airflow.api.runs", "mlflow"),
        ("retrain_airflow.api.models", "retrain_airflow.operators.promote"),
        ("retrain.cycle.train", ".source"),
        ("estimators.mine", "retrain.ledger.ledger"),
        ("retrain.novelty", "json"),
    ],
)
def test_an_import_that_points_up_or_sideways_is_a_fault(module: str, imported: str) -> None:
    assert fault(module, imported) is not None


@pytest.mark.parametrize(
    ("module", "imported"),
    [
        ("retrain.gate.judge", "retrain.metrics"),
        ("retrain.tracker.client", "mlflow.entities"),
        ("retrain.tracker.model_files", "retrain.models.files"),
        ("retrain.cycle.train", "retrain.tracker.client"),
        ("retrain_airflow.operators.train", "retrain_airflow.operators.spec"),
        ("retrain_airflow.operators.train", "retrain.cycle.train"),
        ("retrain_airflow.assets", "retrain_airflow.triggers.new_rows"),
        ("estimators.mine", "sklearn.pipeline"),
    ],
)
def test_an_import_that_points_down_is_fine(module: str, imported: str) -> None:
    assert fault(module, imported) is None


def test_imports_are_found_wherever_they_stand() -> None:
    tree = ast.parse(
        "import json\n"
        "from retrain import errors\n"
        "from retrain.spec import files, parse\n"
        "from retrain.records import Subset\n"
        "from .source import Source\n"
        "def late():\n    import mlflow.entities\n"
    )

    assert list(imports(tree)) == [
        "json",
        "retrain.errors",
        "retrain.spec.files",
        "retrain.spec.parse",
        "retrain.records",
        ".source",
        "mlflow.entities",
    ]


def test_only_what_importing_a_module_runs_is_in_its_closure() -> None:
    assert {"retrain.tracker.client", "mlflow.entities", "retrain.records"} <= closure("retrain.cycle.train")
    # Its hook imports the tracker twice: in a method, and for mypy.
    assert "retrain.tracker.client" not in closure("retrain_airflow.hooks.tracker")
