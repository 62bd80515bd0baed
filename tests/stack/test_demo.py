"""`make demo` as a stranger runs it, without the making of the venv."""

import os
import signal
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pandas as pd
import pytest
import yaml

from stack import feed
from stack.home import PROJECT

Left = Callable[[Path], list[str]]
REVIEWS = PROJECT / "include" / "specs" / "reviews.yaml"


def _demo(home: Path, *words: object) -> subprocess.CompletedProcess[str]:
    return subprocess.run(_words(*words), capture_output=True, text=True, check=False, **_where(home))


def _words(*words: object) -> list[str]:
    return [sys.executable, "-m", "stack.demo", *map(str, words)]


def _where(home: Path) -> dict[str, Any]:
    return {"cwd": PROJECT, "env": os.environ | {"RETRAIN_HOME": str(home), "RETRAIN_PORTS": "free"}}


def test_two_batches_end_in_two_promotions_and_nothing_is_left_running(home: Path, left: Left) -> None:
    demo = _demo(home)
    assert demo.returncode == 0, demo.stdout + demo.stderr
    assert demo.stderr == ""
    first, second = demo.stdout.split("Cycle 1")[1].split("Cycle 2")
    for candidate in ("words", "characters", "bayes"):
        assert f"{candidate} " in first
        assert f"{candidate} " in second
    assert "there is no Production to compare with" in first
    assert "is more than chance" in second
    assert first.strip().splitlines()[-1].split() == ["Production", "version", "1"]
    assert "Production   version 2" in second
    assert "log in as admin with" in second
    assert left(home) == []


def test_a_file_of_ones_own_is_fed_in_batches_by_date(home: Path, left: Left, reviews: Path, tmp_path: Path) -> None:
    rows = feed.read(reviews / "reviews-2003-2010.tsv.gz").head(12_000)
    rows.to_csv(tmp_path / "reviews.tsv.gz", sep="\t", index=False, quoting=3, escapechar="\\")
    fewer = {"threshold": {"rows": 1000}, "gate": {"metric": "f1_macro", "floor": 0.55, "epoch_rows": 200}}
    spec = yaml.safe_load(REVIEWS.read_text()) | fewer
    (tmp_path / "reviews.yaml").write_text(yaml.safe_dump(spec))
    (tmp_path / "reviews.sql").write_text(REVIEWS.with_suffix(".sql").read_text())
    demo = _demo(home, "--data", tmp_path / "reviews.tsv.gz", "--spec", tmp_path / "reviews.yaml")
    assert demo.returncode == 0, demo.stdout + demo.stderr
    assert demo.stdout.count("2,000 rows have arrived in table reviews") == 6
    assert all(f"Cycle {number}" in demo.stdout for number in range(1, 7))
    assert left(home) == []


@pytest.mark.parametrize("line", ["Starting PostgreSQL", "Starting Airflow's scheduler", "Batch 1"])
def test_after_ctrl_c_nothing_is_left_running(home: Path, left: Left, line: str) -> None:
    with subprocess.Popen(_words(), stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True, **_where(home)) as demo:
        assert demo.stdout is not None
        assert any(said.startswith(line) for said in demo.stdout)
        demo.send_signal(signal.SIGINT)
        _, said = demo.communicate()
    assert demo.returncode == 130
    assert said == "Interrupted: what was started has been ended.\n"
    assert left(home) == []


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
    assert "holds the state of a stack of yours: `make reset` deletes it" in refused.stderr
    assert (home / "stack.lock").exists()
