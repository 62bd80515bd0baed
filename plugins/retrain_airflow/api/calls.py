"""Calls that block, off the event loop and with a deadline: Airflow's own pages are served by the same process."""

import asyncio
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from functools import partial
from typing import ParamSpec, TypeVar

from retrain_airflow.api.problems import BusyError

_Given = ParamSpec("_Given")
_Answer = TypeVar("_Answer")


class Calls:
    """Threads of our own. Airflow's routes share another pool, which a dead tracker must not fill."""

    def __init__(self, name: str, *, at_once: int, wait: float, seconds: float) -> None:
        """wait: seconds for a thread to be free; seconds: for the call itself.

        A call that is given up goes on in its thread, and keeps it until the tracker's own deadline ends it.
        """
        self._free = asyncio.Semaphore(at_once)
        self._threads = ThreadPoolExecutor(at_once, thread_name_prefix=f"retrain-api-{name}")
        self._wait, self._seconds = wait, seconds

    async def __call__(
        self, call: Callable[_Given, _Answer], /, *args: _Given.args, **kwargs: _Given.kwargs
    ) -> _Answer:
        """Raises BusyError where there was no thread in time, or no answer."""
        try:
            async with asyncio.timeout(self._wait):
                await self._free.acquire()
        except TimeoutError as error:
            raise BusyError("other calls have not ended yet; try again") from error
        loop = asyncio.get_running_loop()
        future = self._threads.submit(partial(call, *args, **kwargs))
        future.add_done_callback(lambda _: loop.call_soon_threadsafe(self._free.release))
        try:
            return await asyncio.wait_for(asyncio.wrap_future(future), self._seconds)
        except TimeoutError as error:
            raise BusyError("there was no answer in time; what was asked may or may not have happened") from error
