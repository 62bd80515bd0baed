"""The time and the peak memory of something, in a process of its own."""

import multiprocessing
import time
from typing import Any

import psutil


def measured(act: Any, *arguments: Any) -> dict[str, Any]:
    """Run it in a process of its own; return its result, the seconds that it took, and its peak memory."""
    context = multiprocessing.get_context("spawn")
    results, begin = context.Queue(), context.Event()
    process = context.Process(target=_run, args=(act, arguments, results, begin))
    process.start()
    try:
        results.get()  # its imports are made
        begin.set()
        begun, peak = time.monotonic(), 0.0
        while process.is_alive() and results.empty():
            peak = max(peak, _resident(process.pid or 0))
            time.sleep(0.05)
        found: dict[str, Any] = results.get()
        seconds = time.monotonic() - begun
        process.join()
    finally:
        if process.is_alive():
            process.kill()
    return {**found, "seconds": round(seconds, 1), "mb": round(peak)}


def _run(act: Any, arguments: tuple[Any, ...], results: Any, begin: Any) -> None:
    results.put("ready")
    begin.wait()
    results.put(act(*arguments))


def _resident(pid: int) -> float:
    """Return the memory of a process and of those that it started, in MB: their own, and what they share once."""
    total = 0.0
    try:
        whole = [psutil.Process(pid), *psutil.Process(pid).children(recursive=True)]
    except psutil.NoSuchProcess:
        return 0.0
    for each in whole:
        try:
            total += each.memory_full_info().pss
        except psutil.NoSuchProcess:
            continue
    return total / 2**20
