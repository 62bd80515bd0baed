"""`make demo` as a new user runs it, without the installation of the venv."""

import os
import signal
import subprocess
import sys
from collections.abc import Callable
from contextlib import nullcontext
from io import StringIO
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pandas as pd
import pytest
import yaml

from retrain.spec import files as spec_files
from stack import demo, feed
from stack.home import PROJECT
from tests.conftest import Database

Left = Callable[[Path], list[str]]
REVIEWS = PROJECT / "include" / "specs" / "reviews.yaml"


def _demo(home: Path, *words: object) -> subprocess.CompletedProcess[str]:
    return subprocess.run(_words(*words), capture_output=True, text=True, check=False, **_where(home))


def _words(*words: object) -> list[str]:
    return [sys.executable, "-m", "stack.demo", *map(str, words)]


def _where(home: Path) -> dict[str, Any]:
    return {"cwd": PROJECT, "env": os.environ | {"RETRAIN_HOME": str(home), "RETRAIN_PORTS": "free"}}


@pytest.mark.soak  # tests/e2e/test_cycle.py has both cycles on a running stack; the next test, how it ends
def test_two_batches_end_in_two_promotions_and_nothing_is_left_running(home: Path, left: Left) -> None:
    done = _demo(home)
    assert done.returncode == 0, done.stdout + done.stderr
    assert done.stderr == ""
    first, second = done.stdout.split("Cycle 1")[1].split("Cycle 2")
    for candidate in ("words", "characters", "bayes"):
        assert f"{candidate} " in first
        assert f"{candidate} " in second
    assert "there is no Production to compare with" in first
    assert "is more than chance" in second
    assert first.strip().splitlines()[-1].split() == ["Production", "version", "1"]
    assert "Production   version 2" in second
    assert "log in as admin with" in second
    assert left(home) == []


@pytest.mark.soak  # it takes one more whole stack than the tests beside it
def test_a_file_of_ones_own_is_fed_in_batches_by_date_until_ctrl_c_leaves_nothing_running(
    home: Path, left: Left, reviews: Path, tmp_path: Path
) -> None:
    """Runs the first of six batches; the next test has the others and the end, without a stack."""
    rows = feed.read(reviews / "reviews-2003-2010.tsv.gz").head(6_000)
    rows.to_csv(tmp_path / "reviews.tsv.gz", sep="\t", index=False, quoting=3, escapechar="\\")
    fewer = {"threshold": {"rows": 500}, "gate": {"metric": "f1_macro", "floor": 0.5, "round_rows": 100}}
    spec = yaml.safe_load(REVIEWS.read_text()) | fewer
    (tmp_path / "reviews.yaml").write_text(yaml.safe_dump(spec))
    (tmp_path / "reviews.sql").write_text(REVIEWS.with_suffix(".sql").read_text())
    words = ("--data", tmp_path / "reviews.tsv.gz", "--spec", tmp_path / "reviews.yaml")
    # In the middle of a cycle: the second batch has arrived, and a task has ended.
    printed = _interrupted(home, left, "Batch 2", "  sense", words=words)
    assert [line for line in printed if line.startswith("Batch ")] == [
        f"Batch {number}: 1,000 rows have arrived in table reviews.\n" for number in (1, 2)
    ]
    assert len([line for line in printed if line.startswith("  evaluate  ")]) == 1


