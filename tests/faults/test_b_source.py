"""What a source may hold, and how its session may be set."""

import logging
from contextlib import closing
from datetime import UTC, datetime, timedelta
from types import SimpleNamespace
from unicodedata import normalize

import psycopg2
import pyarrow as pa
import pytest
from psycopg2 import sql
from psycopg2.extras import DictCursor, RealDictCursor

from retrain.errors import SourceError, SourceMismatchError
from retrain.snapshots.content_keys import content_keys
from retrain.source import session as sessions
from retrain.spec import files as spec_files
from tests.core.source.tables import NOON, ONE_WAY, execute, read, source

NOT_YET = ["", " ", "\t\n", "\u3000", "\xa0\u2003", "\u200b"]
"""Texts that mean "no label yet" in somebody's table."""


@pytest.mark.parametrize("type_", ["text", "varchar(9)", "char(9)"])
def test_where_an_empty_label_is_unlabelled_counts_and_snapshots_leave_it_out(letters, type_):
    """B1."""
    execute(letters, f"ALTER TABLE letters ALTER label TYPE {type_}")
    for place, text in enumerate(NOT_YET):
        execute(letters, "INSERT INTO letters VALUES (%s, 'x', %s, now())", (10 + place, text))

    every, labelled = (source(letters, empty_label=means) for means in ("class", "unlabelled"))

    assert (every.count_labelled(None, 99), len(read(every))) == (8, 8)
    assert (labelled.count_labelled(None, 99), len(read(labelled))) == (2, 2)


@pytest.mark.parametrize("type_", ["real", "float8", "numeric"])
def test_nan_is_an_empty_label(letters, type_):
    """B1."""
    execute(
        letters,
        f"ALTER TABLE letters ALTER label TYPE {type_} USING CASE label WHEN 'good' THEN 1::{type_} "
        f"WHEN 'bad' THEN 'NaN'::{type_} END",
    )
    labelled = source(letters, empty_label="unlabelled")

    assert (labelled.count_labelled(None, 99), read(labelled)["label"].to_pylist()) == (1, [1.0])


@ONE_WAY
def test_the_index_that_is_suggested_serves_the_count_of_what_is_labelled(letters):
    """B1."""
    labelled = source(letters, empty_label="unlabelled", label_time="labelled_at")
    statement = labelled.count_plan().remedy.removeprefix("run ")
    execute(letters, statement.replace(" CONCURRENTLY", ""))

    assert "btrim" in statement
    assert labelled.count_plan().indexed


def test_a_label_time_that_python_cannot_hold_is_refused_at_once_and_its_key_is_in_the_log_alone(letters, caplog):
    """B2."""
    execute(letters, "UPDATE letters SET labelled_at = '20226-01-01Z' WHERE id = 2")
    dated = source(letters, label_time="labelled_at")

    with caplog.at_level(logging.ERROR), pytest.raises(SourceMismatchError, match="out of range") as raised:
        read(dated)
    assert "'2'" in caplog.text
    assert "'2'" not in str(raised.value)
    # What only looks at times goes on.
    assert dated.count_labelled(NOON, 9) == 1
    assert dated.newest_label_age() is not None


@ONE_WAY
def test_the_newest_rows_are_found_beside_one_in_the_far_future(letters):
    """B2."""
    from retrain.spec.source import SnapshotSpec

    execute(letters, "UPDATE letters SET labelled_at = '20226-01-01Z' WHERE id = 2")
    newest = source(letters, label_time="labelled_at", part=SnapshotSpec(max_rows=1))
    with pytest.raises(SourceMismatchError, match="out of range"):
        read(newest)


@pytest.mark.parametrize(("zone", "hours"), [(None, 0), ("UTC", 0), ("Asia/Seoul", -9), ("America/New_York", 4)])
@pytest.mark.parametrize("type_", ["timestamp", "date", "timestamptz"])
def test_a_time_without_a_zone_is_one_of_the_specs_zone(letters, type_, zone, hours):
    """B3. In March New York is four hours behind."""
    execute(letters, f"ALTER TABLE letters ALTER labelled_at TYPE {type_} USING labelled_at AT TIME ZONE 'UTC'")
    execute(letters, "UPDATE letters SET labelled_at = '2026-03-15 00:00' WHERE label IS NOT NULL")
    dated = source(letters, label_time="labelled_at", time_zone=zone)
    zoned = timedelta(0) if type_ == "timestamptz" else timedelta(hours=hours)
    expected = datetime(2026, 3, 15, tzinfo=UTC) + zoned

    assert read(dated)["label_time"].to_pylist() == [expected] * 2
    counts = [dated.count_labelled(expected + timedelta(minutes=minutes), 9) for minutes in (-1, 0)]
    assert counts == [2, 0]


