"""A search of 24 trials, made by one and by two workers, against Optuna's own loop in one process.

one, two   a worker is a process that makes turns of `retrain.cycle.trial`, one after the other, as Airflow's tasks do,
           against a real PostgreSQL and a real MLflow server on the same machine. Each fit takes 5 s of one processor.
           busy: the CPU time of the whole machine as a share of what its processors had in that time; with two workers
           on two processors at least 0.9. fits: the share of that CPU time that the fits themselves are.
plain      `study.optimize` in one process, in memory, without runs in MLflow: the same fits. overhead: what a trial
           takes more, seconds, with one worker; at most 1.5
killed     one of two workers is killed in its second trial, and its turn is made again by another: each trial is there
           once
reviews    with RETRAIN_TEST_REVIEWS: the best of 40 trials on 20,000 reviews, fitted again, against the shipped
           parameters: macro F1 on the 10,000 reviews that followed
"""

import argparse
import json
import multiprocessing
import os
import signal
import tempfile
import time
from contextlib import closing, suppress
from dataclasses import dataclass
from pathlib import Path
from queue import Empty
from typing import Any

import optuna
import pandas as pd
import psutil
import psycopg2
from psycopg2.extras import execute_values
from simulation import histories
from simulation.spinning import spinning
from sklearn.metrics import f1_score

from retrain.cycle.choose import choose
from retrain.cycle.context import Cycle
from retrain.cycle.search import search
from retrain.cycle.snapshot import take_snapshot
from retrain.cycle.train import train
from retrain.cycle.trial import trial
from retrain.ledger.ledger import Ledger
from retrain.models import limited
from retrain.records import Snapshot, Subset
from retrain.snapshots.store import SnapshotStore
from retrain.source.table import Source
from retrain.spec.parse import parse
from retrain.tracker.client import ExperimentTracker
from retrain.tracker.filters import Condition
from stack import local

AIM_BUSY, AIM_OVERHEAD = 0.9, 1.5
SPACE = {"c": {"float": [0.001, 100.0], "log": True}}
TEXT_SPACE = {
    "c": {"float": [0.02, 2.0], "log": True},
    "longest": {"int": [2, 4]},
    "at_least": {"int": [1, 5]},
}
SHIPPED = {"longest": 4, "c": 0.2}


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--short", action="store_true", help="6 trials of 2 s, and no reviews")
    short = parser.parse_args().short
    trials, spin = (6, 2.0) if short else (24, 5.0)
    services = ("postgres", "retrain-migrate", "mlflow")
    with (
        tempfile.TemporaryDirectory(prefix="retrain-") as folder,
        local.running(Path(folder) / "home", services=services) as stack,
    ):
        where = Where(stack.dsn("retrain"), (Path(folder) / "snapshots").as_uri(), stack.mlflow_url)
        rows = histories.numbers(rows=4_000)
        candidate = {
            "name": "spinning",
            "estimator": "simulation.spinning:spinning",
            "params": {"spin": spin},
            "search": {"space": SPACE, "trials": trials, "sampler": "random", "seed": 1},
        }
        model = _Model(
            where, "numbers", candidate, rows, ["a", "b", "c", "d", "e", "f"], trust=["simulation.spinning.Spinning"]
        )
        one = _made(model, "one", 1)
        plain = _plain(model, trials, spin)
        overhead = (one["seconds"] - plain) / trials
        print(f"plain: {plain:.1f} s; {overhead:.2f} s more for a trial", flush=True)
        two = _made(model, "two", 2)
        killed = _made(model, "killed", 2, kills=True)
        reviews = None if short else _reviews(where)
    met = {
        "busy": two["busy"] >= AIM_BUSY,
        "overhead": overhead <= AIM_OVERHEAD,
        "killed": killed["finished"] == trials and killed["parameters"] == trials,
    }
    print(
        json.dumps(
            {
                "name": "tuning",
                "trials": trials,
                "one": one,
                "two": two,
                "plain_seconds": round(plain, 1),
                "overhead_seconds": round(overhead, 2),
                "killed": killed,
                "reviews": reviews,
                "aim": f"busy with two workers >= {AIM_BUSY}; overhead_seconds <= {AIM_OVERHEAD}; each trial once",
                "met": met,
            }
        )
    )


