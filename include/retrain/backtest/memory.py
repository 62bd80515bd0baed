"""Fits of many rows wait for each other, so that all processes of a backtest together stay below a size."""

from collections.abc import Iterator
from contextlib import contextmanager, suppress
from multiprocessing import parent_process
from multiprocessing.context import BaseContext

import psutil

from retrain.models.peak import peak_memory

_FULL = 0.9
"""Share of the bound that is given to what is known: predictions, and what grows while a fit runs, are not."""


class Turns:
    """Counts, over all processes, the memory of the fits that run now. One fit always runs, whatever it takes."""

    def __init__(self, context: BaseContext, most: int | None) -> None:
        """most: bytes of all processes together; None for no bound."""
        self._most = most
        self._changed = context.Condition()
        self._used = context.Value("q", 0, lock=False)
        self._rest = context.Value("q", 0, lock=False)
        """What the processes were seen to take beside fits."""
        self._row = context.Value("d", 0.0, lock=False)
        """The most that a large fit was seen to take, in bytes a row: small ones take much that does not grow."""
        self._rows = context.Value("q", 0, lock=False)
        """How many rows the first of these had."""

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
                    self._learn(rows, (peak_memory() - before) / rows)
                self._used.value -= size
                self._changed.notify_all()

    def _learn(self, rows: int, row_bytes: float) -> None:
        if rows >= 2 * self._rows.value:
            self._rows.value, self._row.value = rows, row_bytes
        elif 2 * rows >= self._rows.value:
            self._row.value = max(self._row.value, row_bytes)

    def _begins(self, size: int, most: int) -> bool:
        used = self._used.value
        self._rest.value = max(self._rest.value, taken() - used)
        return not used or self._rest.value + used + size <= _FULL * most


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
