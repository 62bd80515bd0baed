"""A trigger that looks again and again, and that no failure ends: a watcher that has ended wakes nobody."""

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable
from typing import Any, Generic, TypeVar

T = TypeVar("T")
LONGEST_PAUSE = 60
"""Seconds between two looks while looking fails: the pause doubles up to this."""


class Patience(Generic[T]):
    """Calls `look` again and again; logs a failure once, and its end."""

    def __init__(self, who: str, what: str, log: Any, interval: float) -> None:
        """who: looks; what: for what, both for the log. interval: seconds between two looks."""
        self._who = who
        self._what = what
        self._log = log
        self._interval = interval
        self.pause = interval
        """Seconds until the next look; whoever looks may make it longer."""

    async def looks(self, look: Callable[[], Awaitable[T]], *, forget: Callable[[], None]) -> AsyncIterator[T]:
        """Yield what each look that succeeds returns. forget: called after a failure, before the next look."""
        logged = None
        failing = self._interval
        while True:
            self.pause = self._interval
            try:
                found = await look()
            except Exception as error:  # of any kind
                forget()
                why = str(error) or repr(error)
                if why != logged:
                    self._log.warning("%s: cannot look for %s, and tries again: %s", self._who, self._what, why)
                logged = why
                self.pause = failing = min(2 * failing, max(self._interval, LONGEST_PAUSE))
            else:
                if logged:
                    self._log.info("%s: can look for %s again", self._who, self._what)
                logged, failing = None, self._interval
                yield found
            await asyncio.sleep(self.pause)
