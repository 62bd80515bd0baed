"""A schema for each test in the source database, and a table of letters."""

from contextlib import closing
from uuid import uuid4

import psycopg2
import pytest
from psycopg2.extensions import make_dsn

from tests.core.source.tables import Schema, execute


@pytest.fixture(scope="session")
def session(postgres):
    """A connection for the statements of all tests."""
    with closing(psycopg2.connect(postgres.dsn("source"))) as session:
        yield session


@pytest.fixture(params=["adbc", "copy"])
def way(request, monkeypatch):
    """Each test reads rows both ways, unless it reads none."""
    if request.param == "copy":
        monkeypatch.setattr("retrain.extras.has", lambda _: False)
    return request.param


@pytest.fixture
def schema(postgres, session, way):
    """A schema of one test's own, as a database costs more than most tests. It is dropped, because ADBC reads all types
    of the database whenever it connects.
    """
    name = f"test_{uuid4().hex}"
    schema = Schema(make_dsn(postgres.dsn("source"), options=f"-c search_path={name}", application_name=name), session)
    execute(schema, f"CREATE SCHEMA {name}; SET search_path = {name}")
    yield schema
    execute(schema, f"DROP SCHEMA {name} CASCADE")


@pytest.fixture
def letters(schema):
    """A table with one feature, a text, and two labelled rows of three."""
    execute(
        schema,
        "CREATE TABLE letters (id int PRIMARY KEY, text text, label text, labelled_at timestamptz); "
        "INSERT INTO letters VALUES (1, 'one', 'good', '2026-03-08 12:00Z'), (2, 'two', 'bad', '2026-03-08 13:00Z'), "
        "(3, 'three', NULL, NULL)",
    )
    return schema
