"""What a model predicts in a fresh process, and what keeps it from predicting."""

import re
import time
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from functools import partial
from importlib.metadata import version as installed
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import numpy as np
import pandas as pd
import psutil
import pytest

from retrain.errors import EndedError, EstimatorError, UntrustedModelError
from retrain.models.reply import Reply
from retrain.models.sandbox import Sandbox
from retrain.records import ModelFile, Subset
from retrain.tracker import model_writer
from tests.core import toys
from tests.fake_tracker import FakeTracker

Ask = Callable[..., Reply]
ROWS = pd.DataFrame({"a": [-1.0, 2.0, np.nan, 0.5], "b": [0.0, 1.0, 2.0, 3.0], "글": ["가", None, "", "a,b"]})
LABELS = np.array(["no", "yes", "no", "yes"])


@pytest.fixture
def tracker(tmp_path: Path) -> Any:
    return FakeTracker(tmp_path)


def _logged(tracker: Any, model: Any, **how: Any) -> ModelFile:
    run = tracker.start_run(tracker.create_experiment("toy"), "run")
    model.fit(ROWS.fillna({"a": 0.0}), LABELS)
    made = tracker.log_model(run, "toy", model, ROWS.fillna({"a": 0.0}), key="ab12", **how)
    return ModelFile(made.uri, made.digest, "toy", "toy", "0", run, (Subset.TRAIN,))


def _ask(sandbox: Sandbox, tracker: Any, file: ModelFile, *arguments: Any, **how: Any) -> Reply:
    with TemporaryDirectory() as folder:
        return sandbox.ask(file.uri, tracker.download_model(file.uri, Path(folder)), file.digest, *arguments, **how)


@pytest.fixture(scope="module")
def ask() -> Iterator[Callable[..., Reply]]:
    """Ask in one process for all tests: its start takes seconds, and each question goes to a new fork of it."""
    with Sandbox() as sandbox:
        yield partial(_ask, sandbox)


def test_a_model_predicts_there_as_it_does_here(tracker: Any, ask: Ask) -> None:
    model = toys.logistic(["b"])
    reply = ask(tracker, _logged(tracker, model), ROWS)
    assert list(reply.predictions.labels) == list(model.predict(ROWS))


def test_features_arrive_there_as_they_are_here(tracker: Any, ask: Ask) -> None:
    assert list(
        ask(tracker, _logged(tracker, toys.odd("tell types"), trust=("pickle",)), ROWS, ("pickle",)).predictions.labels
    ) == [f"{ROWS[name].dtype} {list(ROWS[name])!r}" for name in ROWS] + [repr(list(ROWS.index))]


def test_what_a_model_prints_is_not_part_of_the_reply(tracker: Any, ask: Ask) -> None:
    reply = ask(tracker, _logged(tracker, toys.odd(), trust=("pickle",)), ROWS, ("pickle",))
    assert list(reply.predictions.labels) == ["yes"] * 4


