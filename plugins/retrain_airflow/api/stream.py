"""The metrics of a run while they are logged, as server-sent events."""

import asyncio
import time
from collections.abc import AsyncIterator
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Annotated, Any

from fastapi import APIRouter, Depends, Header
from fastapi.sse import EventSourceResponse, ServerSentEvent

from retrain.errors import NoAnswerError
from retrain.tracker.entities import json_number
from retrain_airflow.api.access import Permission, needs
from retrain_airflow.api.backend import Use
from retrain_airflow.api.bodies.values import RunInPath
from retrain_airflow.api.problems import BusyError, responses

if TYPE_CHECKING:
    from retrain.tracker.client import ExperimentTracker

router = APIRouter(prefix="/runs", tags=["runs"])

_EVERY, _SECONDS, _AT_ONCE = 1.0, 90.0, 32
"""Seconds between looks; seconds until a stream ends by itself and the client reconnects; streams of one process."""
_ALL_EVERY = 10
"""One look in so many reads every metric: a new point with the same value as the last one is not seen otherwise."""

Point = tuple[int, str, int, float | str]
"""Milliseconds, name, step, value; they sort in the order in which they were logged."""


@dataclass
class Follower:
    """What the client of one run has received. Its place is a time and a count of points: `<milliseconds>-<points>`."""

    run_id: str
    known: set[Point] = field(default_factory=set)
    values: dict[str, str] = field(default_factory=dict)
    looks: int = 0

    @property
    def place(self) -> str:
        return f"{max(point[0] for point in self.known)}-{len(self.known)}" if self.known else "0-0"

    def resume(self, tracker: "ExperimentTracker", place: str) -> None:
        """Continue after a place. If points with an earlier time were added since, all are sent again."""
        until, _, points = place.partition("-")
        if until.isdecimal() and points.isdecimal():
            earlier = {point for point in self._points(tracker, self._metrics(tracker)[1]) if point[0] <= int(until)}
            if len(earlier) == int(points):
                self.known = earlier

    def look(self, tracker: "ExperimentTracker") -> tuple[list[Point], str]:
        """Return the new points and the run's status."""
        status, values = self._metrics(tracker)
        everything = status not in ("RUNNING", "SCHEDULED") or self.looks % _ALL_EVERY == 0
        self.looks += 1
        changed = [name for name, value in values.items() if everything or self.values.get(name) != value]
        new = sorted(self._points(tracker, changed) - self.known, key=lambda point: point[:3])
        self.known.update(new)
        self.values = values
        return new, status

    def _metrics(self, tracker: "ExperimentTracker") -> tuple[str, dict[str, str]]:
        run = tracker.get_run(self.run_id)
        return run.status, {name: repr(value) for name, value in run.metrics.items()}

    def _points(self, tracker: "ExperimentTracker", names: Any) -> set[Point]:
        return {
            (round(point.at.timestamp() * 1000), name, point.step, json_number(point.value))
            for name in names
            for point in tracker.metric_history(self.run_id, name)
        }


async def _follow(
    run_id: RunInPath,
    use: Use,
    last_event_id: Annotated[str | None, Header(max_length=100, pattern=r"^[0-9]*-?[0-9]*$")] = None,
) -> AsyncIterator[Follower]:
    """Yield the follower. It runs before the stream begins, so that a run that is not there is a 404."""
    if _open.locked():
        raise BusyError(f"{_AT_ONCE} streams are open; try again")
    follower = Follower(run_id)
    async with _open:
        await use.quick(lambda: use.tracker().get_run(run_id))
        if last_event_id:
            await use.quick(lambda: follower.resume(use.tracker(), last_event_id))
        yield follower


_open = asyncio.Semaphore(_AT_ONCE)


@router.get(
    "/{run_id}/stream",
    response_class=EventSourceResponse,
    dependencies=[needs(Permission.READ)],
    responses=responses(404),
)
async def stream(follower: Annotated[Follower, Depends(_follow)], use: Use) -> AsyncIterator[ServerSentEvent]:
    """`metrics` events while points are logged, and an `end` event with the run's status when the run has ended.

    A stream ends by itself after a minute and a half, as a proxy would end it: `EventSource` reconnects with
    `Last-Event-ID` and continues from there. Each point comes at least once; after a reconnect, points come again only
    if others were logged with an earlier time.
    """
    until = time.monotonic() + _SECONDS
    yield ServerSentEvent(comment=follower.run_id, retry=1000)
    while time.monotonic() < until:
        try:
            new, status = await use.quick(lambda: follower.look(use.tracker()))
        except (NoAnswerError, BusyError):
            yield ServerSentEvent(comment="no answer")
            await asyncio.sleep(_EVERY)
            continue
        if new:
            yield ServerSentEvent(event="metrics", id=follower.place, data=[_shown(point) for point in new])
        if status not in ("RUNNING", "SCHEDULED"):
            yield ServerSentEvent(event="end", id=follower.place, data={"status": status})
            return
        await asyncio.sleep(_EVERY)


def _shown(point: Point) -> dict[str, Any]:
    milliseconds, name, step, value = point
    return {"key": name, "step": step, "value": value, "timestamp": milliseconds}
