"""One connection to a database for all who ask it in a process, one after the other."""

import threading
import time
from contextlib import suppress
from typing import cast

import psycopg2
from psycopg2.extensions import TRANSACTION_STATUS_IDLE, connection

from retrain_airflow.hooks.postgres import Cancelled, Psycopg2Hook

_FRESH, _IDLE = 60, 30
"""Seconds after which a connection is opened anew: its login may have changed; and, unused, a proxy may have dropped
it."""


class _Lent(Cancelled):
    """A connection that goes back to its owner when it is closed."""

    owner: "OneConnection | None" = None

    def close(self) -> None:
        if self.owner is None:
            super().close()
        else:
            self.owner._back(self)

    def end(self) -> None:
        super().close()


class _Hook(Psycopg2Hook):
    connection_factory = _Lent


class OneConnection:
    """Lends one connection, and lets others wait until it is closed. Whoever is lent it does not ask for another."""

    def __init__(self, connection_id: str) -> None:
        self._id = connection_id
        self._turn = threading.Lock()
        self._kept: _Lent | None = None
        self._opened = self._used = 0.0

    def connect(self) -> connection:
        """Return the connection when it is free; the caller closes it."""
        self._turn.acquire()
        try:
            now = time.monotonic()
            if self._kept is not None and (now > self._opened + _FRESH or now > self._used + _IDLE):
                self._drop()
            if self._kept is None:
                opened = cast("_Lent", _Hook(self._id).get_conn())
                opened.owner, self._kept, self._opened = self, opened, now
        except BaseException:
            self._turn.release()
            raise
        return self._kept

    def _back(self, lent: _Lent) -> None:
        try:
            # As it was: the next one may want to write.
            if lent.closed == 0:
                if lent.get_transaction_status() != TRANSACTION_STATUS_IDLE:
                    lent.rollback()
                lent.set_session(isolation_level="default", readonly="default")
            self._used = time.monotonic()
            if lent.closed:
                self._drop()
        except psycopg2.Error:
            self._drop()
        finally:
            self._turn.release()

    def _drop(self) -> None:
        kept, self._kept = self._kept, None
        if kept is not None:
            with suppress(psycopg2.Error):
                kept.end()
