"""The tracker against MLflow's own client, on one experiment of 10,000 finished runs behind PostgreSQL.

Each run has five parameters, five metrics and the tags of its name and user (`stack/samples/mlflow_runs.py`).
Everything that is measured goes through MLflow's server.

In each comparison the two sides take turns at going first. The first round is not counted, and the medians are
compared:

compare_vs_get_run      `compare_runs` of 100 runs against `MlflowClient.get_run` of each, which builds no table
compare_vs_search_runs  the same against `mlflow.search_runs` restricted to those runs; above 1 we are faster
best_vs_page            `get_best_run` against a page of 1,000 runs and the greatest value among them
metrics_vs_one_by_one   10,000 points of a metric in one call against `MlflowClient.log_metric` for each, which is
                        measured on the first 1,000 (`--short`: 200) and multiplied
log_model_vs_default    `log_model` against `mlflow.sklearn.log_model` with its defaults, of the same model
"""

import argparse
import json
import logging
import os
import random
import statistics
import tempfile
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from uuid import uuid4

import mlflow
import mlflow.sklearn
import pandas as pd
from mlflow import MlflowClient
from sklearn.pipeline import Pipeline

from estimators import text
from retrain.tracker.client import ExperimentTracker
from stack import local
from stack.samples import cover_letters, mlflow_runs

COMPARED, PAGE, POINTS = 100, 1_000, 10_000
# The alternative's seconds divided by ours. 0.909: ours takes at most 1.1 times as long.
AIMS = {
    "compare_vs_get_run": 8.0,
    "compare_vs_search_runs": 0.909,
    "best_vs_page": 15.0,
    "metrics_vs_one_by_one": 40.0,
    "log_model_vs_default": 8.0,
}

Act = Callable[[], object]


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--runs", type=int, default=10_000)
    parser.add_argument("--repeats", type=int, default=9)
    parser.add_argument("--short", action="store_true", help="1,000 runs, 5 repeats")
    arguments = parser.parse_args()
    runs, repeats = (1_000, 5) if arguments.short else (arguments.runs, arguments.repeats)
    one_by_one = 200 if arguments.short else 1_000
    logging.getLogger("mlflow").setLevel(logging.ERROR)
    os.environ["MLFLOW_SUPPRESS_PRINTING_URL_TO_STDOUT"] = "true"
    with (
        tempfile.TemporaryDirectory(prefix="retrain-") as folder,
        local.running(Path(folder) / "home", services=("postgres", "retrain-migrate", "mlflow")) as stack,
    ):
        tracker = ExperimentTracker(stack.mlflow_url)
        experiment = tracker.create_experiment("benchmark")
        begun = time.monotonic()
        ids = mlflow_runs.fill(stack.dsn("mlflow"), tracker.get_experiment(experiment), runs)
        print(f"{runs:,} runs written in {time.monotonic() - begun:.1f} s")
        bench = Bench(tracker, MlflowClient(stack.mlflow_url), experiment, ids, repeats)
        mlflow.set_tracking_uri(stack.mlflow_url)
        sides = {
            **bench.compare(),
            "best_vs_page": bench.best(),
            "metrics_vs_one_by_one": bench.metrics(one_by_one),
            "log_model_vs_default": bench.log_model(),
        }
    _report(runs, repeats, one_by_one, sides)


@dataclass(frozen=True)
class Sides:
    """Median seconds of each side."""

    ours: float
    theirs: float

    @property
    def ratio(self) -> float:
        return self.theirs / self.ours


