"""Twelve candidates on two Celery workers against one worker.

They are those of docker-compose.yml, and each runs one task at a time. A candidate trains for some twenty
seconds on one core. What is compared is the time from the start of the first `train` to the end of the last, in two
cycles of the same model. On a machine with two cores the rest of the stack runs on these as well. Without a Docker
engine, and in the short form, nothing is measured, and `met` is null. What many specs cost is in benchmarks/many.py.

ratio   seconds with one worker divided by seconds with two: at least 1.7
"""

import argparse
import json
import statistics
import sys
import tempfile
from contextlib import closing
from pathlib import Path

from stack.airflow_api import AirflowApi
from stack.home import PROJECT

sys.path.insert(0, str(PROJECT))

from tests.in_containers.project import Project, engine_answers

AIM = 1.7
PATIENCE = 3600
FUNCTIONS = """
from sklearn.compose import ColumnTransformer
from sklearn.neural_network import MLPClassifier
from sklearn.pipeline import Pipeline
from sklearn.preprocessing import StandardScaler

def network(columns, seed, rounds):
    scale = ColumnTransformer([("scale", StandardScaler(), columns)])
    # Exactly `rounds` rounds, whether or not they still help.
    net = MLPClassifier((64,), max_iter=rounds, n_iter_no_change=rounds, random_state=seed)
    return Pipeline([("scale", scale), ("net", net)])
"""


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--candidates", type=int, default=12)
    parser.add_argument("--short", action="store_true", help="no containers, and so nothing")
    arguments = parser.parse_args()
    ratio = None if arguments.short else of_workers(arguments.candidates)
    met = None if ratio is None else ratio >= AIM
    print(json.dumps({"name": "scale", "ratio": ratio, "aim": AIM, "met": met}))


def of_workers(candidates: int) -> float | None:
    """Return the seconds with one worker divided by those with two; None without a Docker engine."""
    if not engine_answers():
        print("No Docker engine answers: workers are not compared.")
        return None
    with tempfile.TemporaryDirectory(prefix="retrain-") as folder:
        # One task at a time each: what is measured is whether a second worker helps.
        project = Project(Path(folder), "retrain-scale", FUNCTIONS, RETRAIN_TASKS_PER_WORKER="1")
        project.compose("build", "--quiet")
        try:
            seconds = {workers: train(project, workers, candidates) for workers in (1, 2)}
        finally:
            project.compose("down", "--volumes", "--timeout", "20")
    return round(seconds[1] / seconds[2], 2)


def train(project: Project, workers: int, candidates: int) -> float:
    project.up(f"worker={workers}")
    model, dag = f"scale_{workers}", f"retrain_scale_{workers}"
    project.add_spec(
        model,
        [
            {
                "name": f"net-{seed}",
                "estimator": "functions:network",
                "params": {"columns": ["a", "b"], "seed": seed, "rounds": 300},
            }
            for seed in range(candidates)
        ],
        rows=20_000,
        workers={"at_once": candidates},
        trust=["sklearn.neural_network._stochastic_optimizers.AdamOptimizer"],
    )
    with closing(AirflowApi(project)) as api:
        api.wait_for_dag(dag)
        run = api.trigger(dag, ignore_threshold=True)
        # Seldom: each look takes a part of the two cores that are measured.
        for task in api.follow(dag, run, PATIENCE, every=10):
            if task.state == "failed":
                raise SystemExit(f"{task.id} failed: {api.log(dag, run, task.id, task.tries, task.map_index)}")
        spans = [
            (each.start, each.end) for each in api.tasks(dag, run) if each.id == "train" and each.start and each.end
        ]
    whole = (max(end for _, end in spans) - min(start for start, _ in spans)).total_seconds()
    each = statistics.median((end - start).total_seconds() for start, end in spans)
    print(f"{workers} workers: {candidates} candidates in {whole:.0f} s, each in {each:.0f} s (median)")
    return whole


if __name__ == "__main__":
    main()
