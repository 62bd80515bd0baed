import signal
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from contextvars import ContextVar
from threading import Timer
from typing import Any, ClassVar

import psycopg2
from airflow.providers.postgres.hooks.postgres import PostgresHook
from psycopg2.extensions import connection, make_dsn

from retrain.errors import SettingsError
from retrain_airflow.hooks.connections import extra_of, get

_SECONDS = 60
_end: ContextVar[float | None] = ContextVar("_end", default=None)
"""When the time of what runs here is over, by the monotonic clock; None where only its task ends it."""


@contextmanager
def ends_within(seconds: float) -> Iterator[None]:
    """Cancel, after so many seconds, what the connections that are opened in here still wait for."""
    before = _end.set(time.monotonic() + seconds)
    try:
        yield
    finally:
        _end.reset(before)


def _left() -> float | None:
    """Return the seconds that are left to the task, or to a part of it; None where nothing bounds it."""
    end, (of_task, _) = _end.get(), signal.getitimer(signal.ITIMER_REAL)
    bounds = [of_task or None, None if end is None else max(0.0, end - time.monotonic())]
    return min((each for each in bounds if each is not None), default=None)


class Cancelled(connection):
    """A connection whose query is cancelled when the task's time, or its part of it (`ends_within`), is over.

    Airflow ends a task by a signal. Python handles it when the call has returned, and one that waits for the server,
    for a lock say, does not return before the server answers.
    """

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self._timer: Timer | None = None
        left = _left()
        if left is not None:
            self._timer = Timer(left + 1, self._give_up)
            self._timer.daemon = True
            self._timer.start()

    def close(self) -> None:
        if self._timer is not None:
            self._timer.cancel()
        super().close()

    def _give_up(self) -> None:
        with suppress(psycopg2.Error):  # it may be closed by now
            self.cancel()


class Psycopg2Hook(PostgresHook):
    """Airflow's hook with the driver that the core uses: by default it uses psycopg 3 wherever that is installed.

    Of the connection's extra, each keyword of libpq is honoured. What is for others, like Airflow's `cursor`, is left
    alone: the core names the class of each cursor, so that its rows are the same whatever a connection asks for.
    """

    connection_factory: ClassVar[type[connection]] = Cancelled

    def get_conn(self) -> connection:
        given = get(self.get_conn_id())
        extra = extra_of(given)
        login, password, port = given.login, given.password, given.port
        if extra.get("iam"):
            login, password, port = self.get_iam_token(given)
        arguments: dict[str, Any] = {
            # By default psycopg2 waits for ever: for a server that does not answer, and for one that has vanished.
            "connect_timeout": _SECONDS if (left := _left()) is None else min(_SECONDS, int(left) + 2),
            "tcp_user_timeout": _SECONDS * 1000,
            "host": given.host,
            "user": login,
            "password": password,
            "dbname": given.schema,
            "port": port,
        }
        opened: connection = psycopg2.connect(
            **arguments | self._of_libpq(extra), connection_factory=self.connection_factory
        )
        return opened

    def _of_libpq(self, extra: dict[str, Any]) -> dict[str, str]:
        """Return the keywords of libpq in a connection's extra. Raises SettingsError where a value is not one."""
        keywords = {name: value for name, value in extra.items() if _is_keyword(name)}
        for name, value in keywords.items():
            if not isinstance(value, str | int | float):
                raise SettingsError(
                    f"connection {self.get_conn_id()}: extra.{name} is neither text nor number; write what libpq takes"
                )
        if others := sorted(extra.keys() - keywords.keys() - self.ignored_extra_options):
            self.log.info(
                "Connection %s: extra.%s is not a keyword of libpq, and is left alone",
                self.get_conn_id(),
                ", extra.".join(others),
            )
        return {name: str(int(value) if isinstance(value, bool) else value) for name, value in keywords.items()}


def _is_keyword(name: str) -> bool:
    """Return whether libpq has a keyword of that name, in the version that is installed."""
    if name == "database":
        return False  # a word of psycopg2's for dbname
    try:
        make_dsn(**{name: "1"})
    except (psycopg2.ProgrammingError, TypeError):
        return False
    return True