@ONE_WAY
@pytest.mark.parametrize("type_", ["timestamp", "date"])
def test_a_label_time_with_a_zone_of_the_spec_is_still_found_by_its_index(letters, type_):
    """B3."""
    execute(letters, f"ALTER TABLE letters ALTER labelled_at TYPE {type_}; CREATE INDEX ON letters (labelled_at)")

    assert source(letters, label_time="labelled_at", time_zone="Asia/Seoul").count_plan().indexed
    (note,) = source(letters, label_time="labelled_at").about()
    assert "read as one of UTC; write source.time_zone" in note


SETTINGS = {
    "intervalstyle": "iso_8601",
    "datestyle": "SQL, DMY",
    "timezone": "Asia/Seoul",
    "extra_float_digits": "-5",
    "bytea_output": "escape",
    "lc_monetary": "C.UTF-8",
    "xmlbinary": "hex",
    "quote_all_identifiers": "on",
    "standard_conforming_strings": "off",
    "transform_null_equals": "on",
    "client_encoding": "LATIN1",
}


def test_no_setting_of_the_role_or_the_database_changes_a_text(letters):
    """B5."""
    execute(
        letters,
        "CREATE TABLE odd AS SELECT id, label, interval '1 day 2 h' AS i, timestamptz '2026-03-08 12:00Z' AS t, "
        r"bytea '\x00ff' AS b, 12.5::money AS m, 1.1::float4::text AS f, point(0.1, 1e-7) AS p, "
        "'pg_class'::regclass AS r, ARRAY[0.1::float8] AS a, date '2026-03-04' AS d FROM letters",
    )
    features = ("i", "t", "b", "m", "f", "p", "r", "a", "d")

    def connect():
        session = letters.connect()
        with session, session.cursor() as cursor:
            for name, value in SETTINGS.items():
                cursor.execute(sql.SQL("SET {} = {}").format(sql.Identifier(name), sql.Literal(value)))
        return session

    usual = source(letters, table="odd", features=features)
    other = source(SimpleNamespace(connect=connect), table="odd", features=features)

    assert read(usual).equals(read(other))


def test_a_lock_of_somebody_elses_is_waited_for_for_a_minute_and_then_said(letters, monkeypatch):
    """B6."""
    settings = [each.replace(f"'{sessions.PATIENCE}s'", "'100ms'") for each in sessions.SETTINGS]
    monkeypatch.setattr(sessions, "SETTINGS", tuple(settings))
    with closing(letters.connect()) as other, other.cursor() as cursor:
        cursor.execute("LOCK TABLE letters")
        for act in (lambda: source(letters).count_labelled(None, 9), lambda: read(source(letters))):
            with pytest.raises(SourceError, match="letters: is locked by another session") as raised:
                act()
            assert not isinstance(raised.value, SourceMismatchError)


def test_a_role_that_may_read_the_specs_columns_and_no_other_is_enough(letters, session):
    """B7."""
    execute(letters, "ALTER TABLE letters ADD secret text; CREATE ROLE reader LOGIN")
    try:
        execute(letters, "GRANT USAGE ON SCHEMA " + _schema(letters) + " TO reader")
        execute(letters, "GRANT SELECT (id, text, label, labelled_at) ON letters TO reader")

        def connect():
            opened = letters.connect()
            with opened, opened.cursor() as cursor:
                cursor.execute("SET SESSION AUTHORIZATION reader")
            return opened

        dsn = psycopg2.extensions.make_dsn(letters.dsn, user="reader")
        reader = source(SimpleNamespace(connect=lambda: psycopg2.connect(dsn)), label_time="labelled_at")
        assert reader.count_labelled(None, 9) == 2
        assert len(read(reader)) == 2
        assert reader.oldest_label_age() is not None
        assert reader.count_plan() is not None
        with pytest.raises(SourceMismatchError, match="there is no column 'texts'; did you mean 'text'"):
            source(SimpleNamespace(connect=lambda: psycopg2.connect(dsn)), features=("texts",)).count_labelled(None, 9)
    finally:
        execute(letters, "DROP OWNED BY reader; DROP ROLE reader")


