"""`retrain backtest` as an engineer types it."""

import json
import subprocess
from collections.abc import Callable
from pathlib import Path

import pytest

from retrain.backtest.compared import Compared
from tests.conftest import Database
from tests.core import toys
from tests.core.backtest.conftest import rows_file, spec_in  # noqa: F401 - a fixture

Retrain = Callable[..., subprocess.CompletedProcess[str]]


def test_it_prints_a_table_and_writes_json_and_a_page(here: Retrain, tmp_path: Path, rows_file: Path) -> None:  # noqa: F811
    spec, html, body = spec_in(tmp_path).path, tmp_path / "page.html", tmp_path / "found.json"
    told = here("backtest", spec, "--rows", rows_file, "--first", 500, "--jobs", 2, "--html", html, "--json", body)
    assert (told.returncode, told.stderr) == (0, "")
    compared = Compared.from_json(json.loads(body.read_text(encoding="utf-8")))
    assert [each.name for each in compared.policies][:2] == ["shipped", "threshold 200"]
    for each in compared.policies:
        assert each.name in told.stdout
    assert "Recommended: " in told.stdout
    assert "<html" in html.read_text(encoding="utf-8")
    assert len(compared.models) == compared.shipped.counts.promoted


def test_rows_of_a_table_are_read_and_a_plan_trains_next_to_nothing(
    here: Retrain, tmp_path: Path, database: Database
) -> None:
    with database.connect() as session:
        toys.create(session, "rows")
        toys.insert(session, "rows", 2_000, first=0)
    source = {"table": "rows", "key": "id", "label": "label", "label_time": "labelled_at", "features": ["a", "b"]}
    spec = spec_in(tmp_path, source=source, schedule=None, wake="on_arrival").path
    told = here("backtest", spec, "--source", database.dsn, "--first", 500, "--jobs", 1, "--plan")
    assert told.returncode == 0, told.stderr
    assert "shipped: 4 cycles, 4 trainings by itself\n" in told.stdout
    # 500, 900, 1,300, 1,700; half the threshold adds one between each two and 1,900, and twice it none.
    assert "8 different trainings instead of" in told.stdout


@pytest.mark.parametrize(
    ("words", "says"),
    [
        ((), "--source and --rows: name exactly one of them"),
        (("--rows", "rows.txt"), "rows.txt: is none of .parquet, .csv and .tsv"),
        (("--rows", "rows.parquet", "--delay", "2 weeks"), "--delay = '2 weeks': is not a length of time"),
        (("--rows", "rows.parquet", "--choose-until", "May"), "--choose-until = 'May': is not a time"),
        (("--rows", "rows.parquet", "--first", "5000"), "--first = 5,000: the history has 4,000 labelled rows"),
        (("--rows", "rows.parquet", "--vary", "none.yaml"), "none.yaml: cannot be read"),
    ],
)
def test_what_cannot_be_replayed_is_said_before_any_work(
    words: tuple[str, ...],
    says: str,
    here: Retrain,
    tmp_path: Path,
    rows_file: Path,  # noqa: F811
) -> None:
    placed = [str(rows_file) if each == "rows.parquet" else each for each in words]
    told = here("backtest", spec_in(tmp_path).path, "--jobs", 1, *placed)
    assert told.returncode == 1
    assert says in told.stderr
    assert told.stdout == ""
