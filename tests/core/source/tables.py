"""The tables that these tests read, and how they are written and read."""

from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any

import psycopg2
import pyarrow as pa
import pytest
from psycopg2.extensions import connection

from retrain.source.table import Source
from retrain.spec.source import SnapshotSpec, SourceSpec

NOON = datetime(2026, 3, 8, 12, tzinfo=UTC)
BEST = 'CREATE INDEX CONCURRENTLY ON "letters" ("labelled_at") WHERE "label" IS NOT NULL'
"""The index that counts new rows of `letters`."""
ONE_WAY = pytest.mark.parametrize("way", ["adbc"], indirect=True)
"""For tests that read no rows: ADBC and COPY differ only in that."""


@dataclass(frozen=True)
class Schema:
    """A schema of one test's own: `connect` finds its tables by their names alone."""

    dsn: str
    session: connection
    """For the test's own statements: one for all tests, as opening a connection takes longer than most statements."""

    def connect(self) -> connection:
        return psycopg2.connect(self.dsn)


def execute(schema: Schema, statement: str, values: Any = None) -> None:
    with schema.session, schema.session.cursor() as cursor:
        cursor.execute(statement, values)


def source(database: Any, query: str | None = None, *, part: SnapshotSpec | None = None, **fields: Any) -> Source:
    """A source of table `letters`, or of a query file; fields: of its spec."""
    spec: dict[str, Any] = {"key": "id", "label": "label", "features": ("text",)} | fields
    spec |= {"query": "letters.sql"} if query is not None else {"table": spec.get("table", "letters")}
    return Source(database.connect, SourceSpec(**spec), query, part)


def read(source: Source) -> pa.Table:
    """Every labelled row as one table."""
    with source.labelled() as reader:
        return reader.read_all()
