"""Values arrive as PostgreSQL holds them: every type, every text, every label time."""

from contextlib import closing
from datetime import UTC, datetime, timedelta
from functools import partial
from math import isnan
from types import SimpleNamespace
from uuid import uuid4

import psycopg2
import pyarrow as pa
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from psycopg2.extensions import make_dsn

from retrain.errors import SourceError, SourceMismatchError
from retrain.source.layout import LABEL_TIME
from tests.core.source.tables import NOON, ONE_WAY, execute, read, source

# ── types


def column_of(schema, type_, values):
    """How a feature of this type arrives, from values as PostgreSQL writes them."""
    execute(schema, f"CREATE TABLE letters (id serial, text {type_}, label int)")
    for value in values:
        execute(schema, f"INSERT INTO letters (text, label) VALUES (%s::{type_}, 1)", (value,))
    return read(source(schema)).sort_by("key")["text"]


@pytest.mark.parametrize(
    ("type_", "written", "arrow", "expected"),
    [
        ("text", ["a", "", None], pa.string(), ["a", "", None]),
        ("varchar(3)", ["a", None], pa.string(), ["a", None]),
        ("char(3)", ["a"], pa.string(), ["a"]),
        ("smallint", ["-1", None], pa.int64(), [-1, None]),
        ("int", ["7"], pa.int64(), [7]),
        ("bigint", [str(2**63 - 1), str(-(2**63))], pa.int64(), [2**63 - 1, -(2**63)]),
        ("real", ["0.5", None], pa.float64(), [0.5, None]),
        ("float8", ["0.1", "1e-300", "-0"], pa.float64(), [0.1, 1e-300, -0.0]),
        ("float8", ["Infinity", "-Infinity"], pa.float64(), [float("inf"), float("-inf")]),
        ("numeric", ["12345.678", None], pa.float64(), [12345.678, None]),
        ("numeric(4,2)", ["1.50"], pa.float64(), [1.5]),
        ("boolean", ["t", "f", None], pa.bool_(), [True, False, None]),
        ("date", ["2026-03-08"], pa.string(), ["2026-03-08"]),
        ("timestamp", ["2026-03-08 12:00"], pa.string(), ["2026-03-08 12:00:00"]),
        ("timestamptz", ["2026-03-08 12:00+09"], pa.string(), ["2026-03-08 03:00:00+00"]),
        ("uuid", ["00000000-0000-0000-0000-000000000001"], pa.string(), ["00000000-0000-0000-0000-000000000001"]),
        ("jsonb", ['{"a": [1, "x"]}'], pa.string(), ['{"a": [1, "x"]}']),
        ("text[]", ['{a,"b c"}'], pa.string(), ['{a,"b c"}']),
        ("bytea", ["\\x00ff"], pa.string(), ["\\x00ff"]),
    ],
    ids=lambda value: value if isinstance(value, str) else "",
)
def test_a_column_arrives_with_its_type(schema, type_, written, arrow, expected):
    column = column_of(schema, type_, written)

    assert (column.type, column.to_pylist()) == (arrow, expected)


def test_nan_is_kept_apart_from_null(schema):
    number, null = column_of(schema, "float8", ["NaN", None]).to_pylist()

    assert isnan(number)
    assert null is None


def test_a_domain_arrives_as_the_type_below_it(schema):
    execute(schema, "CREATE DOMAIN points AS int CHECK (value >= 0)")

    assert column_of(schema, "points", ["3"]).type == pa.int64()


@pytest.mark.parametrize("type_", ["text", "int", "float8", "boolean"])
def test_a_column_without_any_value_keeps_its_type(schema, type_):
    wanted = {"text": pa.string(), "int": pa.int64(), "float8": pa.float64(), "boolean": pa.bool_()}[type_]

    column = column_of(schema, type_, [None, None])

    assert (column.type, column.null_count) == (wanted, 2)


def test_a_text_column_of_empty_texts_is_not_taken_for_null(schema):
    assert column_of(schema, "text", ["", ""]).to_pylist() == ["", ""]


@pytest.mark.parametrize(
    ("type_", "value", "label"),
    [
        ("text", "good", "good"),
        ("int", "1", 1),
        ("boolean", "true", True),
        ("numeric(1)", "1", 1.0),
        ("float8", "0.5", 0.5),
        ("text", "", ""),
    ],
)
def test_a_label_keeps_its_type(schema, type_, value, label):
    execute(schema, f"CREATE TABLE letters (id int, text text, label {type_})")
    execute(schema, "INSERT INTO letters VALUES (1, 'a', %s)", (value,))

    assert read(source(schema))["label"].to_pylist() == [label]


