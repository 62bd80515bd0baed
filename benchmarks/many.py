"""An Airflow with 1, 50 and 200 specs in which nothing happens: what each spec more costs a user who has none to spare.

The local stack reads one spec, then fifty, then two hundred, and runs for two minutes with each. Every spec is woken by
its rows as well as by a schedule, and no cycle is due. CPU times are those of the processes and of all that they have
forked, so that others on the same machine change them little; the loop of the scheduler is a clock's.

parse_seconds      CPU of the DAG processor for one pass: the parse of all DAGs, their serialization, and what it writes
                   (at most 4 with 200 specs)
loop_milliseconds  one loop of the scheduler, and `critical_milliseconds` its critical section (medians, from Airflow)
triggerer_percent  CPU of the triggerer, of one core
runs_a_day         runs of DAGs that are not a spec's own: the ticks of a day, and what else has run here, extrapolated
                   (at most 200)
megabytes          scheduler, DAG processor and triggerer with their children (proportional set size)
growth             from 50 specs to 200, of parse, loop, triggerer and memory (at most 4.2)
"""

import argparse
import json
import socket
import statistics
import tempfile
import threading
import time
from collections import defaultdict
from collections.abc import Iterator
from contextlib import closing, contextmanager
from datetime import UTC, datetime, timedelta
from itertools import pairwise
from pathlib import Path
from typing import Any

import psutil
import yaml
from croniter import croniter, croniter_range

from stack import local
from stack.airflow_api import AirflowApi
from stack.local import Running
from stack.samples import tables

NUMBERS, SHORT = (1, 50, 200), (1, 8)
AIMS = {"parse_seconds": 4.0, "runs_a_day": 200, "growth": 4.2}
GROWING = ("parse_seconds", "loop_milliseconds", "triggerer_percent", "megabytes")
OURS = ("scheduler", "dag-processor", "triggerer")


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--short", action="store_true", help="1 and 8 specs, for 20 s each")
    arguments = parser.parse_args()
    found = measured(SHORT, 20) if arguments.short else measured(NUMBERS, 120)
    (_, fewer), (_, most) = sorted(found.items())[-2:]
    growth = {name: round(most[name] / fewer[name], 2) for name in GROWING if fewer[name]}
    met = (
        most["parse_seconds"] <= AIMS["parse_seconds"]
        and most["runs_a_day"] <= AIMS["runs_a_day"]
        and max(growth.values()) <= AIMS["growth"]
    )
    result = {"name": "many", "specs": found, "growth": growth, "aim": AIMS, "met": None if arguments.short else met}
    print(json.dumps(result))


def measured(numbers: tuple[int, ...], seconds: int) -> dict[int, dict[str, float]]:
    """Return the figures for each number of specs. One stack reads the fewest first, then more of them."""
    found = {}
    with tempfile.TemporaryDirectory(prefix="retrain-") as folder, closing(Statsd()) as statsd:
        specs = Path(folder) / "specs"
        specs.mkdir()
        with running(Path(folder), statsd.port) as stack, closing(AirflowApi(stack)) as api:
            for there, number in pairwise((0, *numbers)):
                write_specs(specs, range(there, number))
                for each in range(there, number):
                    api.wait_for_dag(f"retrain_table_{each}", 600)
                time.sleep(min(60, seconds))  # until one-time work is done
                found[number] = figures(statsd, stack, api, seconds)
                print(f"{number} specs: {found[number]}", flush=True)
    return found


def figures(statsd: "Statsd", stack: Running, api: AirflowApi, seconds: int) -> dict[str, float]:
    parses = "airflow.dag_processing.last_duration.dags-folder.retrain_dags"
    # From the end of one pass to the end of another, so that no part of a pass counts.
    statsd.next(parses)
    statsd.values.clear()
    began, before = datetime.now(UTC), {name: cpu(stack, name) for name in OURS}
    time.sleep(seconds)
    statsd.next(parses)
    took = (datetime.now(UTC) - began).total_seconds()
    spent = {name: cpu(stack, name) - before[name] for name in OURS}
    return {
        "parse_seconds": round(spent["dag-processor"] / len(statsd.values[parses]), 2),
        "loop_milliseconds": round(statsd.median("airflow.scheduler.scheduler_loop_duration"), 1),
        "critical_milliseconds": round(statsd.median("airflow.scheduler.critical_section_duration"), 1),
        "scheduler_percent": round(100 * spent["scheduler"] / took, 1),
        "triggerer_percent": round(100 * spent["triggerer"] / took, 2),
        "runs_a_day": runs_a_day(api, began, took),
        "megabytes": round(megabytes(stack)),
        "passes": len(statsd.values[parses]),
    }


