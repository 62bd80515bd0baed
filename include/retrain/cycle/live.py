"""Metrics by step of a fit that is running: read from a file that its process writes, logged to its run."""

import json
import logging
import threading
from collections.abc import Callable
from datetime import UTC, datetime
from pathlib import Path
from types import TracebackType
from typing import Self

from retrain.errors import TrackerError
from retrain.tracker.client import ExperimentTracker
from retrain.tracker.entities import MetricPoint

log = logging.getLogger(__name__)

_EVERY, _LATER = 1.0, 15.0
"""Seconds between two batches, and after one that MLflow did not take."""
_AGAIN = "refit_"
"""Before the names of what the winner logs when it is fitted again."""


Heard = Callable[[str, int, float], None]
"""Takes name, step and value of a point."""


class Live:
    """Passes on what is added to a file, in a thread of its own: an MLflow server that hangs delays nothing else.

    A point that the run has already, from a try before, is left out.
    """

    def __init__(
        self, tracker: ExperimentTracker, run_id: str, file: Path, *, again: bool, heard: Heard | None = None
    ) -> None:
        """again: whether this is the winner's second fit, on its validation rows as well. heard: called with each
        point, in the thread.
        """
        self._heard = heard
        self._tracker, self._run_id, self._file = tracker, run_id, file
        self._prefix = _AGAIN if again else ""
        self._at, self._points = 0, list[tuple[str, MetricPoint]]()
        self._known: dict[str, set[int]] = {}
        self._ended = threading.Event()
        self._thread = threading.Thread(target=self._follow, daemon=True, name="metrics by step")

    def __enter__(self) -> Self:
        self._thread.start()
        return self

    def __exit__(self, _type: type[BaseException] | None, error: BaseException | None, _: TracebackType | None) -> None:
        """Log the rest; of a fit that has failed as far as MLflow takes it."""
        self._ended.set()
        self._thread.join()
        self._read()
        try:
            self._send()
        except TrackerError:
            if error is None:
                raise

    def _follow(self) -> None:
        """Log what has come, a batch a second. What MLflow does not take is kept for the next look."""
        pause = _EVERY
        while not self._ended.wait(pause):
            self._read()
            try:
                self._send()
                pause = _EVERY
            except TrackerError as error:
                log.warning("Metrics by step are not logged now: %s", error)
                pause = _LATER

    def _read(self) -> None:
        if not self._file.exists():
            return
        with self._file.open("rb") as file:
            file.seek(self._at)
            new = file.read()
        whole = new[: new.rfind(b"\n") + 1]
        self._at += len(whole)
        for line in whole.splitlines():
            step = json.loads(line)
            at = datetime.fromtimestamp(step["at"], UTC)
            for name, value in step["metrics"].items():
                self._points.append((f"{self._prefix}{name}", MetricPoint(step["step"], value, at)))
                if self._heard is not None:
                    self._heard(name, step["step"], value)

    def _send(self) -> None:
        if not self._points:
            return
        for name in {name for name, _ in self._points} - {*self._known}:
            self._known[name] = {point.step for point in self._tracker.metric_history(self._run_id, name)}
        new = [(name, point) for name, point in self._points if point.step not in self._known[name]]
        self._tracker.log_points(self._run_id, new)
        for name, point in new:
            self._known[name].add(point.step)
        self._points.clear()
