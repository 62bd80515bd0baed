import asyncio
import time
from collections.abc import AsyncIterator
from typing import Any

from airflow.triggers.base import BaseEventTrigger, TriggerEvent

from retrain.cycle.threshold import Sensed
from retrain.spec.source import Threshold
from retrain_airflow import metrics
from retrain_airflow.hooks.retrain import RetrainHook

_FRESH = 60
"""Seconds after which the spec and the connections are read again."""
_LONGEST_PAUSE = 60
_REST = 10
"""The pause after a count is at least this many times as long as the count: a table without an index is not read all
day."""


class NewRowsTrigger(BaseEventTrigger):
    """Fires when a spec's threshold is reached. Its events only wake: the run's sensor decides whether a cycle begins.

    It fires once for the rows that no verdict has consumed, and again when a threshold more of them have arrived:
    rows whose cycle is running, or has failed, must not start another. It remembers this only while it runs: after a
    restart of the triggerer, and where two triggerers watch, there is one more event, whose run is skipped or tries
    again what had failed.
    """

    def __init__(self, spec: str, *, interval: float = 5) -> None:
        """spec: path of the spec file. interval: seconds between two looks."""
        super().__init__()  # type: ignore[no-untyped-call]
        self.spec = spec
        self.interval = interval
        self._hook: RetrainHook | None = None
        self._hook_since = 0.0
        self._consumed: object = None
        self._fired = 0
        self._counting = 0.0

    def serialize(self) -> tuple[str, dict[str, Any]]:
        here = type(self)
        kwargs = {"spec": self.spec, "interval": self.interval}
        return f"{here.__module__}.{here.__qualname__}", kwargs

    async def run(self) -> AsyncIterator[TriggerEvent]:
        logged, pause = None, self.interval
        while True:
            try:
                # psycopg2 would stop the event loop, and with it every other trigger.
                sensed = await asyncio.to_thread(self._look)
            except Exception as error:  # of any kind: a watcher that has ended wakes nobody
                self._hook, why = None, str(error) or repr(error)
                if why != logged:
                    self.log.warning("%s: cannot look for new rows, and tries again: %s", self.spec, why)
                logged, pause = why, min(2 * pause, max(self.interval, _LONGEST_PAUSE))
            else:
                if logged:
                    self.log.info("%s: can look for new rows again", self.spec)
                logged, pause = None, max(self.interval, _REST * self._counting)
                if sensed is not None:
                    yield TriggerEvent({"says": str(sensed)})  # type: ignore[no-untyped-call]
            await asyncio.sleep(pause)

    def _look(self) -> Sensed | None:
        """Return what a cycle would begin with now; None where that is too little, or an event has said so already."""
        from retrain.cycle.sense import sense

        if self._hook is None or time.monotonic() > self._hook_since + _FRESH:
            self._hook = RetrainHook(self.spec)
            self._hook_since = time.monotonic()
        hook, spec = self._hook, self._hook.spec
        # Read before the rows are counted: a verdict in between is seen by the next look.
        consumed = hook.ledger.last_consumed(spec.model)
        if consumed != self._consumed:
            self._consumed, self._fired = consumed, 0
        if self._fired:
            further = Threshold(rows=spec.threshold.rows * (self._fired + 1))
            spec = spec.model_copy(update={"threshold": further})
        began = time.monotonic()
        sensed = sense(spec, source=hook.source, ledger=hook.ledger)
        self._counting = time.monotonic() - began
        metrics.rows_waiting(self.spec, sensed.new_rows)
        if not sensed.enough:
            return None
        self._fired += 1
        return sensed
