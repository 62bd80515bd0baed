"""The metrics of a run while they are logged, as server-sent events."""

import asyncio
import time
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from functools import partial
from typing import Annotated, Any

from fastapi import APIRouter, Header

from retrain.errors import NoAnswerError
from retrain_airflow.api.access import Permission, Who, needs
from retrain_airflow.api.backend import Use, Using
from retrain_airflow.api.bodies.values import RunInPath
from retrain_airflow.api.events import EventStream, comment, event
from retrain_airflow.api.follower import Follower, Point
from retrain_airflow.api.limits import BoundedRoute
from retrain_airflow.api.problems import BusyError, responses

router = APIRouter(prefix="/runs", tags=["runs"], route_class=BoundedRoute)

_EVERY, _SECONDS = 1.0, 90.0
"""Seconds between looks; seconds until a stream ends by itself and the client reconnects."""
_AT_ONCE, _OF_ONE = 32, 8
"""Streams of one process; of one caller among them."""
_TURN = 9.5
"""Seconds that a stream waits for its caller's others."""
_SILENCE = 15.0
"""Seconds without a word, after which one is said: a proxy ends a connection that is silent."""


@dataclass
class Caller:
    """What one caller has open."""

    streams: int = 0
    _turn: asyncio.Lock = field(default_factory=asyncio.Lock)

    @asynccontextmanager
    async def turn(self) -> AsyncIterator[None]:
        """One at a time: however many streams a caller has, MLflow answers the others meanwhile.

        Raises BusyError.
        """
        try:
            await asyncio.wait_for(self._turn.acquire(), _TURN)
        except TimeoutError as error:
            raise BusyError("your other streams are not read yet; try again") from error
        try:
            yield
        finally:
            self._turn.release()


_callers = dict[str, Caller]()
"""Those with open streams."""


@router.get(
    "/{run_id}/stream",
    response_class=EventStream,
    status_code=200,  # FastAPI looks for it in the class otherwise
    dependencies=[needs(Permission.READ)],
    responses=responses(404),
)
async def stream(
    run_id: RunInPath,
    caller: Who,
    use: Use,
    last_event_id: Annotated[str | None, Header(max_length=100, pattern=r"^[0-9]*-?[0-9]*$")] = None,
) -> EventStream:
    """`metrics` events while points are logged, and an `end` event with the run's status when the run has ended.

    A stream ends by itself a minute and a half after it has caught up, as a proxy would end it: `EventSource`
    reconnects with `Last-Event-ID` and continues from there. Each point comes at least once; after a reconnect, points
    come again only if others were logged with an earlier time.
    """
    this = _open(caller.name)
    try:
        async with this.turn():
            await use.quick(lambda: use.tracker().get_run(run_id))
    except BaseException:
        _close(caller.name)
        raise
    follower = Follower(run_id)
    if last_event_id:
        follower.resume(last_event_id)
    return EventStream(_events(follower, this, use), at_end=partial(_close, caller.name))


def _open(name: str) -> Caller:
    """Count one more stream of this caller. Raises BusyError."""
    this = _callers.get(name) or Caller()
    if this.streams >= _OF_ONE:
        raise BusyError(f"you have {_OF_ONE} streams open; close one, or try again")
    if sum(each.streams for each in _callers.values()) >= _AT_ONCE:
        raise BusyError(f"{_AT_ONCE} streams are open; try again")
    _callers[name] = this
    this.streams += 1
    return this


def _close(name: str) -> None:
    _callers[name].streams -= 1
    if not _callers[name].streams:
        del _callers[name]


async def _events(follower: Follower, caller: Caller, use: Using) -> AsyncIterator[bytes]:
    until = time.monotonic() + _SECONDS
    yield comment(follower.run_id, retry=1000)
    spoken = time.monotonic()
    while time.monotonic() < until:
        try:
            async with caller.turn():
                look = await use.streams(lambda: follower.look(use.tracker()))
        except (NoAnswerError, BusyError):
            yield comment("no answer")
            await asyncio.sleep(_EVERY)
            continue
        if not look.finished:
            until = time.monotonic() + _SECONDS  # a client that comes back begins to read again
        if new := follower.take(look):
            yield event("metrics", [_shown(point) for point in new], place=follower.place)
            spoken = time.monotonic()
        if follower.is_all(look):
            yield event("end", {"status": look.status}, place=follower.place)
            return
        if time.monotonic() > spoken + _SILENCE:
            yield comment("nothing new")
            spoken = time.monotonic()
        # What was left for want of time is read at once, with a pause for the others.
        await asyncio.sleep(_EVERY if look.finished else _EVERY / 10)


def _shown(point: Point) -> dict[str, Any]:
    milliseconds, name, step, value = point
    return {"key": name, "step": step, "value": value, "timestamp": milliseconds}
