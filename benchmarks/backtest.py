"""A backtest of ten policies over ten years of film reviews, against each policy replayed by itself.

RETRAIN_TEST_REVIEWS names the folder of the reviews; without it, the rows are the sample's cover letters.

backtest   `retrain backtest`'s own code: models shared by all policies, hashing done once, processes side by side
alone      the core replayed for each policy by itself, in one process: every model is fitted by its whole pipeline and
           asked for all that its verdicts and its time in Production need, and nothing is shared. Measured on the first
           cycles, and scaled to all by the rows that are fitted. The fit on training rows alone, which the cycle does
           even for one candidate, is left out: it decides nothing.

Both must come to the same decisions on these first cycles. Memory is the greatest sum over all processes, of the memory
that each has for itself and its share of what they have together (PSS).
"""

import argparse
import json
import os
import tempfile
import threading
import time
from collections.abc import Iterator
from concurrent.futures import ProcessPoolExecutor
from contextlib import contextmanager
from dataclasses import replace
from datetime import timedelta
from multiprocessing import get_context
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import psutil
import yaml

from retrain.backtest import row_files
from retrain.backtest.compare import compare
from retrain.backtest.history import History
from retrain.backtest.models import Models
from retrain.backtest.policies import policies
from retrain.backtest.replay import Replay
from retrain.backtest.replayed import Blocked, Decision
from retrain.backtest.run import Options, Running, backtest, running
from retrain.backtest.table import to_text
from retrain.backtest.worker import Fit, Fitted, Predicted, needs_probabilities
from retrain.gate.labels import Integers
from retrain.models import training
from retrain.spec import files as spec_files
from retrain.spec.files import SpecFile
from retrain.spec.spec import Spec
from stack.home import PROJECT

FASTER, MEMORY_GB = 4.0, 1.5
VARIED = {
    "superiority": {"gate": {"proof": "superiority"}},
    "not worse by 2 points": {"gate": {"margin": 0.02}},
    "evenly": {"gate": {"spending": "even"}},
    "threshold 2000": {"threshold": {"rows": 2000}},
    "threshold 20000": {"threshold": {"rows": 20000}},
    "two years": {"snapshot": {"window": "730d"}},
}
"""With the spec as it is, `never`, `always` and `greater`: ten."""


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--jobs", type=int, default=os.cpu_count() or 1)
    parser.add_argument("--cycles", type=int, default=12, help="of each policy that are replayed alone")
    parser.add_argument("--short", action="store_true", help="the first 20,000 rows, 3 cycles alone")
    arguments = parser.parse_args()
    cycles = 3 if arguments.short else arguments.cycles
    with tempfile.TemporaryDirectory(prefix="retrain-") as name:
        # In a process of its own, whose memory is not the backtest's.
        with ProcessPoolExecutor(1, get_context("spawn")) as pool:
            rows = pool.submit(_rows, Path(name), short=arguments.short).result()
        file, vary = _specs(Path(name))
        history = History.of(file.spec, row_files.read(rows, file.spec), b"benchmark")
        compared, options = policies(file, vary), Options(jobs=arguments.jobs, memory=int(MEMORY_GB * 1e9))
        with _memory() as most:
            begun = time.monotonic()
            with running(compared, history, options) as run:
                found = backtest(run, lambda _: None)
            seconds = time.monotonic() - begun
        print(f"backtest: {seconds:.0f} s, {most[0] / 1e9:.2f} GB, {len(compared)} policies, {len(history):,} rows")
        print(to_text(compare(found)))
        own = {each.policy.name: each for each in found.replays}
        alone, same = 0.0, True
        with running(compared, history, replace(options, jobs=1)) as run:
            for place, policy in enumerate(compared):
                took, fitted, decided = _alone(run, place, cycles)
                whole = own[policy.name]
                scaled = took * whole.rows_fitted / fitted
                same = same and _equal(decided, whole.decisions)
                alone += scaled
                print(f"alone: {policy.name}: {took:.0f} s for {fitted:,} rows fitted, {scaled:.0f} s for all")
    body = {
        "name": "backtest",
        "rows": len(history),
        "policies": len(compared),
        "seconds": round(seconds, 1),
        "seconds_alone_scaled": round(alone, 1),
        "faster": round(alone / seconds, 2),
        "memory_gb": round(most[0] / 1e9, 2),
        "same_decisions": same,
        "aim": {"faster": FASTER, "memory_gb": MEMORY_GB, "same_decisions": True},
        "met": {"faster": alone / seconds >= FASTER, "memory_gb": most[0] / 1e9 <= MEMORY_GB, "same_decisions": same},
    }
    print(json.dumps(body))


