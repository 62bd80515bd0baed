"""Fits of many rows wait for each other, so that all processes of a backtest together stay below a size."""

from collections.abc import Iterator
from contextlib import contextmanager, suppress
from multiprocessing import parent_process
from multiprocessing.context import SpawnContext

import psutil


class Turns:
    """Counts, over all processes, the memory of the fits that run now. One fit always runs, whatever it takes."""

    def __init__(self, context: SpawnContext, most: int | None) -> None:
        """most: bytes of all processes together; None for no bound."""
        self._most = most
        self._changed = context.Condition()
        self._used = context.Value("q", 0, lock=False)
        self._rest = context.Value("q", 0, lock=False)
        """What the processes were seen to take beside fits."""

    @contextmanager
    def of(self, size: int) -> Iterator[None]:
        """Wait until a fit of so many bytes can begin; it ends with the block."""
        if self._most is None:
            yield
            return
        with self._changed:
            while not self._begins(size, self._most):
                self._changed.wait()
            self._used.value += size
        try:
            yield
        finally:
            with self._changed:
                self._used.value -= size
                self._changed.notify_all()

    def _begins(self, size: int, most: int) -> bool:
        used = self._used.value
        self._rest.value = max(self._rest.value, taken() - used)
        return not used or self._rest.value + used + size <= most


def taken() -> int:
    """Return the bytes that a backtest's processes take together: each its own, and its share of what is shared."""
    parent = parent_process()
    main = psutil.Process(None if parent is None else parent.pid)
    total = 0
    for each in (main, *main.children(recursive=True)):
        with suppress(psutil.Error):  # it has just ended
            found = each.memory_full_info()
            total += int(getattr(found, "pss", found.uss))  # of Linux alone
    return total
