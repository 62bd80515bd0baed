"""Twelve candidates on two Celery workers against one worker; and an Airflow with fifty specs against one spec.

Workers: they are those of docker-compose.yml, and each runs one task at a time. A candidate trains for some twenty
seconds on one core. What is compared is the time from the start of the first `train` to the end of the last, in two
cycles of the same model. On a machine with two cores the rest of the stack runs on these as well. Without a Docker
engine this part is left out, and `met` is null.

Specs: the local stack runs for two minutes after it has read one spec, and again after it has read fifty, while no
cycle is due. Airflow's own StatsD metrics say how long one read of dags/retrain_dags.py and one critical section of the
scheduler take (median); beside them, the memory of scheduler, DAG processor and triggerer with their children.

ratio   seconds with one worker divided by seconds with two: at least 1.7
specs   for each number of specs: parse_seconds (median of `parses`), critical_milliseconds, megabytes
"""

import argparse
import json
import socket
import statistics
import sys
import tempfile
import threading
import time
from collections import defaultdict
from collections.abc import Iterator
from contextlib import closing, contextmanager
from itertools import pairwise
from pathlib import Path
from typing import Any

import psutil
import yaml

from stack import local
from stack.airflow_api import AirflowApi
from stack.home import PROJECT
from stack.local import Running
from stack.samples import tables

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
    parser.add_argument("--short", action="store_true", help="ten specs for 35 s, and no containers")
    arguments = parser.parse_args()
    ratio = None if arguments.short else of_workers(arguments.candidates)
    specs = of_specs((10,), 35) if arguments.short else of_specs((1, 50), 120)
    met = None if ratio is None else ratio >= AIM
    print(json.dumps({"name": "scale", "ratio": ratio, "aim": AIM, "met": met, "specs": specs}))


# ── workers


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


# ── specs


class Statsd:
    """Receives Airflow's metrics, and stores their values by name."""

    def __init__(self) -> None:
        self.values: dict[str, list[float]] = defaultdict(list)
        self._socket = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
        self._socket.bind(("127.0.0.1", 0))
        self.port: int = self._socket.getsockname()[1]
        threading.Thread(target=self._listen, daemon=True).start()

    def close(self) -> None:
        self._socket.close()

    def _listen(self) -> None:
        while True:
            try:
                message = self._socket.recv(65_536).decode()
            except OSError:
                return
            for line in message.splitlines():
                name, _, rest = line.partition(":")
                self.values[name].append(float(rest.partition("|")[0]))


def of_specs(numbers: tuple[int, ...], seconds: int) -> dict[int, dict[str, float]]:
    """Return the measurements for each number of specs. One stack reads the fewest first, then more of them."""
    found = {}
    with tempfile.TemporaryDirectory(prefix="retrain-") as folder, closing(Statsd()) as statsd:
        specs = Path(folder) / "specs"
        specs.mkdir()
        with running(Path(folder), statsd.port) as stack, closing(AirflowApi(stack)) as api:
            for there, number in pairwise((0, *numbers)):
                write_specs(specs, range(there, number))
                for each in range(there, number):
                    api.wait_for_dag(f"retrain_table_{each}", 120)
                time.sleep(15)  # until one-time work is done
                statsd.values.clear()
                time.sleep(seconds)
                found[number] = _measurements(statsd, stack)
                print(f"{number} specs: {found[number]}")
    return found


def _measurements(statsd: Statsd, stack: Running) -> dict[str, float]:
    # Airflow sends this one in seconds, though StatsD's timings are milliseconds.
    parses = statsd.values["airflow.dag_processing.last_duration.dags-folder.retrain_dags"]
    sections = statsd.values["airflow.scheduler.critical_section_duration"]
    if not parses or not sections:
        raise SystemExit(f"Airflow did not send the metrics; it sent {sorted(statsd.values)}")
    return {
        "parse_seconds": round(statistics.median(parses), 2),
        "critical_milliseconds": round(statistics.median(sections), 1),
        "megabytes": round(megabytes(stack)),
        "parses": len(parses),
    }


def write_specs(folder: Path, numbers: range) -> None:
    for each in numbers:
        spec: dict[str, Any] = {
            "model": f"Table{each}",
            "source": {"table": "breast_cancer", "key": "sample_id", "label": "diagnosis", "features": ["mean_radius"]},
            "candidates": [{"name": "logistic", "estimator": "estimators.table:logistic"}],
            "schedule": "@yearly",
        }
        (folder / f"table_{each}.yaml").write_text(yaml.safe_dump(spec))


@contextmanager
def running(folder: Path, port: int) -> Iterator[Running]:
    metrics = {"STATSD_ON": "True", "STATSD_HOST": "127.0.0.1", "STATSD_PORT": str(port)}
    env = {f"AIRFLOW__METRICS__{name}": value for name, value in metrics.items()}
    env |= {"RETRAIN_SPECS": str(folder / "specs"), "AIRFLOW__SCHEDULER__SCHEDULER_IDLE_SLEEP_TIME": "1"}
    with local.running(folder / "home", env=env, fill=tables.load) as stack:
        yield stack


def megabytes(stack: Running) -> float:
    """Return the proportional set size of the three processes and their children, in MB."""
    found = 0
    for state, _ in local.status(stack.home):
        if state.name in ("scheduler", "dag-processor", "triggerer"):
            process = psutil.Process(state.pid)
            for each in (process, *process.children(recursive=True)):
                found += each.memory_full_info().pss
    return found / 1e6


if __name__ == "__main__":
    main()
