"""Fits of many rows wait for each other, so that all processes of a backtest together stay below a size."""

from collections.abc import Iterator
from contextlib import contextmanager, suppress
from multiprocessing import parent_process
from multiprocessing.context import SpawnContext

import psutil

from retrain.models.peak import peak_memory


class Turns:
    """Counts, over all processes, the memory of the fits that run now. One fit always runs, whatever it takes."""

    def __init__(self, context: SpawnContext, most: int | None) -> None:
        """most: bytes of all processes together; None for no bound."""
        self._most = most
        self._changed = context.Condition()
        self._used = context.Value("q", 0, lock=False)
        self._rest = context.Value("q", 0, lock=False)
        """What the processes were seen to take beside fits."""
        self._row = context.Value("d", 0.0, lock=False)
        """The most that a fit was seen to take, in bytes a row that it learns from."""

    @contextmanager
    def of(self, rows: int, row_bytes: float) -> Iterator[None]:
        """Wait until a fit on so many rows can begin; it ends with the block. row_bytes: what a row takes at least."""
        if self._most is None:
            yield
            return
        with self._changed:
            while not self._begins(size := int(rows * max(row_bytes, self._row.value)), self._most):
                self._changed.wait()
            self._used.value += size
        before, peak = psutil.Process().memory_info().rss, peak_memory()
        try:
            yield
        finally:
            with self._changed:
                if peak_memory() > peak:  # otherwise an earlier fit has taken more
                    self._row.value = max(self._row.value, (peak_memory() - before) / rows)
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