def runs_a_day(api: AirflowApi, since: datetime, seconds: float) -> int:
    """Return how many runs a day brings beyond those of the specs' own DAGs."""
    dags = [dag for dag in api.dags() if not dag["dag_id"].startswith("retrain_")]
    ticks = sum(ticks_a_day(dag["timetable_description"], dag["timetable_summary"]) for dag in dags)
    # Whatever was not planned: what an event or a failure has started.
    others = [run for run in api.runs_since(since) if run["run_type"] != "scheduled"]
    return ticks + round(len(others) * 86_400 / seconds)


def ticks_a_day(*summaries: str | None) -> int:
    """Return how often a day a timetable ticks, from the cron expression in what Airflow says of it."""
    for summary in summaries:
        words = (summary or "").replace(",", " , ").split()
        for first in range(len(words) - 4):
            cron = " ".join(words[first : first + 5])
            if croniter.is_valid(cron):
                day = datetime(2026, 1, 1, tzinfo=UTC)
                return sum(1 for _ in croniter_range(day, day + timedelta(days=1, seconds=-1), cron))
    return 0


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

    def next(self, name: str, patience: float = 300) -> None:
        """Wait for one more value of a metric."""
        had, end = len(self.values[name]), time.monotonic() + patience
        while len(self.values[name]) == had:
            if time.monotonic() > end:
                raise SystemExit(f"Airflow did not send {name}; it sent {sorted(self.values)}")
            time.sleep(0.05)

    def median(self, name: str) -> float:
        if not self.values[name]:
            raise SystemExit(f"Airflow did not send {name}; it sent {sorted(self.values)}")
        return statistics.median(self.values[name])

    def _listen(self) -> None:
        while True:
            try:
                message = self._socket.recv(65_536).decode()
            except OSError:
                return
            for line in message.splitlines():
                name, _, rest = line.partition(":")
                self.values[name].append(float(rest.partition("|")[0]))


def write_specs(folder: Path, numbers: range) -> None:
    for each in numbers:
        spec: dict[str, Any] = {
            "model": f"Table{each}",
            "source": {"table": "breast_cancer", "key": "sample_id", "label": "diagnosis", "features": ["mean_radius"]},
            "candidates": [{"name": "logistic", "estimator": "estimators.table:logistic"}],
            "schedule": "0 0 1 1 *",
            "wake": "on_arrival",
        }
        (folder / f"table_{each}.yaml").write_text(yaml.safe_dump(spec))


@contextmanager
def running(folder: Path, port: int) -> Iterator[Running]:
    metrics = {"STATSD_ON": "True", "STATSD_HOST": "127.0.0.1", "STATSD_PORT": str(port)}
    env = {f"AIRFLOW__METRICS__{name}": value for name, value in metrics.items()}
    env |= {"RETRAIN_SPECS": str(folder / "specs"), "AIRFLOW__SCHEDULER__SCHEDULER_IDLE_SLEEP_TIME": "1"}
    with local.running(folder / "home", env=env, fill=tables.load) as stack:
        yield stack


def processes(stack: Running, name: str) -> list[psutil.Process]:
    for state, _ in local.status(stack.home):
        if state.name == name:
            process = psutil.Process(state.pid)
            return [process, *process.children(recursive=True)]
    raise SystemExit(f"{name} does not run")


def cpu(stack: Running, name: str) -> float:
    """Return the CPU seconds of a service so far, with those of its children that live and that have ended."""
    return sum(sum(each.cpu_times()[:4]) for each in processes(stack, name))


def megabytes(stack: Running) -> float:
    return sum(each.memory_full_info().pss for name in OURS for each in processes(stack, name)) / 1e6


if __name__ == "__main__":
    main()
