"""A fit in a process of its own, against a real PostgreSQL and a real MLflow server."""

import json
import logging
import os
import signal
import sys
import tempfile
import time
import venv
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import psutil
import pytest

from retrain.cycle import fit_process
from retrain.cycle.fitting import Made, Order
from retrain.cycle.train import train
from retrain.errors import EndedError, EstimatorError, SettingsError
from retrain.records import Subset
from retrain.spec.spec import Spec
from tests.core.conftest import Make

Fit = Callable[..., Made]


def candidate(does: str, mark: str = "") -> dict[str, Any]:
    return {"name": "wild", "estimator": "tests.core.wild:wild", "params": {"does": does, "mark": mark}}


@pytest.fixture
def fit(world: Make, tmp_path: Path) -> Fit:
    """Fits what misbehaves in some way, on 600 rows."""
    model = world()
    model.feed(600)
    snapshot = model.take()

    def fitted(does: str, mark: str = "", **limits: Any) -> Made:
        fields = {"candidates": [candidate(does, mark)], "trust": ["pickle"], "limits": limits}
        spec = Spec.model_validate_json(json.dumps(model.spec.model_dump(mode="json", exclude_defaults=True) | fields))
        with tempfile.TemporaryDirectory() as folder:
            return fit_process.fit(Order(spec, "wild", snapshot, (Subset.TRAIN,)), model.snapshots, Path(folder))

    return fitted


def running(mark: str) -> list[psutil.Process]:
    return [each for each in psutil.process_iter(["cmdline"]) if mark in (each.info["cmdline"] or [])]


@pytest.mark.parametrize(
    ("does", "says"),
    [
        ("exit", "ended with 3 before there was a model"),
        ("end", "ended with 5 before there was a model"),
        ("crash", "was killed by signal 11"),
        ("ask", "EOFError"),
    ],
)
def test_what_ends_its_process_is_one_clear_error(fit: Fit, does: str, says: str) -> None:
    with pytest.raises(EstimatorError, match=says) as refused:
        fit(does)
    assert "\n" not in str(refused.value)


def test_past_its_time_it_is_ended_with_all_that_it_has_started(fit: Fit) -> None:
    with pytest.raises(
        EstimatorError, match=r"candidate 'wild': its training was ended past limits\.time = 3s; .*raise"
    ):
        fit("sleep", "601", time="3s")
    assert running("601") == []


def test_past_its_memory_it_is_ended(fit: Fit) -> None:
    with pytest.raises(EstimatorError, match=r"its training was ended past limits\.memory = 1g; it had 1"):
        fit("take_memory", memory="1g")


def test_what_it_leaves_behind_is_gone_and_named(fit: Fit, caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.INFO)
    assert fit("write").rows > 300
    assert "It wrote into its working directory, which is deleted: left-behind.txt" in caplog.text
    assert fit("leak", "602").rows > 300
    assert running("602") == []


def test_megabytes_that_it_prints_are_cut_off(fit: Fit, caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.INFO)
    assert fit("print").rows > 300
    assert "step 0: nothing new" in caplog.text
    assert "It prints more; the rest is left out." in caplog.text
    assert len(caplog.text) < 1 << 20


def test_a_process_that_is_ended_from_outside_says_nothing_about_the_candidate(fit: Fit, tmp_path: Path) -> None:
    mark = tmp_path / "is-there"
    with ThreadPoolExecutor() as pool:
        waiting = pool.submit(fit, "sleep", str(mark))
        while not mark.exists():
            time.sleep(0.05)
        (sleeping,) = running(str(mark))
        os.kill(os.getpgid(sleeping.pid), signal.SIGTERM)
        with pytest.raises(EndedError, match="candidate 'wild': the process that fits it was ended from outside"):
            waiting.result()
    assert running(str(mark)) == []


def test_a_training_function_of_ones_own_is_seen_on_the_run_while_it_trains(world: Make) -> None:
    own = {"name": "own", "train": "tests.core.models.own:by_batches", "params": {"seed": 0, "passes": 4}}
    model = world(candidates=[own])
    model.feed(600)
    cycle, snapshot = model.cycle(), model.take()
    trained = train(cycle, snapshot, "own")
    points = model.tracker.metric_history(trained.run_id, "seen_accuracy")
    assert [point.step for point in points] == [0, 1, 2, 3]
    run = model.tracker.get_run(trained.run_id)
    assert (run.status, run.params["train"]) == ("FINISHED", "tests.core.models.own:by_batches")
    assert run.metrics["fit_rows"] == trained.train_rows
    assert run.metrics["fit_memory_mib"] > 50
    assert [each.path for each in model.tracker.list_artifacts(run.id)] == ["heaviest.json", "versions.json"]
    assert trained.recipe is not None


def test_a_training_function_reads_its_rows_from_the_file_as_well(world: Make) -> None:
    model = world(candidates=[{"name": "own", "train": "tests.core.models.own:of_the_file"}])
    model.feed(600)
    cycle, snapshot = model.cycle(), model.take()
    assert train(cycle, snapshot, "own").train_rows == snapshot.subsets[Subset.TRAIN]


@pytest.mark.parametrize(("function", "metric"), [("boosted", "binary_logloss"), ("cat", "Logloss")])
def test_a_booster_is_seen_on_the_run_tree_by_tree_and_a_second_try_adds_no_point(
    world: Make, function: str, metric: str, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.INFO)
    boosted = {"name": "boosted", "estimator": f"tests.core.models.own:{function}", "params": {"trees": 6}}
    model = world(candidates=[boosted])
    model.feed(600)
    cycle, snapshot = model.cycle(), model.take()
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(type(model.tracker), "log_model_files", killed)
        with pytest.raises(KeyboardInterrupt):
            train(cycle, snapshot, "boosted")
    trained = train(cycle, snapshot, "boosted")
    names = (f"train_{metric}", f"validation_{metric}")
    steps = [[point.step for point in model.tracker.metric_history(trained.run_id, name)] for name in names]
    assert steps == [[0, 1, 2, 3, 4, 5]] * 2
    assert "catboost_info" not in caplog.text  # what a fit leaves in its folder is named


def killed(*_: Any, **__: Any) -> None:
    raise KeyboardInterrupt


def test_another_interpreter_fits_and_is_asked_when_the_model_is_judged(
    world: Make, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("RETRAIN_PYTHONS", f"other={sys.executable}")
    whole = {"name": "whole", "estimator": "tests.core.toys:logistic", "params": {"columns": ["a", "b"]}}
    model = world(candidates=[whole], run_on={"python": "other"})
    model.feed(600)
    assert model.promote().to_version == "1"
    file = model.ledger.model_file_of_version(model.model, "1")
    assert file is not None
    assert file.python == "other"


def test_an_interpreter_that_lacks_a_package_is_told_so(
    world: Make, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    venv.create(tmp_path / "bare", with_pip=False)
    monkeypatch.setenv("RETRAIN_PYTHONS", f"bare={tmp_path / 'bare' / 'bin' / 'python'}")
    model = world(run_on={"python": "bare"})
    model.feed(600)
    cycle, snapshot = model.cycle(), model.take()
    says = r"ended with 1 before there was a model; the last that it printed: ModuleNotFoundError: No module named"
    with pytest.raises(EstimatorError, match=says):
        train(cycle, snapshot, "whole")


def test_an_interpreter_that_the_installation_does_not_list_is_refused(world: Make) -> None:
    model = world(run_on={"python": "torch"})
    model.feed(600)
    with pytest.raises(SettingsError, match="RETRAIN_PYTHONS lists none; add torch=/path/to/python there"):
        train(model.cycle(), model.take(), "whole")
