"""Metrics by step are passed on beside the fit, and nothing waits for an MLflow server that hangs."""

import json
import tempfile
from collections.abc import Callable
from pathlib import Path

import pytest

from retrain.cycle import fit_process
from retrain.cycle.fitting import STEPS, Order
from retrain.cycle.live import Live
from retrain.errors import EstimatorError
from retrain.records import Subset
from retrain.tracker.client import ExperimentTracker
from stack.local import Running
from tests.core.conftest import Make
from tests.tap import Tap


def line(step: int, **metrics: float) -> str:
    return json.dumps({"step": step, "at": 1_790_000_000.0 + step, "metrics": metrics}) + "\n"


def test_a_limit_holds_while_mlflow_hangs(world: Make, mlflow_server: Running) -> None:
    greedy = {"name": "greedy", "train": "tests.core.models.own:greedy"}
    model = world(candidates=[greedy], limits={"memory": "1g"})
    model.feed(600)
    snapshot = model.take()
    run = model.tracker.start_run(model.tracker.create_experiment(model.model), "greedy")
    with Tap() as tap, tempfile.TemporaryDirectory() as temporary:
        tap.upstream = mlflow_server.ports.mlflow
        folder = Path(temporary)
        tracker = ExperimentTracker(f"http://127.0.0.1:{tap.port}")
        order = Order(model.spec, "greedy", snapshot, (Subset.TRAIN,))
        with (
            tap.hold("POST", "/runs/log-batch", "eaten", after=False) as held,
            Live(tracker, run, folder / STEPS, again=False),
        ):
            with pytest.raises(EstimatorError, match=r"past limits\.memory = 1g"):
                fit_process.fit(order, model.snapshots, folder)
            held.process()  # it has asked, and has had no answer
            held.release()
    assert [point.step for point in model.tracker.metric_history(run, "eaten")] == [0]


def test_what_comes_is_on_the_run_within_seconds_and_the_rest_at_the_end(
    world: Make, tmp_path: Path, eventually: Callable[..., None]
) -> None:
    model = world()
    run = model.tracker.start_run(model.tracker.create_experiment(model.model), "one")

    def steps() -> list[int]:
        return [point.step for point in model.tracker.metric_history(run, "loss")]

    with Live(model.tracker, run, tmp_path / "steps", again=False), (tmp_path / "steps").open("w") as file:
        file.write(line(0, loss=3.0) + line(1, loss=2.0))
        file.flush()
        eventually(lambda: steps() == [0, 1])
        file.write(line(2, loss=1.0))
    assert steps() == [0, 1, 2]