def test_a_file_of_ones_own_ends_after_six_batches_and_says_how_its_stack_comes_back(
    home: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    days = pd.date_range("2026-01-01", periods=20).astype(str)
    rows = pd.DataFrame({"review_id": range(20), "written_on": days}).sample(frac=1, random_state=0)
    rows.to_csv(tmp_path / "rows.csv", index=False)
    running = SimpleNamespace(airflow_url="", user="", password="", mlflow_page="")
    fed: list[tuple[int, pd.DataFrame]] = []
    monkeypatch.setenv("RETRAIN_HOME", str(home))
    monkeypatch.setattr(demo, "_stack", lambda *_, **__: nullcontext(running))
    monkeypatch.setattr(demo, "AirflowApi", lambda _: StringIO())
    monkeypatch.setattr(demo, "_cycle", lambda *given, number: fed.append((number, given[-1])))
    monkeypatch.setattr(demo.demo_words, "of_cycle", lambda _: [])

    assert demo._own(tmp_path / "rows.csv", REVIEWS) == 0

    assert [(number, len(batch)) for number, batch in fed] == [(1, 3), (2, 4), (3, 3), (4, 3), (5, 4), (6, 3)]
    assert [day for _, batch in fed for day in batch["written_on"].dt.strftime("%Y-%m-%d")] == list(days)
    output = capsys.readouterr().out
    assert all(f"Cycle {number}" in output for number in range(1, 7))
    assert f"`RETRAIN_SPECS={REVIEWS.parent} make up` brings it back as it is" in output


def test_a_run_that_the_schedule_has_started_before_a_batch_came_may_be_the_one_that_finds_it(
    database: Database,
) -> None:
    class FollowedError(Exception):
        """Raised with the id of the run that is followed."""

    def follow(_: str, run: str, __: float) -> None:
        raise FollowedError(run)

    runs = [("scheduled__1", "success"), ("scheduled__2", "queued")]
    api = SimpleNamespace(wait_for_dag=lambda _: None, runs=lambda _: runs, follow=follow)
    batch = pd.DataFrame({"review_id": [1], "written_on": [pd.Timestamp("2026-01-01", tz="UTC")], "text": ["좋다"]})
    with pytest.raises(FollowedError, match="scheduled__2"):
        demo._cycle(SimpleNamespace(dsn=lambda _: database.dsn), api, spec_files.load(REVIEWS), batch, number=2)


@pytest.mark.parametrize(
    "line", ["Starting PostgreSQL", pytest.param("Starting Airflow's scheduler", marks=pytest.mark.soak)]
)
def test_after_ctrl_c_nothing_is_left_running(home: Path, left: Left, line: str) -> None:
    _interrupted(home, left, line)


def _interrupted(home: Path, left: Left, *lines: str, words: tuple[object, ...] = ()) -> list[str]:
    """Interrupt a demo when it has printed lines that begin with these, in turn; return everything it has printed."""
    printed = []
    with subprocess.Popen(
        _words(*words), stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True, **_where(home)
    ) as running:
        assert running.stdout is not None
        for line in lines:
            for text in running.stdout:
                printed.append(text)
                if text.startswith(line):
                    break
            else:
                pytest.fail(f"did not print {line!r}: {''.join(printed)}{running.communicate()[1]}")
        running.send_signal(signal.SIGINT)
        _, errors = running.communicate()
    assert running.returncode == 130
    assert errors == "Interrupted: what was started has been ended.\n"
    assert left(home) == []
    return printed


def test_a_file_without_its_spec_is_refused(home: Path, tmp_path: Path) -> None:
    assert "DATA and SPEC go together" in _demo(home, "--data", tmp_path / "rows.tsv").stderr


def test_a_file_without_the_columns_of_its_spec_is_refused(home: Path, tmp_path: Path) -> None:
    pd.DataFrame({"review_id": [1], "text": ["재미있다"]}).to_csv(tmp_path / "rows.csv", index=False)
    refused = _demo(home, "--data", tmp_path / "rows.csv", "--spec", REVIEWS)
    assert refused.returncode == 1
    assert "has no column 'written_on', which reviews.yaml names as source.label_time" in refused.stderr
    assert refused.stderr.count("\n") == 1
    assert not home.exists()


def test_the_state_of_a_stack_of_ones_own_is_not_touched(home: Path) -> None:
    home.mkdir()
    (home / "stack.lock").touch()
    refused = _demo(home)
    assert refused.returncode == 1
    assert "holds what a stack of yours stored: `make reset` deletes it" in refused.stderr
    assert (home / "stack.lock").exists()
