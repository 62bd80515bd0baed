import asyncio
import time
from collections.abc import AsyncIterator
from typing import Any

from airflow.triggers.base import BaseEventTrigger, TriggerEvent

from retrain.cycle.threshold import Sensed
from retrain.spec.source import Threshold
from retrain_airflow import metrics
from retrain_airflow.hooks.retrain import RetrainHook
from retrain_airflow.triggers import turns
from retrain_airflow.triggers.patience import Patience

_FRESH = 60
"""Seconds after which the spec and the connections are read again."""
_REST = 10
"""The pause after a count is at least this many times as long as the count: a table without an index is not read all
day."""
_LOCKED = 5
"""Seconds to wait for a lock on a table: other specs of the same database wait meanwhile."""


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
        patience = Patience[Sensed | None](self.spec, "new rows", self.log, self.interval)
        async for sensed in patience.looks(self._take_turn, forget=self._forget):
            patience.pause = max(self.interval, _REST * self._counting)
            if sensed is not None:
                yield TriggerEvent({"says": str(sensed)})  # type: ignore[no-untyped-call]

    async def _take_turn(self) -> Sensed | None:
        """Look when no other spec of the same database is being looked at."""
        # psycopg2 would stop the event loop, and with it every other trigger.
        if self._hook is None or time.monotonic() > self._hook_since + _FRESH:
            self._hook, self._hook_since = await asyncio.to_thread(self._read), time.monotonic()
        hook = self._hook
        async with turns.of(hook.spec.source.connection):
            return await asyncio.to_thread(self._look, hook)

    def _read(self) -> RetrainHook:
        hook = RetrainHook(self.spec, connect=turns.connecting, patience=_LOCKED)
        hook.spec  # noqa: B018 - it is read here
        return hook

    def _forget(self) -> None:
        self._hook = None

    def _look(self, hook: RetrainHook) -> Sensed | None:
        """Return what a cycle would begin with now; None where that is too little, or an event has said so already."""
        from retrain.cycle.sense import sense

        spec = hook.spec
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
