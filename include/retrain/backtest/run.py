"""A whole backtest: all policies side by side, in the order of time, on the same models."""

import json
import tempfile
import time
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import Executor, Future, ProcessPoolExecutor
from contextlib import contextmanager
from dataclasses import dataclass, field, replace
from datetime import timedelta
from multiprocessing import get_context
from pathlib import Path

import numpy as np
from threadpoolctl import threadpool_limits

from retrain.backtest.aging import wanted
from retrain.backtest.history import History
from retrain.backtest.memory import Turns
from retrain.backtest.models import Models
from retrain.backtest.replay import Replay
from retrain.backtest.replayed import Aged, Backtest, Blocked, Policy, Replayed
from retrain.backtest.timeline import Taken
from retrain.backtest.worker import Predicted, begin, share, work
from retrain.errors import BacktestError
from retrain.gate.labels import Floats, Integers, encode
from retrain.gate.predictions import Predictions, RawPredictions, classes_of
from retrain.models import training
from retrain.snapshots.split import as_datetime
from retrain.spec.spec import Spec
from retrain.spec.task import Task

_AHEAD = 3
"""Cycles of each policy whose models are fitted before they are needed, a process."""


@dataclass(frozen=True)
class Progress:
    """How far a backtest is."""

    at: np.datetime64
    """The simulated time."""
    cycles: int
    of: int
    fitted: int
    seconds: float
    """Since it began."""

    @property
    def left(self) -> float | None:
        """Seconds that are left, if the rest goes as what was done; None in the beginning."""
        return self.seconds / self.cycles * (self.of - self.cycles) if self.cycles else None


@dataclass(frozen=True)
class Options:
    """How to go through the history."""

    first: int = 5000
    delay: timedelta = timedelta(0)
    following: int = 5000
    jobs: int = 1
    budget: timedelta | None = None
    """After it no further cycle begins, and the backtest is of the history until then."""
    cache: Path | None = None
    memory: int | None = None
    """Bytes that all processes together should stay below; None for no bound."""


@dataclass(eq=False)
class Running:
    """A backtest on its way."""

    policies: Sequence[Policy]
    history: History
    options: Options
    folder: Path
    pool: Executor
    timelines: list[Sequence[Taken | Blocked]] = field(default_factory=list)
    """One for each policy."""

    def look_ahead(self) -> None:
        """Go through the timelines, once for policies that have the same."""
        started = dict[str, Future[list[Taken | Blocked]]]()
        for policy in self.policies:
            started.setdefault(_timed(policy.spec), self.pool.submit(work, "timeline", policy.spec, self.options.first))
        self.timelines = [started[_timed(policy.spec)].result() for policy in self.policies]

    def models(self) -> Models:
        return Models(self.history, self.pool, self.folder, self.options.cache)


@contextmanager
def running(policies: Sequence[Policy], history: History, options: Options) -> Iterator[Running]:
    """Give a backtest whose processes end with the block."""
    with tempfile.TemporaryDirectory(prefix="retrain-backtest-") as name, threadpool_limits(limits=1):
        folder = Path(name)
        share(history, folder)
        # Processes share what is imported before they fork: 120 MB each. Nothing of the user's is imported there.
        context = get_context("forkserver")
        context.set_forkserver_preload(["retrain.backtest.worker"])
        turns = Turns(context, options.memory)
        pool = ProcessPoolExecutor(options.jobs, mp_context=context, initializer=begin, initargs=(folder, turns))
        try:
            found = Running(policies, history, options, folder, pool)
            found.look_ahead()
            yield found
        finally:
            pool.shutdown(wait=True, cancel_futures=True)


def backtest(run: Running, tell: Callable[[Progress], None], remarks: Sequence[str] = ()) -> Backtest:
    """Replay all policies. Raises BacktestError where no policy has a model that scores a row.

    tell: is called after each cycle.
    """
    models, began = run.models(), time.monotonic()
    replays = [
        Replay(policy, run.history, models, timeline, run.options.delay, run.options.following)
        for policy, timeline in zip(run.policies, run.timelines, strict=True)
    ]
    replays[0].keeps_all = True
    total, done, until = sum(map(len, run.timelines)), 0, run.history.ranked[-1]
    said = list(remarks)
    while waiting := [(at, each) for each in replays if (at := each.next_at) is not None]:
        at, following = min(waiting, key=lambda each: each[0])
        spent = run.options.budget is not None and time.monotonic() - began > run.options.budget.total_seconds()
        if spent and all(each.production is not None for each in replays):  # before, there is nothing to compare
            until = at
            said.append(
                f"the budget was spent at {as_datetime(until):%Y-%m-%d} of the history: later rows do not count"
            )
            break
        for _, each in waiting:
            for taken in each.upcoming(_AHEAD * run.options.jobs):
                if not each.prefetch(taken):
                    break
        following.step()
        done += 1
        models.keep({key for each in replays for key in each.live}, at)
        tell(Progress(at, done, total, models.fitted, time.monotonic() - began))
    return _together(run, models, replays, until, said)