@dataclass(frozen=True)
class Bench:
    tracker: ExperimentTracker
    client: MlflowClient
    experiment: str
    ids: Sequence[str]
    repeats: int

    def compare(self) -> dict[str, Sides]:
        """Compare other runs each time, from all over the experiment."""
        chance = random.Random(1)

        def acts() -> list[Act]:
            ids = chance.sample(self.ids, COMPARED)
            return [
                lambda: self.tracker.compare_runs(ids),
                lambda: [self.client.get_run(run) for run in ids],
                lambda: _searched(self.experiment, ids),
            ]

        ours, one_by_one, searched = acts()
        _refuse_difference(ours(), searched(), one_by_one())
        ours_, one_by_one_, searched_ = _medians(acts, self.repeats)
        return {
            "compare_vs_get_run": Sides(ours_, one_by_one_),
            "compare_vs_search_runs": Sides(ours_, searched_),
        }

    def best(self) -> Sides:
        def page() -> str:
            found = self.client.search_runs([self.experiment], max_results=PAGE)
            return str(max(found, key=lambda run: run.data.metrics["m0"]).info.run_id)

        def ours() -> str:
            found = self.tracker.get_best_run(self.experiment, "m0")
            assert found is not None
            return found.id

        # With more than one page the alternative does not even see all runs.
        assert len(self.ids) > PAGE or ours() == page()
        return Sides(*_medians(lambda: [ours, page], self.repeats))

    def metrics(self, one_by_one: int) -> Sides:
        values = [1 / (step + 1) for step in range(POINTS)]

        def acts() -> list[Act]:
            run, other = (self.tracker.start_run(self.experiment, "points") for _ in range(2))

            def single() -> None:
                for step in range(one_by_one):
                    self.client.log_metric(other, "loss", values[step], step=step)

            return [lambda: self.tracker.log_metrics(run, {"loss": values}), single]

        ours, theirs = _medians(acts, min(self.repeats, 5))
        return Sides(ours, theirs * POINTS / one_by_one)

    def log_model(self) -> Sides:
        model, example = _fitted()

        def acts() -> list[Act]:
            run, other = (self.tracker.start_run(self.experiment, "model") for _ in range(2))
            mlflow.end_run()
            mlflow.start_run(run_id=other)
            return [
                lambda: self.tracker.log_model(run, "model", model, example, key=uuid4().hex),
                lambda: mlflow.sklearn.log_model(model, name="model"),
            ]

        sides = Sides(*_medians(acts, min(self.repeats, 5)))
        mlflow.end_run()
        return sides


def _medians(acts: Callable[[], list[Act]], repeats: int) -> list[float]:
    """Return the median seconds of each act. They take turns at going first; the first round is not counted."""
    rounds = []
    for number in range(repeats + 1):
        these = acts()
        turns = list(range(len(these)))
        first = number % len(these)
        seconds = [0.0] * len(these)
        for turn in turns[first:] + turns[:first]:
            begun = time.perf_counter()
            these[turn]()
            seconds[turn] = time.perf_counter() - begun
        rounds.append(seconds)
    return [statistics.median(column) for column in zip(*rounds[1:], strict=True)]


def _searched(experiment: str, ids: Sequence[str]) -> pd.DataFrame:
    names = ", ".join(f"'{run}'" for run in ids)
    return mlflow.search_runs([experiment], f"attributes.run_id IN ({names})", max_results=len(ids))


def _refuse_difference(ours: object, searched: object, one_by_one: object) -> None:
    """Raise AssertionError unless all three found the same."""
    assert isinstance(ours, pd.DataFrame)
    assert isinstance(searched, pd.DataFrame)
    assert isinstance(one_by_one, list)
    assert list(ours["run_id"]) == [run.info.run_id for run in one_by_one]
    assert list(ours["metric_m0"]) == [run.data.metrics["m0"] for run in one_by_one]
    assert list(searched.set_index("run_id").loc[ours["run_id"], "metrics.m0"]) == list(ours["metric_m0"])


def _fitted() -> tuple[Pipeline, pd.DataFrame]:
    """One of the sample's candidates, and some rows for its signature."""
    letters = cover_letters.generate(2_000, seed=1)
    rows, labels = letters[["letter"]], letters["result"]
    return text.logistic("letter", analyzer="word", longest=2).fit(rows, labels), rows.head(5)


def _report(runs: int, repeats: int, one_by_one: int, sides: dict[str, Sides]) -> None:
    for name, side in sides.items():
        print(f"{name}: ours {side.ours * 1000:,.0f} ms, theirs {side.theirs * 1000:,.0f} ms, {side.ratio:.2f} times")
    print(f"metrics_vs_one_by_one: theirs is {one_by_one:,} points, times {POINTS // one_by_one}")
    print(
        json.dumps(
            {
                "name": "tracker",
                "runs": runs,
                "repeats": repeats,
                **{name: round(side.ratio, 2) for name, side in sides.items()},
                "ours_ms": {name: round(side.ours * 1000, 1) for name, side in sides.items()},
                "theirs_ms": {name: round(side.theirs * 1000, 1) for name, side in sides.items()},
                "one_by_one_measured_points": one_by_one,
                "aim": {name: f">= {aim:g}" for name, aim in AIMS.items()},
                "met": {name: sides[name].ratio >= aim for name, aim in AIMS.items()},
            }
        )
    )


if __name__ == "__main__":
    main()
