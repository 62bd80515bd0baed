"""A backtest as a whole: what it shares, what a kill leaves, where it ends."""

import json
import os
import subprocess
import sys
import time
from collections.abc import Sequence
from datetime import timedelta
from pathlib import Path
from typing import Any

import numpy as np
import psutil
import pytest

from retrain.backtest.history import History
from retrain.backtest.policies import policies
from retrain.backtest.replayed import Backtest, Policy, Rule
from retrain.backtest.run import Options, Progress, backtest, running
from retrain.errors import BacktestError
from retrain.spec.files import SpecFile
from stack.home import PROJECT
from tests.core.backtest.conftest import spec_in

TWO = [
    {"name": "whole", "estimator": "tests.core.toys:logistic", "params": {"columns": ["a", "b"]}},
    {"name": "half", "estimator": "tests.core.toys:logistic", "params": {"columns": ["a"]}},
]


def run(
    compared: Sequence[Policy], history: History, *, told: list[Progress] | None = None, **options: Any
) -> Backtest:
    with running(compared, history, Options(**{"first": 500, "following": 300, **options})) as begun:
        return backtest(begun, (told if told is not None else []).append)


def of(found: Backtest, name: str) -> Any:
    return next(each for each in found.replays if each.policy.name == name)


@pytest.fixture(scope="module")
def whole(rows_file: Path, tmp_path_factory: pytest.TempPathFactory) -> tuple[Backtest, list[Progress]]:
    """The policies by default, each compared with the others."""
    from retrain.backtest import row_files

    file = spec_in(tmp_path_factory.mktemp("spec"))
    history = History.of(file.spec, row_files.read(rows_file, file.spec), b"test")
    told = list[Progress]()
    return run(policies(file, None), history, told=told), told


def test_every_policy_scores_the_same_rows_each_by_a_model_of_before(
    whole: tuple[Backtest, list[Progress]],
) -> None:
    found, _ = whole
    for each in found.replays:
        assert len(each.predictions.labels) == len(found.times) == len(each.served)
        at = np.array([np.datetime64(decision.at.replace(tzinfo=None), "us") for decision in each.decisions])
        assert (at[each.served] < found.times).all()


def test_never_keeps_its_first_model_and_always_takes_each(whole: tuple[Backtest, list[Progress]]) -> None:
    found, _ = whole
    never, always, shipped = (of(found, name) for name in ("never", "always", "shipped"))
    assert (never.trainings, never.promotions) == (1, 1)
    assert always.promotions == always.trainings == len(always.decisions) == 9
    assert shipped.decisions[0].promoted
    right = [(each.predictions.labels == found.labels).mean() for each in (never, always)]
    assert right[1] > right[0] + 0.02  # the boundary turns


def test_a_model_that_several_policies_need_is_fitted_once(whole: tuple[Backtest, list[Progress]]) -> None:
    found, told = whole
    alone = sum(each.trainings for each in found.replays)
    different = {decision.challenger for each in found.replays for decision in each.decisions}
    assert told[-1].fitted == len(different) < alone / 2


def test_of_two_candidates_the_better_on_validation_is_judged(tmp_path: Path, history: History) -> None:
    found = run(policies(spec_in(tmp_path, candidates=TWO), None)[:1], history)
    assert {each.candidate for each in found.replays[0].decisions} == {"whole"}
    assert found.replays[0].trainings == 3 * len(found.replays[0].decisions)


def test_a_delay_of_labels_has_a_row_scored_by_the_production_of_its_prediction(
    history: History, spec_file: SpecFile
) -> None:
    compared = [Policy("always", spec_file.spec, rule=Rule.ALWAYS)]
    late = run(compared, history, delay=timedelta(days=20))
    own = late.replays[0]
    at = np.array([np.datetime64(decision.at.replace(tzinfo=None), "us") for decision in own.decisions])
    assert (late.times - at[own.served] > np.timedelta64(20, "D")).all()


def test_with_a_spent_budget_the_history_until_then_counts(history: History, spec_file: SpecFile) -> None:
    compared = policies(spec_file, None)
    with running(compared, history, Options(first=500, following=300, budget=timedelta(seconds=1))) as begun:
        found = backtest(begun, lambda _: time.sleep(0.2))
    whole = run(policies(spec_file, None)[:1], history)
    assert any("the budget was spent" in remark for remark in found.remarks)
    assert len(found.times) < len(whole.times)


def test_a_policy_that_never_promotes_is_said(history: History, tmp_path: Path) -> None:
    gate = {"metric": "accuracy", "floor": 0.999, "round_rows": 200}
    with pytest.raises(BacktestError, match=r"shipped.*no version ever went into Production"):
        run(policies(spec_in(tmp_path, gate=gate), None)[:1], history)


PROGRAM = "from retrain.cli.main import main; main()"


def typed(folder: Path, rows: Path, cache: Path, out: str) -> "subprocess.Popen[bytes]":
    words = ["backtest", str(folder / "turning.yaml"), "--rows", str(rows), "--first", "500", "--jobs", "2"]
    words += ["--cache", str(cache), "--json", str(folder / out), "--html", str(folder / "page.html")]
    paths = os.pathsep.join([str(PROJECT / "include"), str(PROJECT)])
    program = [sys.executable, "-c", PROGRAM, *words]
    return subprocess.Popen(program, env=os.environ | {"PYTHONPATH": paths}, start_new_session=True)


@pytest.mark.nightly  # a minute of backtests that are killed
def test_a_killed_backtest_that_goes_on_gives_the_same_bytes(tmp_path: Path, rows_file: Path) -> None:
    spec_in(tmp_path, candidates=TWO)
    assert typed(tmp_path, rows_file, tmp_path / "one", "one.json").wait() == 0
    cache = tmp_path / "other"
    killed = typed(tmp_path, rows_file, cache, "other.json")
    while len([*cache.glob("*/*.npz")]) < 8:
        assert killed.poll() is None
        time.sleep(0.05)
    processes = psutil.Process(killed.pid).children(recursive=True)
    killed.kill()
    killed.wait()
    _, left = psutil.wait_procs(processes, timeout=20)
    assert left == []  # the processes beside it have ended as well
    assert not (tmp_path / "other.json").exists()
    before = {each: each.stat().st_mtime_ns for each in cache.glob("*/*.npz")}
    assert typed(tmp_path, rows_file, cache, "other.json").wait() == 0
    kept = [each for each, written in before.items() if each.stat().st_mtime_ns == written]
    assert kept  # was not made anew
    assert _but_for_cpu(tmp_path / "one.json") == _but_for_cpu(tmp_path / "other.json")
    # All of it is in the cache now, the CPU seconds too.
    assert typed(tmp_path, rows_file, cache, "again.json").wait() == 0
    assert (tmp_path / "again.json").read_bytes() == (tmp_path / "other.json").read_bytes()


def _but_for_cpu(path: Path) -> str:
    body = json.loads(path.read_text(encoding="utf-8"))
    for each in body["policies"]:
        assert each["counts"].pop("cpu_seconds") > 0
    return json.dumps(body)