def test_a_model_that_predicts_only_where_it_was_made_is_refused(
    tracker: Any, ask: Ask, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setitem(toys.SETTINGS, "answer", "yes")
    file = _logged(tracker, toys.odd("need a setting"), trust=("pickle",))
    with pytest.raises(EstimatorError, match="Odd cannot predict: KeyError: 'answer'"):
        ask(tracker, file, ROWS, ("pickle",))


def test_a_model_that_ends_its_process_is_an_error(tracker: Any, ask: Ask) -> None:
    file = _logged(tracker, toys.odd("end the process"), trust=("pickle",))
    with pytest.raises(EstimatorError, match=f"{file.uri}: a fresh process ended with 7 before it had answered"):
        ask(tracker, file, ROWS, ("pickle",))


def test_a_model_that_does_not_come_to_an_end_is_given_up(tracker: Any, ask: Ask) -> None:
    file = _logged(tracker, toys.odd("take for ever"), trust=("pickle",))
    with pytest.raises(EstimatorError, match="has not answered within 1 s"):
        ask(tracker, file, ROWS, ("pickle",), seconds=1)


def test_after_one_that_ended_its_process_the_next_is_asked(tracker: Any) -> None:
    file = _logged(tracker, toys.odd("end the process"), trust=("pickle",))
    with Sandbox() as process:
        for _ in range(2):
            with pytest.raises(EstimatorError, match="ended with 7"):
                _ask(process, tracker, file, ROWS, ("pickle",))


def test_a_process_that_is_ended_from_outside_says_nothing_about_the_model(tracker: Any) -> None:
    file = _logged(tracker, toys.odd("take for ever"), trust=("pickle",))
    with Sandbox() as process, ThreadPoolExecutor() as pool:
        manager = psutil.Process(process._forks._process.pid)
        for of_the_two in (1, 0):
            waiting = pool.submit(_ask, process, tracker, file, ROWS, ("pickle",))
            while not (forks := manager.children()) or "printed.txt" not in str(forks[0].open_files()):
                time.sleep(0.05)
            [manager, *forks][of_the_two].terminate()
            with pytest.raises(EndedError, match=f"^{file.uri}: the fresh process was ended") as refused:
                waiting.result()
            assert not isinstance(refused.value, EstimatorError)
            assert psutil.wait_procs(forks, timeout=10)[1] == []


def test_a_model_must_predict_for_each_row(tracker: Any, ask: Ask) -> None:
    file = _logged(tracker, toys.odd("answer half"), trust=("pickle",))
    with pytest.raises(EstimatorError, match=r"shape \(2,\) for 4 rows"):
        ask(tracker, file, ROWS, ("pickle",))


def test_files_and_types_that_are_not_trusted_are_refused(tracker: Any, ask: Ask) -> None:
    file = _logged(tracker, toys.odd(), trust=("pickle",))
    with pytest.raises(UntrustedModelError, match="is a pickle"):
        ask(tracker, file, ROWS)
    with pytest.raises(UntrustedModelError, match="not the ones that were logged"):
        ask(tracker, replace(file, digest="0"), ROWS, ("pickle",))


def test_a_model_that_does_not_load_says_which_packages_are_other_ones(
    tracker: Any, ask: Ask, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(
        model_writer, "installed", lambda package: "0.1" if package == "scikit-learn" else installed(package)
    )
    file = _logged(tracker, toys.odd("refuse to load"), trust=("pickle",))
    here = re.escape(installed("scikit-learn"))
    with pytest.raises(
        EstimatorError,
        match=rf"cannot be loaded: AttributeError: .*; it was logged with scikit-learn 0\.1 \({here} is here\)$",
    ):
        ask(tracker, file, ROWS, ("pickle",))


def test_the_reply_says_what_a_model_costs(tracker: Any, ask: Ask, tmp_path: Path) -> None:
    file = _logged(tracker, toys.logistic(["b"]))
    reply = ask(tracker, file, ROWS, latency=True)
    stored = tracker.download_model(file.uri, tmp_path)
    assert reply.size == sum(path.stat().st_size for path in stored.rglob("*") if path.is_file())
    assert reply.inputs == {"a": "double", "b": "double", "글": "string"}
    assert reply.latency_ms > 0
    assert ask(tracker, file, ROWS).latency_ms is None


def test_probabilities_are_in_the_order_of_the_classes(tracker: Any, ask: Ask) -> None:
    model = toys.logistic(["b"])
    predictions = ask(tracker, _logged(tracker, model), ROWS).predictions
    assert predictions.classes == ("no", "yes")
    assert predictions.probabilities == pytest.approx(model.predict_proba(ROWS))
    coded = predictions.among(("maybe", "no", "yes"), "no")
    assert coded.probabilities[:, 1:] == pytest.approx(predictions.probabilities)
    assert coded.scores == pytest.approx(predictions.probabilities[:, 0])