@pytest.mark.parametrize(
    ("type_", "value", "key"),
    [("int", "1", "1"), ("text", "a b", "a b"), ("uuid", "0" * 32, "00000000-0000-0000-0000-000000000000")],
)
def test_a_key_arrives_as_text(schema, type_, value, key):
    execute(schema, f"CREATE TABLE letters (id {type_}, text text, label int)")
    execute(schema, "INSERT INTO letters VALUES (%s, 'a', 1)", (value,))

    assert read(source(schema))["key"].to_pylist() == [key]


# ── text


def texts_of(schema, texts):
    """How these texts arrive, written as the features of rows 1, 2, 3 and so on."""
    execute(
        schema,
        "INSERT INTO letters SELECT n, text, 'good' FROM unnest(%s::text[]) WITH ORDINALITY AS texts (text, n)",
        (texts,),
    )
    table = read(source(schema))
    arrived = dict(zip(table["key"].to_pylist(), table["text"].to_pylist(), strict=True))
    return [arrived[str(number)] for number in range(1, len(texts) + 1)]


def test_text_arrives_as_it_was_written(letters):
    texts = [
        'she said "no", and left',
        "one\nline and\r\nanother\rend",
        "\n",
        '"',
        ",",
        "\\.",
        "\\N",
        "NULL",
        "t",
        "  kept  ",
        "자기소개서 🙂 \u2028 \ufeff",
        "x" * 3_000_000,
    ]
    execute(letters, "TRUNCATE letters")

    assert texts_of(letters, texts) == texts


def test_texts_of_a_megabyte_arrive(letters):
    """More of them than one batch holds."""
    execute(
        letters, "INSERT INTO letters SELECT n, n || repeat('가', 350000), 'good' FROM generate_series(10, 19) AS n"
    )

    arrived = read(source(letters))["text"].to_pylist()

    assert arrived == ["one", "two", *(f"{number}{'가' * 350_000}" for number in range(10, 20))]


def test_line_breaks_arrive_where_one_block_of_the_parser_ends_and_the_next_begins(letters, monkeypatch):
    monkeypatch.setattr("retrain.source.stream._BLOCK", 10_000)
    texts = ["one\nline\n" * 300] * 20
    execute(letters, "TRUNCATE letters")

    assert texts_of(letters, texts) == texts


def test_a_row_longer_than_one_block_of_the_parser_is_refused(letters, monkeypatch):
    monkeypatch.setattr("retrain.extras.has", lambda _: False)
    monkeypatch.setattr("retrain.source.stream._BLOCK", 10_000)
    execute(letters, "UPDATE letters SET text = repeat('x', 30000)")

    with pytest.raises(SourceError, match=r"^letters: cannot be parsed: "):
        read(source(letters))