def _rows(folder: Path, *, short: bool) -> Path:
    from simulation import histories

    reviews, rows = os.environ.get("RETRAIN_TEST_REVIEWS"), folder / "rows.parquet"
    table = histories.reviews(Path(reviews)) if reviews else histories.letters(60_000)
    table = table.sort_values("written_on" if reviews else "reviewed_at", kind="stable")
    (table.head(20_000) if short else table).to_parquet(rows, index=False)
    return rows


def _specs(folder: Path) -> tuple[SpecFile, Path]:
    named = "reviews" if os.environ.get("RETRAIN_TEST_REVIEWS") else "cover_letters"
    data: dict[str, Any] = yaml.safe_load((PROJECT / "include" / "specs" / f"{named}.yaml").read_text(encoding="utf-8"))
    data["source"] = {key: value for key, value in data["source"].items() if key != "query"} | {"table": "rows"}
    candidate = next((each for each in data["candidates"] if each["name"] == "hashed_svm"), data["candidates"][-1])
    data |= {"candidates": [candidate], "threshold": {"rows": 5000}, "schedule": "@daily"}
    spec, vary = folder / "spec.yaml", folder / "vary.yaml"
    spec.write_text(yaml.safe_dump(data, allow_unicode=True), encoding="utf-8")
    vary.write_text(yaml.safe_dump(VARIED), encoding="utf-8")
    return spec_files.load(spec), vary


# ── each policy by itself


class Alone(Models):
    """Fits each model by its whole pipeline when it is wanted, and asks it anew each time."""

    def __init__(self, run: Running) -> None:
        super().__init__(run.history, run.pool, run.folder, None)
        self._whole = dict[str, Any]()

    def want(self, spec: Spec, fit: Fit, ask: Integers, at: np.datetime64) -> None:  # noqa: ARG002 - it asks each time anew
        self._wanted[fit.key] = at
        if fit.key in self._whole:
            return
        labels = training.targets(spec.task, self._history.labels.iloc[fit.rows].reset_index(drop=True))
        self._whole[fit.key] = training.fit(training.build(fit.candidate), self._features(fit.rows), labels)
        self._fits[fit.key] = (spec, fit)
        self._known[fit.key] = Fitted(0.0, None, None)

    def predictions(self, key: str, rows: Integers) -> Predicted:
        spec, asked = self._fits[key][0], np.sort(rows)
        raw = training.predict(
            self._whole[key], self._features(asked), spec.task, probabilities=needs_probabilities(spec.gate)
        )
        return Predicted.of(asked, raw)

    def _features(self, rows: Integers) -> pd.DataFrame:
        return self._history.features.iloc[rows].reset_index(drop=True)


def _alone(run: Running, place: int, cycles: int) -> tuple[float, int, list[Decision]]:
    """Return the seconds of a policy's first cycles, the rows that were fitted, and what was decided."""
    timeline = [each for each in run.timelines[place] if not isinstance(each, Blocked)][:cycles]
    models = Alone(run)
    replay = Replay(run.policies[place], run.history, models, timeline, timedelta(0), run.options.following)
    begun = time.monotonic()
    while replay.next_at is not None:
        replay.step()
    last = run.timelines[place][cycles : cycles + 1]
    replay.served(np.datetime64(last[0].at.replace(tzinfo=None), "us") if last else run.history.ranked[-1])
    return time.monotonic() - begun, replay.rows_fitted, replay.decisions


def _equal(alone: list[Decision], shared: tuple[Decision, ...]) -> bool:
    names = ("at", "candidate", "challenger", "production", "promoted", "verdict", "following")
    return all(
        getattr(one, name) == getattr(other, name)
        for one, other in zip(alone, shared[: len(alone)], strict=True)
        for name in names
    )


# ── memory


@contextmanager
def _memory() -> Iterator[list[float]]:
    """Give a list whose one number is the greatest memory of this process and those below it, in bytes."""
    most, ended = [0.0], threading.Event()

    def look() -> None:
        own = psutil.Process()
        while not ended.wait(0.5):
            total = 0
            for each in (own, *own.children(recursive=True)):
                try:
                    total += each.memory_full_info().pss
                except psutil.Error:  # it has just ended
                    continue
            most[0] = max(most[0], float(total))

    watcher = threading.Thread(target=look, daemon=True)
    watcher.start()
    try:
        yield most
    finally:
        ended.set()
        watcher.join()


if __name__ == "__main__":
    main()
