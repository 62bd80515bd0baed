"""Signals that end a process: whoever has started a stack ends it first."""

import signal
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from types import FrameType
from typing import Never


@contextmanager
def as_interrupts() -> Iterator[None]:
    """Take SIGTERM and SIGHUP for Ctrl-C, unless somebody handles them. By default they end a process at once, and what
    it has started would stay.
    """
    if threading.current_thread() is not threading.main_thread():
        yield
        return
    ours = [which for which in (signal.SIGTERM, signal.SIGHUP) if signal.getsignal(which) is signal.SIG_DFL]
    for which in ours:
        signal.signal(which, _interrupt)
    try:
        yield
    finally:
        for which in ours:
            signal.signal(which, signal.SIG_DFL)


def _interrupt(_number: int, _frame: FrameType | None) -> Never:
    raise KeyboardInterrupt
