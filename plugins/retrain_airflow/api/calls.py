"""Blocking calls, off the event loop and with a deadline: the same process serves Airflow's own pages."""

import asyncio
from collections.abc import Callable
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import suppress
from functools import partial
from typing import Any, ParamSpec, TypeVar

from retrain.errors import NoAnswerError
from retrain_airflow.api.problems import BusyError

_Parameters = ParamSpec("_Parameters")
_Result = TypeVar("_Result")


class Calls:
    """Threads of our own: Airflow's routes share another pool, which a dead tracker must not fill."""

    def __init__(self, name: str, *, at_once: int, wait: float, seconds: float, in_all: float) -> None:
        """Make `at_once` threads.

        wait: seconds that a call waits for a free thread; they start again whenever another call gets a reply. So a
        slow server is waited for, and a dead one is not. seconds: for the call itself. in_all: for both;
        at most half of it for the wait.

        A call that is given up continues in its thread and occupies it until the tracker's own deadline.
        """
        self._free = asyncio.Semaphore(at_once)
        self._threads = ThreadPoolExecutor(at_once, thread_name_prefix=f"retrain-api-{name}")
        self._wait, self._seconds, self._in_all = wait, seconds, in_all
        self._waiting: dict[asyncio.Timeout, float] = {}
        """The latest time until which each may wait."""

    async def __call__(
        self, call: Callable[_Parameters, _Result], /, *args: _Parameters.args, **kwargs: _Parameters.kwargs
    ) -> _Result:
        """Run the call in a thread. Raises BusyError if there was no thread or no reply in time."""
        loop = asyncio.get_running_loop()
        latest = loop.time() + self._in_all
        await self._thread(loop.time() + self._in_all / 2)
        future = self._threads.submit(partial(call, *args, **kwargs))
        future.add_done_callback(partial(self._notify, loop))
        try:
            return await asyncio.wait_for(asyncio.wrap_future(future), min(self._seconds, latest - loop.time()))
        except TimeoutError as error:
            raise BusyError("there was no reply in time; the request may or may not have been carried out") from error

    async def _thread(self, latest: float) -> None:
        limit = asyncio.timeout(self._wait)
        self._waiting[limit] = latest
        try:
            async with limit:
                await self._free.acquire()
        except TimeoutError as error:
            raise BusyError("other calls have not ended yet; try again") from error
        finally:
            del self._waiting[limit]

    def _notify(self, loop: asyncio.AbstractEventLoop, done: "Future[Any]") -> None:
        with suppress(RuntimeError):  # the server and its loop have ended meanwhile: nobody waits
            loop.call_soon_threadsafe(self._ended, done, loop)

    def _ended(self, done: "Future[Any]", loop: asyncio.AbstractEventLoop) -> None:
        self._free.release()
        if done.cancelled() or isinstance(done.exception(), NoAnswerError):
            return
        for limit, latest in self._waiting.items():
            if not limit.expired():
                limit.reschedule(min(loop.time() + self._wait, latest))
