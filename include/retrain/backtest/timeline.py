"""When a policy's cycles would have come, and the rows of each: what does not depend on any model.

Threshold, split and checks are those of the cycle. A verdict consumes its snapshot whatever it says, so the snapshots
of a policy are known before any model is fitted.
"""

from collections.abc import Iterator
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from hashlib import blake2b
from zoneinfo import ZoneInfo

import numpy as np
import pyarrow as pa
from croniter import croniter
from numpy.typing import NDArray

from retrain.backtest.history import History
from retrain.backtest.replayed import Blocked
from retrain.cycle.threshold import Sensed
from retrain.errors import BacktestError
from retrain.gate.labels import Integers
from retrain.quality import checks
from retrain.records import Subset
from retrain.snapshots.split import SUBSETS, UNASSIGNED, Rounds, Span, as_datetime, as_time, no_rounds, subsets_of
from retrain.spec.operation import Wake
from retrain.spec.spec import Spec

_PRESETS = {"@quarterly": "0 0 1 */3 *"}
"""What Airflow knows and croniter does not."""
_INSTANT = timedelta(microseconds=1)


@dataclass(frozen=True, eq=False)
class Taken:
    """The snapshot of one cycle."""

    at: datetime
    begin: int
    end: int
    """It holds the rows from `begin` up to, but without, `end` in the order of time."""
    code: NDArray[np.int8]
    holdout_round: NDArray[np.int16]
    """Subset and round of each row, in the order of the keys: as in `Subsets`, in a tenth of its memory, because a
    timeline has hundreds of snapshots. Shape (end - begin,)."""
    current: int
    span: Span | None
    id: str
    """Digest of the rows and their subsets."""
    new_rows: int
    since: np.datetime64 | None
    """Its rows were labelled after this; None where it holds all."""

    def rows(self, history: History) -> Integers:
        """Return the places of its rows, ascending."""
        return np.sort(history.by_time[self.begin : self.end])

    def part(self, history: History, *wanted: Subset) -> Integers:
        """Return the places of the rows in these subsets, ascending."""
        return self.rows(history)[np.isin(self.code, [SUBSETS.index(each) for each in wanted])]

    def rounds(self, history: History) -> Rounds:
        """Return the rounds that the next snapshot inherits."""
        held = self.holdout_round > UNASSIGNED
        clusters = history.clusters[self.rows(history)[held]]
        return Rounds(clusters, self.holdout_round[held].astype(np.int64), self.current, self.span)


def timeline(spec: Spec, history: History, first: int) -> Iterator[Taken | Blocked]:
    """Yield the snapshot of each cycle in the order of time, and where a check blocked one.

    first: rows of the first snapshot; its cycle comes whatever the threshold is. Raises BacktestError where there are
    fewer.
    """
    if first > len(history):
        raise BacktestError(
            f"--first = {first:,}: the history has {len(history):,} labelled rows; write fewer, or wait for more"
        )
    last: Taken | None = None
    at: datetime | None = _next_tick(spec, as_datetime(history.ranked[first - 1]))
    while at is not None and as_time(at) <= history.ranked[-1]:
        taken = _snapshot(spec, history, at, last)
        blocking = _blocking(spec, history, taken, last)
        if blocking:
            yield Blocked(at=at, checks=blocking)
        else:
            last = taken
            yield taken
        at = _next_cycle(spec, history, at, last)


def sensed(spec: Spec, history: History, at: datetime, last: Taken | None) -> Sensed:
    """Return what the verb `sense` would see at that time."""
    begin = 0 if last is None else history.until(as_time(last.at))
    if spec.snapshot.window is not None:
        begin = max(begin, history.until(as_time(at - spec.snapshot.window)))
    new_rows = max(0, history.until(as_time(at)) - begin)
    return Sensed(new_rows, spec.threshold, None if last is None else at - last.at)


def _next_cycle(spec: Spec, history: History, after: datetime, last: Taken | None) -> datetime | None:
    """Return the next tick at which there are enough rows; None where the history ends before."""
    at: datetime | None = after
    while True:
        # No tick before the row that fills the threshold can be one; only `max_wait` may end the wait earlier.
        begin = 0 if last is None else history.until(as_time(last.at))
        due = [history.ranked[begin + spec.threshold.rows - 1]] if begin + spec.threshold.rows <= len(history) else []
        if last is not None and spec.threshold.max_wait is not None:
            due.append(as_time(last.at + spec.threshold.max_wait))
        if not due or at is None:
            return None
        at = _next_tick(spec, max(_later(spec, history, at), as_datetime(min(due))))
        if as_time(at) > history.ranked[-1]:
            return None
        if sensed(spec, history, at, last).enough:
            return at


def _later(spec: Spec, history: History, at: datetime) -> datetime:
    """Return the earliest time after this one at which there may be more rows, or a longer wait."""
    if not _wakes_at_once(spec):
        return at + _INSTANT
    known = history.until(as_time(at))
    return as_datetime(history.ranked[known]) if known < len(history) else at + timedelta(days=1)


def _wakes_at_once(spec: Spec) -> bool:
    return spec.schedule is None and spec.wake is Wake.ON_ARRIVAL


def _next_tick(spec: Spec, earliest: datetime) -> datetime:
    """Return when the spec's schedule looks next; without one, each day, or at once where arrival wakes it."""
    if _wakes_at_once(spec):
        return earliest
    schedule = spec.schedule or "@daily"
    zone = ZoneInfo(spec.schedule_time_zone or "UTC")
    ticks = croniter(_PRESETS.get(schedule, schedule), (earliest - _INSTANT).astimezone(zone))
    found: datetime = ticks.get_next(datetime)
    return found.astimezone(UTC)


def _snapshot(spec: Spec, history: History, at: datetime, last: Taken | None) -> Taken:
    known = history.until(as_time(at))
    since = None if spec.snapshot.window is None else as_time(at - spec.snapshot.window)
    if spec.snapshot.max_rows is not None and known > spec.snapshot.max_rows:
        first_too_many = history.ranked[known - spec.snapshot.max_rows - 1]
        since = first_too_many if since is None else max(since, first_too_many)
    begin = 0 if since is None else history.until(since)
    rows = np.sort(history.by_time[begin:known])
    subsets = subsets_of(
        history.clusters[rows],
        history.times[rows],
        spec.split,
        no_rounds(0) if last is None else last.rounds(history),
        spec.gate.round_rows,
    )
    digest = blake2b(history.digest_of(rows).encode() + subsets.code.tobytes(), digest_size=16).hexdigest()
    return Taken(
        at=at,
        begin=begin,
        end=known,
        code=subsets.code.astype(np.int8),
        holdout_round=subsets.holdout_round.astype(np.int16),
        current=subsets.current,
        span=subsets.span,
        id=digest,
        # What the last one held, or left out as too old, is not new.
        new_rows=known - (begin if last is None else max(begin, last.end)),
        since=since,
    )


def _blocking(spec: Spec, history: History, taken: Taken, last: Taken | None) -> tuple[str, ...]:
    found = checks.run(
        spec,
        history.table.take(pa.array(taken.rows(history))),
        None if last is None else history.table.take(pa.array(last.rows(history))),
        since=None if taken.since is None else as_datetime(taken.since),
        same_contents=True,
        now=taken.at,
    )
    return tuple(each.name for each in found if each.result == "blocked")
