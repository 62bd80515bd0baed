"""Our own exposures as SQL: they are sent to the user's database with a statement, which takes no right to write."""

from collections.abc import Iterable, Iterator
from datetime import datetime

from psycopg2 import sql

from retrain.ledger.splits import Exposure

AT_ONCE = 200_000
"""Exposures in one statement. Each statement reads the outcomes anew, so that few great ones are faster."""


def larger(lists: Iterable[list[Exposure]]) -> Iterator[list[Exposure]]:
    """Yield lists of at least `AT_ONCE`, but for the last one, which may be empty."""
    rows: list[Exposure] = []
    for each in lists:
        rows += each
        if len(rows) >= AT_ONCE:
            yield rows
            rows = []
    yield rows


def sent(rows: list[Exposure], since: datetime, until: datetime) -> sql.Composable:
    """Return a SELECT of `unit`, `arm` and `at`, of those exposures that are of these times."""
    return sql.SQL(
        'SELECT unit COLLATE "C" AS unit, arm COLLATE "C" AS arm, at '
        "FROM unnest({}::text[], {}::text[], {}::timestamptz[]) AS sent (unit, arm, at) WHERE at >= {} AND at < {}"
    ).format(
        _array(row.unit for row in rows),
        _array(row.arm for row in rows),
        _array(row.at.isoformat() for row in rows),
        sql.Literal(since),
        sql.Literal(until),
    )


def _array(texts: Iterable[str]) -> sql.Composable:
    # As one literal: PostgreSQL reads a constructor of as many parts far more slowly.
    parts = ",".join('"' + text.replace("\\", "\\\\").replace('"', '\\"') + '"' for text in texts)
    return sql.Literal("{" + parts + "}")
