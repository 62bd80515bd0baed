"""Tables of the source, as in its own tests; and `retrain init` on a database of one test's own."""

import json
import subprocess
from collections.abc import Callable
from contextlib import closing
from pathlib import Path
from typing import Any

import pytest

from tests.conftest import Database
from tests.core.source.conftest import schema, session, way  # noqa: F401

Done = subprocess.CompletedProcess[str]
Run = Callable[..., Done]

ROWS = (
    "CREATE TABLE rows (id int PRIMARY KEY, a float8, b float8, label text); INSERT INTO rows "
    "SELECT n, sin(n), cos(n), CASE WHEN sin(n) > 0.5 THEN 'yes' ELSE 'no' END FROM generate_series(1, 600) AS n; "
)


@pytest.fixture
def execute(database: Database) -> Callable[[str], None]:
    def execute(statement: str) -> None:
        with closing(database.connect()) as own, own:
            own.cursor().execute(statement)

    return execute


@pytest.fixture
def run(database: Database, here: Run, tmp_path: Path) -> Run:
    """Run `retrain init` in this process."""

    def run(table: str = "rows", label: str = "label", *words: str, dsn: str = database.dsn) -> Done:
        return here("init", "--table", table, "--label", label, "--source", dsn, "--into", tmp_path, *words)

    return run


@pytest.fixture
def made(run: Run, tmp_path: Path) -> Callable[..., dict[str, Any]]:
    """Run it, and return what it decided."""

    def made(*words: str) -> dict[str, Any]:
        done = run(*words, "--json") if words else run("rows", "label", "--json")
        assert (done.returncode, done.stderr) == (0, "")
        found: dict[str, Any] = json.loads(done.stdout)
        return found

    return made
