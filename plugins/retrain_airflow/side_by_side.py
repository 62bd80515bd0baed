"""Does the same work for many things, a few at once: none waits for ever, and the fault of one is that one's alone."""

import contextvars
import threading
import time
from collections import deque
from collections.abc import Callable, Iterable, Iterator
from queue import Empty, SimpleQueue
from typing import TypeVar

T = TypeVar("T")
R = TypeVar("R")


def side_by_side(
    work: Callable[[T], R], things: Iterable[T], *, at_once: int, longest: float, altogether: float
) -> Iterator[tuple[T, R | Exception]]:
    """Yield each thing with its result, or with what went wrong. longest: seconds for one of them; altogether: seconds
    after which no further one is begun.

    Work that takes too long is left to itself: a thread cannot be ended. It must have an end of its own.
    """
    waiting = deque(things)
    done: SimpleQueue[tuple[int, R | Exception]] = SimpleQueue()
    begun: dict[int, tuple[T, float]] = {}
    last = time.monotonic() + altogether
    number = 0

    def run(number: int, thing: T) -> None:
        try:
            done.put((number, work(thing)))
        except Exception as error:
            done.put((number, error))

    while waiting or begun:
        while waiting and len(begun) < at_once:
            thing = waiting.popleft()
            if time.monotonic() >= last:
                yield thing, TimeoutError(f"no time was left for it: others took {altogether:.0f} s")
                continue
            number += 1
            begun[number] = thing, time.monotonic() + longest
            # A daemon: what hangs must not keep the process from ending.
            run_here = contextvars.copy_context().run
            threading.Thread(target=run_here, args=(run, number, thing), daemon=True).start()
        if not begun:
            continue
        first = min(begun, key=lambda each: begun[each][1])
        try:
            ended, found = done.get(timeout=max(0.0, begun[first][1] - time.monotonic()))
        except Empty:
            yield begun.pop(first)[0], TimeoutError(f"it took longer than {longest:.0f} s")
        else:
            if ended in begun:  # not one that was given up before
                yield begun.pop(ended)[0], found
