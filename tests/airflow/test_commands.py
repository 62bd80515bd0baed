"""The commands about one model, by the connections of Airflow's that its spec names."""

import json
import os
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest

from retrain.tracker.client import ExperimentTracker
from tests.airflow.conftest import PROJECT, Model
from tests.airflow.test_rollback import Make, two  # noqa: F401 - a fixture

Done = subprocess.CompletedProcess[str]
Here = Callable[..., Done]


def test_in_a_process_of_its_own_a_command_prints_its_answer_alone(two: Model) -> None:  # noqa: F811
    done = subprocess.run(
        [sys.executable, "-m", "retrain.cli", "history", two.name, "--json"],
        env=os.environ | {"PYTHONPATH": os.pathsep.join(("include", "plugins", "."))},
        cwd=PROJECT,
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    assert [each["to_version"] for each in json.loads(done.stdout)] == ["2", "1"]


def test_a_person_looks_at_production_takes_it_back_and_puts_it_there_again(
    two: Model,  # noqa: F811
    tracker: ExperimentTracker,
    here: Here,
) -> None:
    def good(*words: str) -> str:
        done = here(*words)
        assert done.returncode == 0, done.stderr
        return done.stdout

    newest, first = good("history", two.name).splitlines()
    assert "forward: from version 1 to version 2; by kim in retrain_toy, run run 2: forced: a test" in newest
    assert "forward: from none to version 1; by retrain_toy, run run 1: there is no Production" in first
    (second_at, first_at) = (each["at"] for each in json.loads(good("history", two.name, "--json")))
    assert f"{two.name}: version 1 was in Production at " in good("production-at", two.name, second_at)
    assert json.loads(good("production-at", two.name, "2001-01-01", "--json"))["version"] is None
    assert first_at < second_at

    back = good("rollback", two.name, "--why", "customers complain", "--by", "kim")
    assert "rollback: from version 2 to version 1; by kim: customers complain" in back
    assert tracker.production(two.name) == "1"
    again = here("rollback", two.name, "--why", "once more", "--expects", "2")
    assert (again.returncode, tracker.production(two.name)) == (0, "1")

    assert "is frozen until" in good("freeze", two.name, "--days", "2", "--why", "a campaign")
    frozen = here("promote", two.name, "2", "--why", "it was not the model")
    assert frozen.returncode == 1
    assert f"{two.name}: Production is frozen until" in frozen.stderr
    assert good("freeze", two.name, "--days", "0", "--why", "it is over") == f"{two.name}: is not frozen\n"
    put = json.loads(good("promote", two.name, "2", "--why", "it was not the model", "--by", "kim", "--json"))
    assert (put["kind"], put["from_version"], put["to_version"], put["by"]) == ("forward", "1", "2", "kim")
    assert tracker.production(two.name) == "2"
    assert "version 2 is in Production, in place of version 1, by kim: it was not the model" in str(two.waiting())


def test_a_command_says_which_models_there_are(model: Make, here: Here) -> None:
    toy = model()
    done = here("history", "letters")
    assert done.returncode == 1
    assert f"no spec has this model; those that can be read: '{toy.name}'" in done.stderr


def test_a_time_that_cannot_be_read_is_refused(model: Make, here: Here) -> None:
    done = here("production-at", model().name, "yesterday")
    assert done.returncode == 1
    assert done.stderr.startswith("TIME = 'yesterday': is not a time of ISO 8601; write e.g. 2026-")


def test_a_connection_that_is_not_there_is_named(model: Make, here: Here, monkeypatch: pytest.MonkeyPatch) -> None:
    toy = model()
    monkeypatch.delenv("AIRFLOW_CONN_RETRAIN_STATE")
    done = here("history", toy.name)
    assert done.returncode == 1
    assert "retrain_state" in done.stderr
    assert "Traceback" not in done.stderr


def test_without_a_folder_of_specs_the_variable_is_named(
    tmp_path: Path, here: Here, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.delenv("RETRAIN_SPECS", raising=False)
    assert "RETRAIN_SPECS" in here("history", "letters").stderr
    assert "is not a folder" in here("history", "letters", "--specs", str(tmp_path / "none")).stderr
