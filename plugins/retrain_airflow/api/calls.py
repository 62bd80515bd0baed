"""Calls that block, off the event loop and with a deadline: Airflow's own pages are served by the same process."""

import asyncio
from collections.abc import Callable
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import suppress
from functools import partial
from typing import Any, ParamSpec, TypeVar

from retrain.errors import NoAnswerError
from retrain_airflow.api.problems import BusyError

_Given = ParamSpec("_Given")
_Answer = TypeVar("_Answer")


class Calls:
    """Threads of our own. Airflow's routes share another pool, which a dead tracker must not fill."""

    def __init__(self, name: str, *, at_once: int, wait: float, wait_in_all: float, seconds: float) -> None:
        """wait: seconds for a thread to be free, or for another call to be answered; then these begin anew, up to
        `wait_in_all`. A server that is slow is waited for, one that is dead is not. seconds: for the call itself.

        A call that is given up goes on in its thread, and keeps it until the tracker's own deadline ends it.
        """
        self._free = asyncio.Semaphore(at_once)
        self._threads = ThreadPoolExecutor(at_once, thread_name_prefix=f"retrain-api-{name}")
        self._wait, self._wait_in_all, self._seconds = wait, wait_in_all, seconds
        self._waiting: dict[asyncio.Timeout, float] = {}
        """Until when each may wait, whatever is answered."""

    async def __call__(
        self, call: Callable[_Given, _Answer], /, *args: _Given.args, **kwargs: _Given.kwargs
    ) -> _Answer:
        """Raises BusyError where there was no thread in time, or no answer."""
        loop = asyncio.get_running_loop()
        await self._thread(loop)
        future = self._threads.submit(partial(call, *args, **kwargs))
        future.add_done_callback(partial(self._tell, loop))
        try:
            return await asyncio.wait_for(asyncio.wrap_future(future), self._seconds)
        except TimeoutError as error:
            raise BusyError("there was no answer in time; what was asked may or may not have happened") from error

    async def _thread(self, loop: asyncio.AbstractEventLoop) -> None:
        limit = asyncio.timeout(self._wait)
        self._waiting[limit] = loop.time() + self._wait_in_all
        try:
            async with limit:
                await self._free.acquire()
        except TimeoutError as error:
            raise BusyError("other calls have not ended yet; try again") from error
        finally:
            del self._waiting[limit]

    def _tell(self, loop: asyncio.AbstractEventLoop, done: "Future[Any]") -> None:
        with suppress(RuntimeError):  # the server has ended meanwhile, and its loop: nobody waits
            loop.call_soon_threadsafe(self._ended, done, loop)

    def _ended(self, done: "Future[Any]", loop: asyncio.AbstractEventLoop) -> None:
        self._free.release()
        if done.cancelled() or isinstance(done.exception(), NoAnswerError):
            return
        for limit, at_last in self._waiting.items():
            if not limit.expired():
                limit.reschedule(min(loop.time() + self._wait, at_last))