# ── the model


@dataclass(frozen=True)
class Where:
    """The stores; a worker opens its own."""

    dsn: str
    snapshots: str
    mlflow: str


class _Model:
    """A model whose one candidate has a search, with a snapshot of all of its rows."""

    def __init__(
        self,
        where: Where,
        name: str,
        candidate: dict[str, Any],
        rows: pd.DataFrame,
        features: list[str],
        *,
        trust: list[str] | None = None,
    ) -> None:
        kind = "text" if rows[features[0]].dtype.kind not in "fi" else "float8"
        with closing(psycopg2.connect(where.dsn)) as connection, connection, connection.cursor() as cursor:
            columns = ", ".join(f"{each} {kind}" for each in features)
            cursor.execute(f"CREATE TABLE {name} (id bigint PRIMARY KEY, label text, {columns})")
            values = rows[["id", "label", *features]].astype(object).itertuples(index=False, name=None)
            execute_values(cursor, f"INSERT INTO {name} VALUES %s", values, page_size=10_000)  # noqa: S608 - names of this file
        self.where, self.name = where, str(candidate["name"])
        source = {"table": name, "key": "id", "label": "label", "features": features}
        self.data = {"model": name, "source": source, "candidates": [candidate], "trust": trust or []}
        cycle = self.cycle("snapshot")
        self.snapshot: Snapshot = take_snapshot(
            cycle.spec,
            source=Source(lambda: psycopg2.connect(where.dsn), cycle.spec.source),
            snapshots=cycle.snapshots,
            ledger=cycle.ledger,
        )

    def cycle(self, run: str) -> Cycle:
        return _cycle(self.where, self.data, run)


def _cycle(where: Where, data: dict[str, Any], run: str) -> Cycle:
    ledger = Ledger(lambda: psycopg2.connect(where.dsn))
    return Cycle(
        parse(data, "tuning.yaml"),
        "tuning",
        run,
        SnapshotStore(where.snapshots),
        ledger,
        ExperimentTracker(where.mlflow),
    )


# ── workers


def _made(model: _Model, run: str, workers: int, *, kills: bool = False) -> dict[str, Any]:
    """Make a whole search with so many workers; return what it took, and which trials there are."""
    context = multiprocessing.get_context("spawn")
    cycle = model.cycle(run)
    turns, ready, begin = context.Queue(), context.Semaphore(0), context.Event()
    for turn in search(cycle, model.snapshot, [model.name])[model.name]:
        turns.put(turn)
    job = Job(model.where, model.data, run, model.snapshot, model.name)
    processes = [context.Process(target=_work, args=(job, turns, ready, begin)) for _ in range(workers)]
    try:
        for process in processes:
            process.start()
        for _ in processes:
            ready.acquire()
        before, begun = psutil.cpu_times(), time.monotonic()
        begin.set()
        if kills:
            processes.append(_kill(processes[0], context, job))
        for process in processes:
            process.join()
        seconds, after = time.monotonic() - begun, psutil.cpu_times()
    finally:
        for process in processes:
            if process.is_alive():
                process.kill()
    choose(cycle, model.snapshot, [model.name])
    runs = _trials(cycle)
    finished = [each for each in runs if each.status == "FINISHED"]
    used = sum(getattr(after, name) - getattr(before, name) for name in ("user", "system", "nice"))
    fits = sum(each.metrics["fit_seconds"] for each in finished)
    found = {
        "seconds": round(seconds, 1),
        "busy": round(used / (seconds * (psutil.cpu_count() or 1)), 3),
        "fits": round(min(1.0, fits / used), 3),
        "finished": len(finished),
        "parameters": len({each.params["c"] for each in finished}),
        "runs": len(runs),
    }
    print(f"{run}: {found}", flush=True)
    return found


@dataclass(frozen=True)
class Job:
    """A search that workers make."""

    where: Where
    data: dict[str, Any]
    run: str
    snapshot: Snapshot
    name: str

    def cycle(self) -> Cycle:
        return _cycle(self.where, self.data, self.run)


