"""A schema for each test in the source database."""

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


@pytest.fixture
def schema(postgres, session):
    """A schema of one test's own, as a database costs more than most tests."""
    name = f"test_{uuid4().hex}"
    schema = Schema(make_dsn(postgres.dsn("source"), options=f"-c search_path={name}", application_name=name), session)
    execute(schema, f"CREATE SCHEMA {name}; SET search_path = {name}")
    yield schema
    execute(schema, f"DROP SCHEMA {name} CASCADE")
