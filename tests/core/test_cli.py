"""`retrain check` and `retrain migrate` as an engineer runs them."""

import os
import subprocess
import sys
from pathlib import Path

import pytest
from psycopg2.extensions import parse_dsn

PROJECT = Path(__file__).resolve().parents[2]

SPEC = """\
model: {model}
source: {{table: letters, key: id, label: result, features: [letter]}}
candidates:
  - {{name: linear, estimator: "{estimator}", params: {{column: letter}}}}
"""
GOOD = "estimators.text:logistic"


def retrain(*words, **variables):
    inherited = {name: value for name, value in os.environ.items() if not name.startswith(("PG", "RETRAIN_"))}
    return subprocess.run(
        [sys.executable, "-m", "retrain.cli", *map(str, words)],
        env=inherited | {"PYTHONPATH": "include"} | variables,
        cwd=PROJECT,
        capture_output=True,
        text=True,
        check=False,
    )


@pytest.fixture
def write(tmp_path):
    def write(name, *, model=None, estimator=GOOD):
        (tmp_path / name).write_text(SPEC.format(model=model or name.removesuffix(".yaml"), estimator=estimator))

    return write


# ── check


def test_good_specs_of_the_folder_that_the_variable_names_pass(write, tmp_path):
    write("letters.yaml")
    write("reviews.yaml")

    checked = retrain("check", RETRAIN_SPECS=str(tmp_path))

    assert (checked.returncode, checked.stderr) == (0, "")
    assert checked.stdout == "2 specs are good: letters.yaml, reviews.yaml\n"


def test_every_fault_of_every_spec_is_told(write, tmp_path):
    write("good.yaml")
    write("invalid.yaml", model="a/b", estimator="no function")
    write("missing.yaml", estimator="estimators.text:missing")
    write("twin.yaml", model="good")
    write("unfit.yaml", estimator="estimators.table:logistic")

    checked = retrain("check", tmp_path)

    assert (checked.returncode, checked.stdout) == (1, "")
    told = checked.stderr
    assert {line.split(": ")[0] for line in told.splitlines()} == {
        "invalid.yaml",
        "missing.yaml",
        "twin.yaml",
        "unfit.yaml",
    }
    assert "invalid.yaml: model = " in told
    assert "invalid.yaml: candidates[0].estimator = " in told
    assert "missing.yaml: candidate 'linear': " in told
    assert "unfit.yaml: candidate 'linear': params do not fit estimators.table:logistic" in told


def test_a_folder_without_specs_is_a_fault(tmp_path):
    checked = retrain("check", tmp_path)

    assert (checked.returncode, checked.stdout) == (1, "")
    assert checked.stderr == f"{tmp_path}: holds no *.yaml; write one spec for each model into it\n"


# ── migrate


def test_migrating_again_changes_nothing_and_either_way_of_naming_the_database_does(database):
    named = parse_dsn(database.dsn)
    variables = {f"PG{'DATABASE' if name == 'dbname' else name.upper()}": value for name, value in named.items()}

    first = retrain("migrate", "--dsn", database.dsn)
    again = retrain("migrate", **variables)

    assert (first.returncode, first.stdout, first.stderr) == (0, "Ran 0001_ledger, 0002_adopted, 0003_lineages.\n", "")
    assert (again.returncode, again.stdout, again.stderr) == (0, "Nothing to do.\n", "")


@pytest.mark.parametrize("dsn", ["host=127.0.0.1 port=1", "host=/nowhere", "no dsn at all"])
def test_a_database_that_cannot_be_reached_is_one_clear_line(dsn):
    failed = retrain("migrate", "--dsn", dsn)

    assert (failed.returncode, failed.stdout) == (1, "")
    assert failed.stderr.startswith("the ledger: ")
    assert failed.stderr.count("\n") == 1


def test_a_word_that_is_no_command_is_refused_with_those_that_are():
    refused = retrain("promote")

    assert refused.returncode == 64
    assert "check" in refused.stderr
    assert "migrate" in refused.stderr