def _work(job: Job, turns: Any, ready: Any, begin: Any) -> None:
    """Make turns until there is none left."""
    os.setpgid(0, 0)
    cycle = job.cycle()
    limited.get_ready(None)
    time.sleep(5)  # what it starts imports for some seconds
    ready.release()
    begin.wait()
    with suppress(Empty):
        while True:
            trial(cycle, job.snapshot, job.name, turns.get(timeout=0.2))


def _kill(process: Any, context: Any, job: Job) -> Any:
    """Kill a worker with all that it has started, in its second trial; return the one that makes its turn again."""
    cycle = job.cycle()
    while sum(each.status == "FINISHED" for each in _trials(cycle)) < 2:
        time.sleep(0.5)
    time.sleep(1.5)
    os.killpg(process.pid, signal.SIGKILL)
    process.join()
    again = context.Process(target=_again, args=(job,))
    again.start()
    return again


def _again(job: Job) -> None:
    """Make all turns again that have begun, as Airflow tries a task again: those that are done change nothing."""
    cycle = job.cycle()
    for turn in range(4):
        trial(cycle, job.snapshot, job.name, turn)


def _trials(cycle: Cycle) -> list[Any]:
    experiment = cycle.tracker.find_experiment(cycle.spec.model)
    if experiment is None:
        return []
    of = [Condition("tag", "retrain.trial", "!=", ""), Condition("tag", "retrain.dag_run", "=", cycle.run_id)]
    return cycle.tracker.search_runs([experiment], of)


def _plain(model: _Model, trials: int, spin: float) -> float:
    """Return the seconds of Optuna's own loop on the same rows."""
    optuna.logging.set_verbosity(optuna.logging.WARNING)
    store = model.cycle("plain").snapshots
    train_rows, validation = store.read_each(model.snapshot, [[Subset.TRAIN], [Subset.VALIDATION]])

    def objective(each: optuna.Trial) -> float:
        fitted = spinning(each.suggest_float("c", 0.001, 100.0, log=True), spin).fit(
            train_rows.features, train_rows.labels
        )
        return float(f1_score(validation.labels, fitted.predict(validation.features), average="macro"))

    study = optuna.create_study(direction="maximize", sampler=optuna.samplers.RandomSampler(seed=1))
    begun = time.monotonic()
    study.optimize(objective, n_trials=trials)
    return time.monotonic() - begun


# ── reviews


def _reviews(where: Where) -> dict[str, Any] | None:
    folder = os.environ.get("RETRAIN_TEST_REVIEWS")
    if not folder:
        print("reviews: skipped, RETRAIN_TEST_REVIEWS names no folder", flush=True)
        return None
    rows = histories.reviews(Path(folder)).rename(columns={"review_id": "id", "sentiment": "label"})
    rows = rows.drop_duplicates("text").reset_index(drop=True)
    known, later = rows.head(20_000), rows.iloc[20_000:30_000]
    candidate = {
        "name": "characters",
        "estimator": "estimators.text:hashed_svm",
        "params": {"column": "text"},
        "search": {"space": TEXT_SPACE, "trials": 40, "parallel": 2},
    }
    model = _Model(where, "reviews", candidate, known[["id", "label", "text"]], ["text"])
    made = _made(model, "reviews", 2)
    cycle = model.cycle("reviews")
    choose(cycle, model.snapshot, [model.name])
    shipped = {**candidate, "params": {"column": "text", **SHIPPED}}
    del shipped["search"]
    scores = {}
    for which, own in (
        ("best_of_40", cycle),
        ("shipped", _cycle(where, {**model.data, "candidates": [shipped]}, "shipped")),
    ):
        trained = train(own, model.snapshot, model.name)
        digest = own.ledger.model_file(trained.id).digest
        fitted = own.tracker.load_model(trained.id, digest, own.spec.trust)
        scores[which] = {
            "validation": round(trained.validation_score, 4),
            "later": round(float(f1_score(later["label"], fitted.predict(later[["text"]]), average="macro")), 4),
        }
    print(f"reviews: {scores}", flush=True)
    return {"seconds": made["seconds"], **scores}


if __name__ == "__main__":
    main()
