"""What a client that follows a run has received of its metrics, and what is new."""

import time
from collections.abc import Mapping
from dataclasses import dataclass, field
from math import ceil
from typing import TYPE_CHECKING

from retrain.tracker.entities import MetricPoint, json_number

if TYPE_CHECKING:
    from retrain.tracker.client import ExperimentTracker

_LOOK = 0.5
"""Seconds after which a look ends, with what it has read by then: MLflow gives the history of one metric at a time."""
_ALL_EVERY = 10
"""Within so many looks every metric is read: a new point with a smaller step than the last is not seen otherwise."""

GOING_ON = ("RUNNING", "SCHEDULED")

Point = tuple[int, str, int, float | str]
"""Milliseconds, name, step, value; they sort in the order in which they were logged."""


@dataclass(frozen=True)
class Received:
    """The points of one metric that a client has: the first ones in their order. A digest tells whether they still are
    the first, so that the points themselves need not be kept.
    """

    points: int = 0
    digest: int = hash(())
    until: int = 0
    """Milliseconds of the last one."""

    def rest_of(self, history: list[Point]) -> list[Point]:
        """Return what the client does not have; all, if points with an earlier time were added."""
        return history[self.points :] if hash(tuple(history[: self.points])) == self.digest else history


@dataclass(frozen=True)
class Look:
    """What one look at the run has found. It changes nothing: a look whose result was not waited for never was."""

    status: str
    last: Mapping[str, Point]
    """The last point of each metric of the run."""
    histories: Mapping[str, list[Point]]
    """Those of the metrics that were read."""
    finished: bool
    """Whether all were read that this look wanted."""

    @property
    def ended(self) -> bool:
        return self.status not in GOING_ON


@dataclass
class Follower:
    """The client of one run. Its place is a time and a count of points: `<milliseconds>-<points>`."""

    run_id: str
    resumes: tuple[int, int] | None = None
    """The place at which a client continues; None once it is found."""
    received: dict[str, Received] = field(default_factory=dict)
    last: dict[str, Point] = field(default_factory=dict)
    """The last point of each metric, as of when its history was read."""
    after_end: set[str] = field(default_factory=set)
    """Metrics that were read after the run had ended."""
    earlier: dict[str, Received] = field(default_factory=dict)
    """For a client that continues: the points of each metric up to its place."""

    @property
    def place(self) -> str:
        return (
            f"{max((each.until for each in self.received.values()), default=0)}"
            f"-{sum(each.points for each in self.received.values())}"
        )

    def resume(self, place: str) -> None:
        """Continue after a place. If points with an earlier time were added since, all are sent again."""
        until, _, points = place.partition("-")
        if until.isdecimal() and points.isdecimal():
            self.resumes = int(until), int(points)

    def look(self, tracker: "ExperimentTracker") -> Look:
        """Read the run, then the metrics that have changed, then some of the others, for half a second."""
        until = time.monotonic() + _LOOK
        status, found = tracker.last_points(self.run_id)
        last = {name: _point(name, point) for name, point in found.items()}
        histories = dict[str, list[Point]]()
        wanted = self._to_read(last, ended=status not in GOING_ON)
        for name in wanted:
            history = (_point(name, each) for each in tracker.metric_history(self.run_id, name))
            histories[name] = sorted(history, key=_order)
            if time.monotonic() > until:
                break
        return Look(status, last, histories, finished=len(histories) == len(wanted))

    def _to_read(self, last: Mapping[str, Point], *, ended: bool) -> list[str]:
        # Those first that were not read yet, then those whose last reading is longest ago.
        names = [*(name for name in last if name not in self.last), *(name for name in self.last if name in last)]
        changed = [name for name in names if self.last.get(name) != last[name]]
        others = [name for name in names if self.last.get(name) == last[name]]
        if ended:
            return [*changed, *(name for name in others if name not in self.after_end)]
        if self.resumes is not None:
            return changed
        return [*changed, *others[: ceil(len(others) / _ALL_EVERY)]]

    def take(self, look: Look) -> list[Point]:
        """Return the points to send now, and count them as received."""
        for name in look.histories:
            self.last.pop(name, None)
            self.last[name] = look.last[name]
        self.after_end = self.after_end | look.histories.keys() if look.ended else set()
        if self.resumes is not None:
            self._find_place(look, *self.resumes)
            return []
        new = list[Point]()
        for name, history in look.histories.items():
            new += self.received.get(name, Received()).rest_of(history)
            self.received[name] = _received(history)
        return sorted(new, key=_order)

    def is_all(self, look: Look) -> bool:
        """Return whether the run has ended, and all of its points were sent."""
        return look.ended and self.resumes is None and look.last.keys() <= self.after_end

    def _find_place(self, look: Look, until: int, points: int) -> None:
        """Count the points up to the place. When every metric was read, begin to send: what follows, or all."""
        for name, history in look.histories.items():
            self.earlier[name] = _received([point for point in history if point[0] <= until])
        if look.last.keys() <= self.earlier.keys():
            self.resumes = None
            if sum(each.points for each in self.earlier.values()) == points:
                self.received = self.earlier
            self.earlier, self.last, self.after_end = {}, {}, set()


def _order(point: Point) -> tuple[int, str, int, str]:
    return *point[:3], str(point[3])  # a value may be NaN, as a text


def _received(history: list[Point]) -> Received:
    return Received(len(history), hash(tuple(history)), history[-1][0]) if history else Received()


def _point(name: str, point: MetricPoint) -> Point:
    return round(point.at.timestamp() * 1000), name, point.step, json_number(point.value)