def _timed(spec: Spec) -> str:
    """Return what decides a timeline: equal texts, equal timelines."""
    named = ("schedule", "schedule_time_zone", "wake", "threshold", "snapshot", "split", "checks", "source")
    data = spec.model_dump(mode="json")
    data["snapshot"].pop("keep")
    return json.dumps([[data[name] for name in named], spec.gate.round_rows], sort_keys=True)


def _together(
    run: Running, models: Models, replays: Sequence[Replay], until: np.datetime64, remarks: Sequence[str]
) -> Backtest:
    spec, history = run.policies[0].spec, run.history
    served = [each.served(until) for each in replays]
    without = [each.policy.name for each, found in zip(replays, served, strict=True) if not found]
    if without:
        raise BacktestError(
            f"{', '.join(without)}: no version ever went into Production, so there is nothing to compare; look at the "
            "gate's floor, and at the checks"
        )
    counted = [np.sort(np.concatenate([rows for _, rows, _ in found])) for found in served]
    common = counted[0]
    for rows in counted[1:]:
        common = np.intersect1d(common, rows, assume_unique=True)
    if not len(common):
        raise BacktestError("no row came after every policy had its first model; give more history, or a smaller first")
    common = common[np.argsort(history.times[common], kind="stable")]
    truth = training.targets(spec.task, history.labels.iloc[common].reset_index(drop=True))
    raws = [_raw(found, common) for found in served]
    classes = classes_of(truth, (raw for _, pieces in raws for _, raw in pieces), joined=False)
    classes = classes if spec.task is Task.CLASSIFICATION else ()
    made = Backtest(
        spec=spec,
        first=min(each.decisions[0].at for each in replays),
        times=history.times[common],
        labels=encode(truth, classes) if classes else truth.to_numpy(np.float64),
        classes=classes,
        replays=tuple(
            Replayed(
                policy=each.policy,
                decisions=tuple(each.decisions),
                blocked=tuple(each.blocked),
                served=places,
                predictions=_joined(pieces, len(common), classes, spec),
                trainings=each.trainings,
                rows_fitted=each.rows_fitted,
                cpu_seconds=each.cpu_seconds,
            )
            for each, (places, pieces) in zip(replays, raws, strict=True)
        ),
        remarks=tuple(remarks),
    )
    aged = []
    for place, rows in wanted(made.replays[0]):
        raw = models.predictions(replays[0].promoted(place).key, common[rows]).raw(common[rows])
        aged.append(Aged(place, rows, raw.among(classes, spec.gate.positive)))
    return replace(made, aged=tuple(aged))


Pieces = list[tuple[Integers, RawPredictions]]


def _raw(served: list[tuple[int, Integers, Predicted]], rows: Integers) -> tuple[Integers, Pieces]:
    """Return the decision behind the Production of each row, and what each predicted for its positions in `rows`."""
    places, pieces = np.full(len(rows), -1, np.int64), Pieces()
    for place, scored, predicted in served:
        at = np.flatnonzero(np.isin(rows, scored))
        if len(at):
            places[at] = place
            pieces.append((at, predicted.raw(rows[at])))
    return places, pieces


def _joined(pieces: Pieces, count: int, classes: tuple[str, ...], spec: Spec) -> Predictions:
    parts = [(at, raw.among(classes, spec.gate.positive)) for at, raw in pieces]
    first = parts[0][1]

    def whole(name: str) -> Floats | None:
        values = [getattr(part, name) for _, part in parts]
        if any(each is None for each in values):
            return None
        found = np.zeros((count, *values[0].shape[1:]), values[0].dtype)
        for (at, _), each in zip(parts, values, strict=True):
            found[at] = each
        return found

    labels = np.zeros(count, first.labels.dtype)
    for at, part in parts:
        labels[at] = part.labels
    return Predictions(labels, whole("probabilities"), whole("scores"), first.positive)
