"""docs/model.md as it is written, from the table to the first verdict; and what docs/threshold.md says is printed."""

import re
from collections.abc import Callable
from pathlib import Path
from subprocess import CompletedProcess

import pytest

from retrain.ledger.ledger import Ledger
from retrain.snapshots.store import SnapshotStore
from retrain.spec.files import load
from retrain.tracker.client import ExperimentTracker
from tests.conftest import Database
from tests.core.conftest import World
from tests.docs.blocks import blocks_of
from tests.docs.shell import commands

PAGE = "docs/model.md"
ROWS = """
INSERT INTO customers
SELECT n, age, visits, region, (visits < 400) <> (n % 13 = 0), timestamptz '2026-01-01' + n * interval '1 minute'
FROM (
    SELECT n, 18 + n * 7 % 60 AS age, n * 7919 % 997 AS visits, (array['seoul', 'busan'])[1 + n % 2] AS region
    FROM generate_series(1, 2000) AS n
) AS made
"""


def block(page: str, begins: str) -> str:
    (found,) = [each.text for each in blocks_of(page) if each.begins.startswith(begins)]
    return found


Run = Callable[..., "CompletedProcess[str]"]


@pytest.fixture
def run(here: Run, database: Database, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Run:
    """Run a command of a page on this database, with the test's folder in place of that of the specs."""
    monkeypatch.syspath_prepend(str(tmp_path))

    def run(line: str, *more: object) -> "CompletedProcess[str]":
        (words,) = commands(line)
        words[words.index("--source") + 1] = database.dsn
        return here(*(str(tmp_path) if word == "/opt/airflow/specs" else word for word in words[1:]), *more)

    return run


@pytest.fixture
def customers(database: Database, ledger: Ledger) -> Database:
    with database.connect() as session:
        session.cursor().execute(block(PAGE, "CREATE TABLE customers"))
        session.cursor().execute(ROWS)
    return database


def test_the_page_of_models_works_as_written(
    customers: Database, ledger: Ledger, tracker: ExperimentTracker, run: Run, tmp_path: Path
) -> None:
    for begins in ("# churn_estimators.py", "# churn.yaml"):
        (tmp_path / begins.removeprefix("# ")).write_text(block(PAGE, begins), encoding="utf-8")
    checked = run(block(PAGE, "retrain check"))
    assert (checked.returncode, checked.stderr) == (0, "")
    assert checked.stdout.endswith("1 spec is good: churn.yaml\n")

    spec = load(tmp_path / "churn.yaml").spec
    world = World(spec, customers, SnapshotStore((tmp_path / "snapshots").as_uri()), ledger, tracker)
    assert world.sense().enough
    promotion = world.promote()
    assert (promotion.from_version, promotion.to_version) == (None, "1")


@pytest.mark.usefixtures("customers")
def test_init_writes_what_check_calls_good(run: Run, tmp_path: Path) -> None:
    made = run(block(PAGE, "retrain init"), "--into", tmp_path)
    assert (made.returncode, made.stderr) == (0, "")
    checked = run(block(PAGE, "retrain check"))
    assert (checked.returncode, checked.stderr) == (0, "")


def test_the_index_that_the_count_lacks_is_printed_as_the_page_shows(
    database: Database, run: Run, tmp_path: Path
) -> None:
    command, *shown = block("docs/threshold.md", "$ retrain check").splitlines()
    with database.connect() as session:
        session.cursor().execute(
            "CREATE TABLE letters (id int PRIMARY KEY, letter text, result text, reviewed_at timestamptz)"
        )
    (tmp_path / "letters.yaml").write_text(
        "model: Letters\n"
        "source: {table: letters, key: id, label: result, label_time: reviewed_at, features: [letter]}\n"
        'candidates: [{name: linear, estimator: "estimators.text:logistic", params: {column: letter}}]\n'
    )
    done = run(command, tmp_path)
    assert done.returncode == 0, done.stderr
    assert _without_number(done.stdout.splitlines()) == _without_number(shown)


def _without_number(lines: list[str]) -> list[str]:
    return [re.sub(r"about [\d,]+ rows", "about n rows", line) for line in lines]
