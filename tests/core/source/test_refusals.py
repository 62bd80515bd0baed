"""Errors are one line each and name what is wrong, and nothing is ever written."""

import re
from contextlib import closing
from functools import partial
from types import SimpleNamespace
from uuid import uuid4

import psycopg2
import pytest
from psycopg2.extensions import make_dsn

from retrain.errors import SourceError, SourceMismatchError
from tests.core.source.tables import BEST, ONE_WAY, execute, read, source


@ONE_WAY
def test_a_missing_column_is_named_with_one_of_a_similar_name(letters):
    wrong = source(letters, label="lable", features=("texte",))

    for use in (partial(read, wrong), lambda: wrong.count_labelled(None, 9)):
        with pytest.raises(SourceError) as raised:
            use()
        assert str(raised.value).splitlines() == [
            "letters: there is no column 'lable'; did you mean 'label'?",
            "letters: there is no column 'texte'; did you mean 'text'?",
        ]


@ONE_WAY
def test_a_missing_column_is_named_with_all_columns_of_the_table(letters):
    with pytest.raises(SourceError, match=r"there is no column 'zzz'; it has id, text, label, labelled_at$"):
        read(source(letters, key="zzz"))


@ONE_WAY
def test_a_table_that_is_not_there_is_named(schema):
    with pytest.raises(SourceError, match=r'^letters: relation "letters" does not exist'):
        source(schema).count_labelled(None, 1)


def test_a_database_that_cannot_be_reached_is_one_line():
    nowhere = SimpleNamespace(connect=lambda: psycopg2.connect(host="127.0.0.1", port=1, dbname="x", user="x"))

    with pytest.raises(SourceError, match=r"^letters: connection to server .* failed: .*$"):
        source(nowhere).count_labelled(None, 1)


@pytest.fixture
def role(letters):
    """A role of one test's own, with USAGE on the schema: its name, and how to connect as it."""
    name = f"reader_{uuid4().hex}"
    execute(
        letters,
        f"CREATE ROLE {name} LOGIN PASSWORD 'correct-horse'; "
        f"DO $$ BEGIN EXECUTE format('GRANT USAGE ON SCHEMA %I TO {name}', current_schema()); END $$",
    )
    yield SimpleNamespace(name=name, connect=lambda **how: psycopg2.connect(make_dsn(letters.dsn, user=name, **how)))
    execute(letters, f"DROP OWNED BY {name}; DROP ROLE {name}")


@pytest.fixture
def guarded(role, letters, postgres):
    """The same role; the server now asks for its password."""
    rules = postgres.home.pgdata / "pg_hba.conf"
    before = rules.read_text()
    rules.write_text(f"local all {role.name} scram-sha-256\n{before}")
    execute(letters, "SELECT pg_reload_conf()")
    yield role
    rules.write_text(before)
    execute(letters, "SELECT pg_reload_conf()")


def one_line(raised):
    message = str(raised.value)
    assert "\n" not in message
    return message


@ONE_WAY
def test_a_wrong_password_is_one_line_without_the_password(guarded, eventually):
    def refused():
        with pytest.raises(SourceError) as raised:
            source(SimpleNamespace(connect=lambda: guarded.connect(password="battery-staple"))).count_labelled(None, 9)
        return "password authentication failed" in one_line(raised) and "battery-staple" not in one_line(raised)

    # The server takes a while to reload its rules.
    eventually(refused)


def test_a_table_that_we_may_not_read_is_one_line(role):
    for use in (partial(read, source(role)), source(role).count_plan, lambda: source(role).count_labelled(None, 9)):
        with pytest.raises(SourceMismatchError) as raised:
            use()
        assert one_line(raised) == "letters: permission denied for table letters"


def test_a_column_that_we_may_not_read_is_one_line(role, letters):
    execute(letters, f"GRANT SELECT (id, label) ON letters TO {role.name}")

    with pytest.raises(SourceMismatchError) as raised:
        read(source(role))
    assert one_line(raised) == "letters: permission denied for table letters"


def test_reading_is_all_that_we_need(role, letters):
    execute(letters, f"GRANT SELECT ON letters TO {role.name}")
    reader = source(role, label_time="labelled_at")

    assert read(reader).num_rows == 2
    assert reader.count_labelled(None, 9) == 2
    assert reader.count_plan().remedy == f"run {BEST}"


def test_a_server_that_goes_in_the_middle_of_the_rows_is_one_line_and_gives_none(schema):
    """The connection's own process is ended by the row that it reads."""
    half = (
        "SELECT n AS id, CASE WHEN n = 5000 THEN pg_terminate_backend(pg_backend_pid())::text ELSE repeat('x', 1000) "
        "END AS text, 'good' AS label FROM generate_series(1, 10000) AS n"
    )

    with pytest.raises(SourceError) as raised:
        read(source(schema, half))
    # psycopg2 raises one or the other, depending on how much it had read.
    assert re.match("letters.sql: (terminating connection|server closed the connection)", one_line(raised))
    assert not isinstance(raised.value, SourceMismatchError)


@pytest.mark.parametrize("when", ["infinity", "-infinity"])
def test_a_label_time_without_an_end_is_one_line(letters, when):
    execute(letters, "UPDATE letters SET labelled_at = %s", (when,))
    dated = source(letters, label_time="labelled_at")

    for use, kind in ((partial(read, dated), SourceError), (dated.oldest_label_age, SourceMismatchError)):
        with pytest.raises(kind) as raised:
            use()
        assert "infinit" in one_line(raised)


def test_nothing_can_be_written_even_by_a_query_file(letters):
    execute(
        letters,
        "CREATE FUNCTION wipe() RETURNS TABLE (id int, text text, label text) LANGUAGE sql AS "
        "$$ DELETE FROM letters RETURNING id, text, label $$",
    )

    with pytest.raises(SourceError, match="cannot execute DELETE in a read-only transaction"):
        read(source(letters, "SELECT * FROM wipe()"))
    assert source(letters).count_labelled(None, at_most=9) == 2


def test_no_connection_is_left_open(letters):
    read(source(letters))
    with pytest.raises(SourceError):
        read(source(letters, key="zzz"))

    with closing(letters.connect()) as session, session.cursor() as cursor:
        cursor.execute(
            "SELECT count(*) FROM pg_stat_activity WHERE application_name = current_setting('application_name')"
        )
        assert cursor.fetchone() == (1,)
