import asyncio
import time
from collections.abc import AsyncIterator
from datetime import timedelta
from typing import TYPE_CHECKING, Any

from airflow.triggers.base import BaseEventTrigger, TriggerEvent

from retrain_airflow.hooks.retrain import ledger_of
from retrain_airflow.triggers import turns
from retrain_airflow.triggers.patience import Patience

if TYPE_CHECKING:
    from retrain.ledger.ledger import Ledger

_FRESH = 300
"""Seconds after which the connection is read again."""
_UNSENT = timedelta(minutes=1)
"""A cycle sends its messages by then. A task that was killed does not, nor does the API."""
_FIRST_PAUSE, _LONGEST_PAUSE = 60.0, 3600.0
"""Seconds: nobody has sent what is due since the last event, which may be lost; each further one comes later."""


class MessagesDueTrigger(BaseEventTrigger):
    """Fires when a message is to be sent that whoever made it has not sent: a channel refused it, or nobody tried.

    An event can be lost, so it fires again while nobody has tried to send: after a minute, then after pauses that
    double up to an hour. So what nobody can send, as the messages of a model without a spec, wakes only seldom.
    """

    def __init__(self, ledger_conn_id: str, *, interval: float = 20) -> None:
        """ledger_conn_id: of the connection to the ledger. interval: seconds between two looks, each of one query."""
        super().__init__()  # type: ignore[no-untyped-call]
        self.ledger_conn_id = ledger_conn_id
        self.interval = interval
        self._ledger: Ledger | None = None
        self._ledger_since = 0.0
        self._fired: dict[str, tuple[str, float, float]] = {}
        """By model: what was due when it fired, when it may fire again for that, and the pause after that."""

    def serialize(self) -> tuple[str, dict[str, Any]]:
        here = type(self)
        kwargs = {"ledger_conn_id": self.ledger_conn_id, "interval": self.interval}
        return f"{here.__module__}.{here.__qualname__}", kwargs

    async def run(self) -> AsyncIterator[TriggerEvent]:
        patience = Patience[dict[str, str]]("the outbox", "messages that are due", self.log, self.interval)
        # psycopg2 would stop the event loop, and with it every other trigger.
        async for due in patience.looks(lambda: asyncio.to_thread(self._look), forget=self._forget):
            if models := self._to_wake(due, time.monotonic()):
                yield TriggerEvent({"models": models})  # type: ignore[no-untyped-call]

    def _look(self) -> dict[str, str]:
        if self._ledger is None or time.monotonic() > self._ledger_since + _FRESH:
            self._ledger, self._ledger_since = ledger_of(self.ledger_conn_id, turns.connecting), time.monotonic()
        return self._ledger.messages_due(unsent=_UNSENT)

    def _forget(self) -> None:
        self._ledger = None

    def _to_wake(self, due: dict[str, str], now: float) -> list[str]:
        """Return the models for which to fire now, and remember that."""
        self._fired = {model: fired for model, fired in self._fired.items() if model in due}
        models = []
        for model, what in sorted(due.items()):
            before, again, pause = self._fired.get(model, ("", 0.0, _FIRST_PAUSE))
            if before != what:
                pause = _FIRST_PAUSE
            elif now < again:
                continue
            self._fired[model] = what, now + pause, min(2 * pause, _LONGEST_PAUSE)
            models.append(model)
        return models