@settings(deadline=None, max_examples=20, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(
    texts=st.lists(st.none() | st.text(st.characters(exclude_categories=["Cs"], exclude_characters="\0")), max_size=20)
)
def test_any_texts_arrive_as_they_were_written(letters, texts):
    execute(letters, "DELETE FROM letters")

    assert texts_of(letters, texts) == texts


def test_text_arrives_whatever_the_encoding_of_the_client(letters):
    execute(letters, "UPDATE letters SET text = '자기소개서' WHERE id = 1")

    def connect():
        session = letters.connect()
        session.set_client_encoding("UHC")
        return session

    table = read(source(SimpleNamespace(connect=connect))).sort_by("key")
    assert table["text"][0].as_py() == "자기소개서"


def test_bytes_that_are_not_text_are_refused_where_the_database_takes_any(postgres, monkeypatch):
    name = f"test_{uuid4().hex}"
    ascii_, admin = make_dsn(postgres.dsn("source"), dbname=name), psycopg2.connect(postgres.dsn("source"))
    with closing(admin), admin.cursor() as cursor:
        admin.autocommit = True
        cursor.execute(f"CREATE DATABASE {name} ENCODING SQL_ASCII LOCALE 'C' TEMPLATE template0")
        try:
            schema = SimpleNamespace(connect=lambda: psycopg2.connect(ascii_))
            with closing(schema.connect()) as session, session, session.cursor() as own:
                own.execute("CREATE TABLE letters AS SELECT 1 AS id, E'\\xb0\\xa1' AS text, 1 AS label")
            for has_adbc in (True, False):
                monkeypatch.setattr("retrain.extras.has", lambda _, it=has_adbc: it)
                with pytest.raises(SourceError, match=r"^letters: invalid byte sequence for encoding"):
                    read(source(schema))
        finally:
            cursor.execute(f"DROP DATABASE {name}")


def test_what_is_read_does_not_depend_on_the_settings_of_the_role(schema):
    def connect():
        session = schema.connect()
        with session, session.cursor() as cursor:
            cursor.execute("SET TIME ZONE 'Asia/Seoul'; SET datestyle = 'SQL, DMY'")
        return session

    execute(schema, "CREATE TABLE letters (id int, text timestamptz, day date, label int, at timestamp)")
    execute(schema, "INSERT INTO letters VALUES (1, '2026-03-08 12:00Z', '2026-03-08', 1, '2026-03-08 12:00')")

    table = read(source(SimpleNamespace(connect=connect), label_time="at", features=("text", "day")))

    assert table.to_pylist() == [
        {"key": "1", "label": 1, "label_time": NOON, "text": "2026-03-08 12:00:00+00", "day": "2026-03-08"}
    ]


# ── label times


@pytest.mark.parametrize(
    ("type_", "written", "expected"),
    [
        ("timestamptz", "2026-03-08 21:00:00.000001+09", NOON + timedelta(microseconds=1)),
        ("timestamp", "2026-03-08 12:00", NOON),
        ("date", "2026-03-08", datetime(2026, 3, 8, tzinfo=UTC)),
        ("timestamptz", "1969-12-31 23:59:59.999999+00", datetime(1969, 12, 31, 23, 59, 59, 999999, UTC)),
        ("timestamptz", None, None),
    ],
)
def test_a_label_time_is_exact_and_in_utc(schema, type_, written, expected):
    execute(schema, f"CREATE TABLE letters (id int, text text, label int, at {type_})")
    execute(schema, "INSERT INTO letters VALUES (1, 'a', 1, %s)", (written,))

    column = read(source(schema, label_time="at"))["label_time"]

    assert (column.type, column.to_pylist()) == (LABEL_TIME, [expected])


@pytest.mark.parametrize("type_", ["timestamptz", "timestamp"])
def test_labels_of_the_hour_that_a_clock_shows_twice_are_counted_once_each(schema, type_):
    """On 25 October 2026 at 01:00 UTC clocks in Berlin go from 03:00 back to 02:00."""
    execute(schema, f"CREATE TABLE letters (id int, text text, label int, at {type_})")
    before, after = datetime(2026, 10, 25, 0, 30, tzinfo=UTC), datetime(2026, 10, 25, 1, 30, tzinfo=UTC)

    def connect():
        session = schema.connect()
        with session, session.cursor() as cursor:
            cursor.execute("SET TIME ZONE 'Europe/Berlin'")
        return session

    berlin = source(SimpleNamespace(connect=connect), label_time="at")
    for number, when in enumerate((before, after)):
        written = when if type_ == "timestamptz" else when.replace(tzinfo=None)
        execute(schema, "INSERT INTO letters VALUES (%s, 'a', 1, %s)", (number, written))

    assert read(berlin).sort_by("key")["label_time"].to_pylist() == [before, after]
    assert berlin.count_labelled(before, at_most=9) == 1
    assert berlin.count_labelled(after, at_most=9) == 0


@pytest.mark.parametrize("written", ["infinity", "-infinity", "294276-12-31 23:59:59+00"])
def test_a_label_time_that_64_bits_do_not_hold_is_refused(schema, written):
    execute(schema, "CREATE TABLE letters (id int, text text, label int, at timestamptz)")
    execute(schema, "INSERT INTO letters VALUES (1, 'a', 1, %s), (2, 'a', 1, now())", (written,))

    with pytest.raises(SourceMismatchError, match=r"^letters: .*(infinit|out of range)"):
        read(source(schema, label_time="at"))


def test_the_first_of_all_times_is_read(schema):
    execute(schema, "CREATE TABLE letters (id int, text text, label int, at timestamptz)")
    execute(schema, "INSERT INTO letters VALUES (1, 'a', 1, '4714-11-24 00:00:00+00 BC')")

    column = read(source(schema, label_time="at"))["label_time"]

    assert column.cast(pa.int64()).to_pylist() == [-210_866_803_200_000_000]


@ONE_WAY
def test_a_label_time_that_is_not_a_time_is_refused(letters):
    wrong = source(letters, label_time="id")

    for use in (partial(read, wrong), lambda: wrong.count_labelled(NOON, 9)):
        with pytest.raises(SourceError, match=r"^letters: 'id' is not a time; cast it in a query file$"):
            use()
