"""The triggerer's turns: however many specs are watched, one connection to each database, and one look at a time."""

import asyncio
from collections import defaultdict
from collections.abc import Callable
from functools import cache
from typing import TYPE_CHECKING
from weakref import WeakKeyDictionary

if TYPE_CHECKING:
    from psycopg2.extensions import connection

_turns: "WeakKeyDictionary[asyncio.AbstractEventLoop, defaultdict[str, asyncio.Lock]]" = WeakKeyDictionary()


def of(connection_id: str) -> asyncio.Lock:
    """Return the lock that is held while a look uses this connection: a look that waits takes no thread."""
    return _turns.setdefault(asyncio.get_running_loop(), defaultdict(asyncio.Lock))[connection_id]


@cache
def connecting(connection_id: str) -> "Callable[[], connection]":
    """Return what lends the one connection of this process to a database."""
    from retrain_airflow.hooks.one_connection import OneConnection

    return OneConnection(connection_id).connect
