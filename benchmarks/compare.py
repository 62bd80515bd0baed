"""`compare_experiments` and `analyze_hyperparameters` against the loop that people usually write, over 10,000 runs.

Each run has 20 parameters and 10 metrics (`stack/samples/mlflow_runs.py`). The loop asks `MlflowClient.get_run` for
each run, makes a table of one dictionary a run, and goes through each parameter's values for statistics and
correlations; it is measured on the first 500 runs (`--short`: 200), and its time is multiplied. Ours also estimates
the importance of parameters, which the loop does not.
"""

import argparse
import json
import logging
import os
import statistics
import tempfile
import time
from collections.abc import Callable, Sequence
from pathlib import Path

import pandas as pd
from mlflow import MlflowClient
from scipy.stats import pearsonr, spearmanr

from retrain.experiments.compare import HyperparameterAnalysis, analyze_hyperparameters, compare_experiments
from retrain.tracker.client import ExperimentTracker
from stack import local
from stack.samples import mlflow_runs

PARAMS, METRICS, METRIC = 20, 10, "m0"
AIM = 20.0


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--runs", type=int, default=10_000)
    parser.add_argument("--short", action="store_true", help="2,000 runs")
    arguments = parser.parse_args()
    runs, looped = (2_000, 200) if arguments.short else (arguments.runs, 500)
    logging.getLogger("mlflow").setLevel(logging.ERROR)
    os.environ["MLFLOW_SUPPRESS_PRINTING_URL_TO_STDOUT"] = "true"
    with (
        tempfile.TemporaryDirectory(prefix="retrain-") as folder,
        local.running(Path(folder) / "home", services=("postgres", "retrain-migrate", "mlflow")) as stack,
    ):
        tracker, client = ExperimentTracker(stack.mlflow_url), MlflowClient(stack.mlflow_url)
        experiment = tracker.get_experiment(tracker.create_experiment("benchmark"))
        ids = mlflow_runs.fill(stack.dsn("mlflow"), experiment, runs, params=PARAMS, metrics=METRICS)
        compared = seconds(lambda: compare_experiments(tracker, [experiment.id]))
        table = compare_experiments(tracker, [experiment.id])
        analysed = seconds(lambda: analyze_hyperparameters(table, METRIC))
        loop = seconds(lambda: by_loop(client, ids[:looped])) * runs / looped
        refuse_difference(analyze_hyperparameters(table.head(looped), METRIC), by_loop(client, ids[:looped]))
    ratio = loop / (compared + analysed)
    print(f"ours: {compared:.2f} s to compare and {analysed:.2f} s to analyse; the loop: {loop:.1f} s")
    taken = {"compare_s": round(compared, 2), "analyze_s": round(analysed, 2), "loop_s": round(loop, 1)}
    print(
        json.dumps(
            {"name": "compare", "runs": runs, "looped": looped, **taken}
            | {"ratio": round(ratio, 1), "aim": f">= {AIM:g}", "met": ratio >= AIM}
        )
    )


def seconds(act: Callable[[], object]) -> float:
    """Return the median of three calls, after one that does not count."""
    act()
    taken = []
    for _ in range(3):
        begun = time.perf_counter()
        act()
        taken.append(time.perf_counter() - begun)
    return statistics.median(taken)


def by_loop(client: MlflowClient, ids: Sequence[str]) -> dict[str, tuple[str, float, float]]:
    """Return, for each parameter, its best value and both correlations with the metric."""
    rows = []
    for run_id in ids:
        data = client.get_run(run_id).data
        rows.append({**{f"param_{k}": v for k, v in data.params.items()}, **data.metrics})
    table, found = pd.DataFrame(rows), {}
    for name in [column for column in table.columns if column.startswith("param_")]:
        means = {value: table[table[name] == value][METRIC].mean() for value in table[name].unique()}
        numbers = [float(value) for value in table[name]]
        correlations = pearsonr(numbers, table[METRIC])[0], spearmanr(numbers, table[METRIC])[0]
        found[name.removeprefix("param_")] = (max(means, key=lambda value: means[value]), *map(float, correlations))
    return found


def refuse_difference(ours: HyperparameterAnalysis, theirs: dict[str, tuple[str, float, float]]) -> None:
    """Raise AssertionError unless both found the same."""
    assert {each.name for each in ours.parameters} == set(theirs)
    for each in ours.parameters:
        best, pearson, spearman = theirs[each.name]
        assert each.best_value == best
        assert abs((each.pearson or 0) - pearson) < 1e-9
        assert abs((each.spearman or 0) - spearman) < 1e-9


if __name__ == "__main__":
    main()