def _schema(letters):
    with letters.session, letters.session.cursor() as cursor:
        cursor.execute("SELECT current_schema()")
        return cursor.fetchone()[0]


def test_a_role_with_another_encoding_reads_korean_names(letters):
    """B8."""
    execute(letters, 'ALTER TABLE letters RENAME label TO "결과"; ALTER TABLE letters RENAME text TO "글"')

    def connect():
        return psycopg2.connect(letters.dsn, client_encoding="LATIN1")

    korean = source(SimpleNamespace(connect=connect), label="결과", features=("글",))

    assert korean.count_labelled(None, 9) == 2
    assert read(korean)["글"].to_pylist() == ["one", "two"]


@pytest.mark.parametrize("cursor", [DictCursor, RealDictCursor])
def test_whatever_cursor_the_connection_makes_rows_are_read(letters, cursor):
    """B4."""
    connection = SimpleNamespace(connect=lambda: psycopg2.connect(letters.dsn, cursor_factory=cursor))

    assert source(connection, label_time="labelled_at").count_labelled(NOON, 9) == 1
    assert len(read(source(connection))) == 2


def test_an_error_in_a_row_is_said_at_once_as_postgresql_says_it(letters):
    """B9."""
    query = "SELECT id, text, label, 1 / (id - 2) AS odd FROM letters"

    with pytest.raises(SourceMismatchError, match=r"letters\.sql: division by zero"):
        read(source(letters, query, features=("odd",)))


def test_numbers_are_labels_of_one_type_whatever_their_column_is(letters):
    """B11."""
    execute(letters, "ALTER TABLE letters ALTER label TYPE numeric(5,2) USING CASE label WHEN 'good' THEN 1 ELSE 0 END")

    labels = read(source(letters))["label"]

    assert (labels.type, labels.to_pylist()) == (pa.float64(), [1.0, 0.0, 0.0])


def test_the_texts_of_a_column_may_take_several_batches():
    """B13. With more than 2 GiB together, Arrow keeps a column in several chunks."""
    texts = [f"letter {number}" for number in range(100)]
    table = pa.table({"text": pa.chunked_array([texts[:30], texts[30:]])})

    keys = content_keys(table, b"salt")

    assert keys.tolist() == content_keys(table.combine_chunks(), b"salt").tolist()
    assert len(set(keys.tolist())) == 100


def test_a_query_file_with_a_byte_order_mark_is_read(tmp_path):
    """B19."""
    (tmp_path / "letters.sql").write_bytes("\ufeffSELECT 1 AS id".encode())
    (tmp_path / "letters.yaml").write_text(
        "model: m\nsource: {query: letters.sql, key: id, label: label, features: [text]}\n"
        "candidates: [{name: a, estimator: 'estimators.table:logistic'}]\n"
    )
    assert spec_files.load(tmp_path / "letters.yaml").sql == "SELECT 1 AS id"


@pytest.mark.parametrize(("there", "here"), [("NFC", "NFD"), ("NFD", "NFC"), ("NFD", "NFD")])
def test_a_name_is_the_same_in_both_forms_of_unicode(letters, there, here):
    """B19."""
    execute(letters, f'ALTER TABLE letters RENAME text TO "{normalize(there, "글자")}"')
    korean = source(letters, features=(normalize(here, "글자"),))

    assert read(korean)["글자"].to_pylist() == ["one", "two"]


@ONE_WAY
def test_two_columns_that_look_alike_are_told_apart(letters):
    """B19."""
    execute(letters, f'ALTER TABLE letters RENAME text TO "{normalize("NFD", "글자")}"')
    execute(letters, f'ALTER TABLE letters ADD "{normalize("NFD", "글자")}x" text')
    with pytest.raises(SourceMismatchError, match="there is no column '글자y'"):
        source(letters, features=("글자y",)).count_labelled(None, 9)
