"""What is read is what PostgreSQL holds: every type, every sign, every labelled row, and nothing is ever written."""

import re
from contextlib import closing
from datetime import UTC, datetime, timedelta
from math import isnan
from types import SimpleNamespace
from uuid import UUID, uuid4

import psycopg2
import pyarrow as pa
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from psycopg2 import sql
from psycopg2.extensions import make_dsn
from pydantic import ValidationError

from retrain.errors import SourceError, SourceMismatchError
from retrain.source.columns import KEY_ORDER, NUMBERS, SINCE, TEXT
from retrain.source.table import LABEL_TIME, Source
from retrain.spec.source import SnapshotSpec, SourceSpec

NOON = datetime(2026, 3, 8, 12, tzinfo=UTC)


def execute(database, statement, values=None):
    with closing(database.connect()) as session, session, session.cursor() as cursor:
        cursor.execute(statement, values)


def source(database, query=None, *, part=None, **fields):
    told = {"key": "id", "label": "label", "features": ("text",)} | fields
    told |= {"query": "letters.sql"} if query is not None else {"table": told.get("table", "letters")}
    return Source(database.connect, SourceSpec(**told), query, part)


@pytest.fixture(params=["adbc", "copy"])
def database(postgres, request, monkeypatch):
    """A schema of one test's own, in which names without a schema are found: a database costs more than most tests.

    Each test reads by either way that there is.
    """
    if request.param == "copy":
        monkeypatch.setattr("retrain.source.stream._has_adbc", lambda: False)
    schema = f"test_{uuid4().hex}"
    dsn = make_dsn(postgres.dsn("source"), options=f"-c search_path={schema}", application_name=schema)
    database = SimpleNamespace(connect=lambda: psycopg2.connect(dsn))
    execute(database, f"CREATE SCHEMA {schema}")
    yield database
    execute(database, f"DROP SCHEMA {schema} CASCADE")


@pytest.fixture
def letters(database):
    """A table with one feature, a text, and two labelled rows of three."""
    execute(
        database,
        "CREATE TABLE letters (id int PRIMARY KEY, text text, label text, labelled_at timestamptz); "
        "INSERT INTO letters VALUES (1, 'one', 'good', '2026-03-08 12:00Z'), (2, 'two', 'bad', '2026-03-08 13:00Z'), "
        "(3, 'three', NULL, NULL)",
    )
    return database


def column_of(database, type_, values):
    """How a feature of this type arrives, from values as PostgreSQL writes them."""
    execute(database, f"CREATE TABLE letters (id serial, text {type_}, label int)")
    for value in values:
        execute(database, f"INSERT INTO letters (text, label) VALUES (%s::{type_}, 1)", (value,))
    return source(database).read_labelled().sort_by("key")["text"]


# ── types


@pytest.mark.parametrize(
    ("type_", "written", "arrow", "read"),
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
def test_a_column_arrives_with_its_type(database, type_, written, arrow, read):
    column = column_of(database, type_, written)

    assert (column.type, column.to_pylist()) == (arrow, read)


def test_a_number_that_is_none_is_kept_apart_from_an_empty_one(database):
    number, null = column_of(database, "float8", ["NaN", None]).to_pylist()

    assert isnan(number)
    assert null is None


def test_a_domain_arrives_as_the_type_below_it(database):
    execute(database, "CREATE DOMAIN points AS int CHECK (value >= 0)")

    assert column_of(database, "points", ["3"]).type == pa.int64()


@pytest.mark.parametrize("type_", ["text", "int", "float8", "boolean"])
def test_a_column_without_any_value_keeps_its_type(database, type_):
    wanted = {"text": pa.string(), "int": pa.int64(), "float8": pa.float64(), "boolean": pa.bool_()}[type_]

    column = column_of(database, type_, [None, None])

    assert (column.type, column.null_count) == (wanted, 2)


def test_a_text_column_of_empty_texts_is_not_taken_for_null(database):
    assert column_of(database, "text", ["", ""]).to_pylist() == ["", ""]


@pytest.mark.parametrize(
    ("type_", "value", "label"),
    [
        ("text", "good", "good"),
        ("int", "1", 1),
        ("boolean", "true", True),
        ("numeric(1)", "1", "1"),
        ("float8", "0.5", "0.5"),
        ("text", "", ""),
    ],
)
def test_a_label_is_the_name_of_a_class(database, type_, value, label):
    execute(database, f"CREATE TABLE letters (id int, text text, label {type_})")
    execute(database, "INSERT INTO letters VALUES (1, 'a', %s)", (value,))

    assert source(database).read_labelled()["label"].to_pylist() == [label]


@pytest.mark.parametrize(
    ("type_", "value", "key"),
    [("int", "1", "1"), ("text", "a b", "a b"), ("uuid", "0" * 32, "00000000-0000-0000-0000-000000000000")],
)
def test_a_key_arrives_as_text(database, type_, value, key):
    execute(database, f"CREATE TABLE letters (id {type_}, text text, label int)")
    execute(database, "INSERT INTO letters VALUES (%s, 'a', 1)", (value,))

    assert source(database).read_labelled()["key"].to_pylist() == [key]


# ── text


def texts_of(database, texts):
    """How these texts arrive, written as the features of rows 1, 2, 3 and so on."""
    execute(
        database,
        "INSERT INTO letters SELECT n, text, 'good' FROM unnest(%s::text[]) WITH ORDINALITY AS given (text, n)",
        (texts,),
    )
    table = source(database).read_labelled()
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
    texts = [f"{number}{'가' * 350_000}" for number in range(20)]
    execute(letters, "TRUNCATE letters")

    assert texts_of(letters, texts) == texts


def test_line_breaks_arrive_where_one_block_of_the_parser_ends_and_the_next_begins(letters, monkeypatch):
    monkeypatch.setattr("retrain.source.stream._BLOCK", 10_000)
    texts = ["one\nline\n" * 300] * 20
    execute(letters, "TRUNCATE letters")

    assert texts_of(letters, texts) == texts


def test_a_row_longer_than_what_is_parsed_at_once_is_told(letters, monkeypatch):
    monkeypatch.setattr("retrain.source.stream._has_adbc", lambda: False)
    monkeypatch.setattr("retrain.source.stream._BLOCK", 10_000)
    execute(letters, "UPDATE letters SET text = repeat('x', 30000)")

    with pytest.raises(SourceError, match=r"^letters: cannot be parsed: "):
        source(letters).read_labelled()


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

    table = source(SimpleNamespace(connect=connect)).read_labelled().sort_by("key")
    assert table["text"][0].as_py() == "자기소개서"


def test_bytes_that_are_no_text_are_refused_where_the_database_takes_any(postgres, monkeypatch):
    name = f"test_{uuid4().hex}"
    ascii_, admin = make_dsn(postgres.dsn("source"), dbname=name), psycopg2.connect(postgres.dsn("source"))
    with closing(admin), admin.cursor() as cursor:
        admin.autocommit = True
        cursor.execute(f"CREATE DATABASE {name} ENCODING SQL_ASCII LOCALE 'C' TEMPLATE template0")
        try:
            database = SimpleNamespace(connect=lambda: psycopg2.connect(ascii_))
            execute(database, "CREATE TABLE letters AS SELECT 1 AS id, E'\\xb0\\xa1' AS text, 1 AS label")
            for has_adbc in (True, False):
                monkeypatch.setattr("retrain.source.stream._has_adbc", lambda it=has_adbc: it)
                with pytest.raises(SourceError, match=r"^letters: invalid byte sequence for encoding"):
                    source(database).read_labelled()
        finally:
            cursor.execute(f"DROP DATABASE {name}")


def test_what_is_read_does_not_depend_on_the_settings_of_the_role(database):
    def connect():
        session = database.connect()
        with session, session.cursor() as cursor:
            cursor.execute("SET TIME ZONE 'Asia/Seoul'; SET datestyle = 'SQL, DMY'")
        return session

    execute(database, "CREATE TABLE letters (id int, text timestamptz, day date, label int, at timestamp)")
    execute(database, "INSERT INTO letters VALUES (1, '2026-03-08 12:00Z', '2026-03-08', 1, '2026-03-08 12:00')")

    read = source(SimpleNamespace(connect=connect), label_time="at", features=("text", "day")).read_labelled()

    assert read.to_pylist() == [
        {"key": "1", "label": 1, "label_time": NOON, "text": "2026-03-08 12:00:00+00", "day": "2026-03-08"}
    ]


# ── label times


@pytest.mark.parametrize(
    ("type_", "written", "read"),
    [
        ("timestamptz", "2026-03-08 21:00:00.000001+09", NOON + timedelta(microseconds=1)),
        ("timestamp", "2026-03-08 12:00", NOON),
        ("date", "2026-03-08", datetime(2026, 3, 8, tzinfo=UTC)),
        ("timestamptz", "1969-12-31 23:59:59.999999+00", datetime(1969, 12, 31, 23, 59, 59, 999999, UTC)),
        ("timestamptz", None, None),
    ],
)
def test_a_label_time_is_exact_and_in_utc(database, type_, written, read):
    execute(database, f"CREATE TABLE letters (id int, text text, label int, at {type_})")
    execute(database, "INSERT INTO letters VALUES (1, 'a', 1, %s)", (written,))

    column = source(database, label_time="at").read_labelled()["label_time"]

    assert (column.type, column.to_pylist()) == (LABEL_TIME, [read])


@pytest.mark.parametrize("type_", ["timestamptz", "timestamp"])
def test_labels_of_the_hour_that_a_clock_shows_twice_are_counted_once_each(database, type_):
    """On 25 October 2026 at 01:00 UTC clocks in Berlin go from 03:00 back to 02:00."""
    execute(database, f"CREATE TABLE letters (id int, text text, label int, at {type_})")
    before, after = datetime(2026, 10, 25, 0, 30, tzinfo=UTC), datetime(2026, 10, 25, 1, 30, tzinfo=UTC)

    def connect():
        session = database.connect()
        with session, session.cursor() as cursor:
            cursor.execute("SET TIME ZONE 'Europe/Berlin'")
        return session

    berlin = source(SimpleNamespace(connect=connect), label_time="at")
    for number, when in enumerate((before, after)):
        written = when if type_ == "timestamptz" else when.replace(tzinfo=None)
        execute(database, "INSERT INTO letters VALUES (%s, 'a', 1, %s)", (number, written))

    assert berlin.read_labelled().sort_by("key")["label_time"].to_pylist() == [before, after]
    assert berlin.count_labelled(before, at_most=9) == 1
    assert berlin.count_labelled(after, at_most=9) == 0


@pytest.mark.parametrize("written", ["infinity", "-infinity", "294276-12-31 23:59:59+00"])
def test_a_label_time_that_64_bits_do_not_hold_is_refused(database, written):
    execute(database, "CREATE TABLE letters (id int, text text, label int, at timestamptz)")
    execute(database, "INSERT INTO letters VALUES (1, 'a', 1, %s), (2, 'a', 1, now())", (written,))

    with pytest.raises(SourceMismatchError, match=r"^letters: .*(infinit|out of range)"):
        source(database, label_time="at").read_labelled()


def test_the_first_of_all_times_is_read(database):
    execute(database, "CREATE TABLE letters (id int, text text, label int, at timestamptz)")
    execute(database, "INSERT INTO letters VALUES (1, 'a', 1, '4714-11-24 00:00:00+00 BC')")

    column = source(database, label_time="at").read_labelled()["label_time"]

    assert column.cast(pa.int64()).to_pylist() == [-210_866_803_200_000_000]


def test_a_label_time_that_is_no_time_is_refused(letters):
    wrong = source(letters, label_time="id")

    for use in (wrong.read_labelled, lambda: wrong.count_labelled(NOON, 9)):
        with pytest.raises(SourceError, match=r"^letters: 'id' is no time; cast it in a query file$"):
            use()


# ── which rows


def test_rows_without_a_label_are_not_read(letters):
    assert sorted(source(letters).read_labelled()["key"].to_pylist()) == ["1", "2"]


def test_only_rows_within_the_window_are_read_and_counted(letters):
    execute(letters, "UPDATE letters SET labelled_at = now() - id * interval '10 days' WHERE label IS NOT NULL")
    windows = ["9d", "19d", "21d"]
    within = [source(letters, label_time="labelled_at", part=SnapshotSpec(window=window)) for window in windows]

    assert [each.read_labelled()["key"].to_pylist() for each in within] == [[], ["1"], ["1", "2"]]
    assert [each.count_labelled(None, at_most=9) for each in within] == [0, 1, 2]
    assert [each.count_labelled(NOON - timedelta(days=9_999), at_most=9) for each in within] == [0, 1, 2]


def test_of_more_rows_than_are_wanted_the_newest_are_read_and_those_of_one_moment_stay_together(letters):
    execute(
        letters,
        "INSERT INTO letters SELECT n, 'x', 'good', '2026-03-09Z'::timestamptz + (n / 2) * interval '1 day' "
        "FROM generate_series(4, 9) AS n; INSERT INTO letters VALUES (10, 'no time', 'good', NULL)",
    )

    def newest(count):
        return source(letters, label_time="labelled_at", part=SnapshotSpec(max_rows=count))

    kept = [newest(count).read_labelled()["key"].to_pylist() for count in (1, 2, 3, 4, 7, 8)]
    # One without a label time is the oldest of all.
    assert kept == [[], ["8", "9"], ["8", "9"], ["6", "7", "8", "9"], ["2", *"456789"], ["1", "2", *"456789", "10"]]


def test_where_not_all_rows_are_read_it_is_said_since_when(letters):
    with source(letters, label_time="labelled_at", part=SnapshotSpec(max_rows=1)).labelled() as reader:
        assert reader.schema.metadata[SINCE] == b"2026-03-08T12:00:00+00:00"
    with source(letters, label_time="labelled_at").labelled() as reader:
        assert SINCE not in reader.schema.metadata


@pytest.mark.parametrize(
    ("type_", "keys", "order"),
    [
        ("int", ["10", "9", "-1"], ["-1", "9", "10"]),
        ("text", ["b", "나", "가", "B", "9", "10"], ["10", "9", "B", "b", "가", "나"]),
        ("numeric", ["10", "9"], ["10", "9"]),
        ("uuid", [f"{1:032x}", f"{0:032x}"], [str(UUID(int=0)), str(UUID(int=1))]),
    ],
)
def test_rows_come_in_the_order_of_numbers_or_of_bytes_whatever_the_language(database, type_, keys, order):
    execute(database, f"CREATE TABLE letters (id {type_}, text text, label int)")
    for key in keys:
        execute(database, "INSERT INTO letters VALUES (%s, 'x', 1)", (key,))

    with source(database).labelled() as reader:
        assert reader.schema.metadata[KEY_ORDER] == (NUMBERS if type_ == "int" else TEXT)
        assert reader.read_all()["key"].to_pylist() == order


def test_an_empty_table_gives_no_rows_of_the_right_types(letters):
    execute(letters, "TRUNCATE letters")

    table = source(letters, label_time="labelled_at").read_labelled()

    assert table.num_rows == 0
    assert table.schema == pa.schema(
        {"key": pa.string(), "label": pa.string(), "label_time": LABEL_TIME, "text": pa.string()}
    )


def test_an_empty_table_has_the_schema_of_a_full_one(letters):
    full = source(letters).read_labelled().schema
    execute(letters, "TRUNCATE letters")

    assert source(letters).read_labelled().schema == full


def test_features_come_in_the_order_of_the_spec(letters):
    table = source(letters, features=("text", "labelled_at")).read_labelled()

    assert table.column_names == ["key", "label", "label_time", "text", "labelled_at"]


def test_rows_that_were_committed_late_are_in_the_next_snapshot(letters):
    """A row is labelled before another that is committed first."""
    labelled = source(letters, label_time="labelled_at")
    with closing(letters.connect()) as late, late.cursor() as cursor:
        cursor.execute("UPDATE letters SET label = 'good', labelled_at = '2026-03-08 11:00Z' WHERE id = 3")
        watermark = max(labelled.read_labelled()["label_time"].to_pylist())
        late.commit()

    assert labelled.count_labelled(watermark, at_most=9) == 0
    assert sorted(labelled.read_labelled()["key"].to_pylist()) == ["1", "2", "3"]


# ── the count of new rows


def test_rows_labelled_after_a_time_are_counted(letters):
    labelled = source(letters, label_time="labelled_at")

    assert [labelled.count_labelled(NOON + timedelta(minutes=m), at_most=9) for m in (-1, 0, 60)] == [2, 1, 0]
    assert labelled.count_labelled(None, at_most=9) == 2


def test_without_a_label_time_all_labelled_rows_are_counted(letters):
    assert source(letters).count_labelled(NOON, at_most=9) == 2


def test_no_more_rows_are_counted_than_asked_for(letters):
    assert source(letters).count_labelled(None, at_most=1) == 1


def test_the_oldest_label_counts_and_no_other_row(letters):
    dated = source(letters, label_time="labelled_at")
    execute(
        letters,
        "UPDATE letters SET labelled_at = now() - interval '1 day' * CASE id WHEN 1 THEN 3 WHEN 2 THEN 2 ELSE 40 END",
    )

    assert timedelta(days=3) <= dated.oldest_label_age() < timedelta(days=3, hours=1)


@pytest.mark.parametrize("type_", ["timestamptz", "timestamp", "date"])
def test_how_old_a_label_is_does_not_depend_on_the_settings_of_the_role(letters, type_):
    def connect():
        session = letters.connect()
        with session, session.cursor() as cursor:
            cursor.execute("SET TIME ZONE 'Asia/Seoul'; SET intervalstyle = iso_8601; SET datestyle = 'SQL, DMY'")
        return session

    execute(letters, f"ALTER TABLE letters ALTER labelled_at TYPE {type_} USING '2020-02-01T00:00Z'")
    age = source(SimpleNamespace(connect=connect), label_time="labelled_at").oldest_label_age()

    assert abs(datetime.now(UTC) - datetime(2020, 2, 1, tzinfo=UTC) - age) < timedelta(hours=1)


def test_without_labels_or_label_times_nothing_is_old(letters):
    assert source(letters).oldest_label_age() is None
    execute(letters, "UPDATE letters SET labelled_at = NULL")
    assert source(letters, label_time="labelled_at").oldest_label_age() is None
    execute(letters, "TRUNCATE letters")
    assert source(letters, label_time="labelled_at").oldest_label_age() is None


# ── how new rows are counted

BEST = 'CREATE INDEX CONCURRENTLY ON "letters" ("labelled_at") WHERE "label" IS NOT NULL'


def fill(database, rows):
    """Labelled rows a second apart, in no order on the disk, and as many without a label."""
    execute(
        database,
        "INSERT INTO letters SELECT 3 + n, 'x', CASE WHEN n %% 2 = 0 THEN 'good' END, "
        "CASE WHEN n %% 2 = 0 THEN '2026-01-01Z'::timestamptz + n * interval '1 s' END "
        "FROM generate_series(1, 2 * %s) AS n ORDER BY md5(n::text); ANALYZE letters",
        (rows,),
    )


def run_outside_a_transaction(database, statement):
    with closing(database.connect()) as session, session.cursor() as cursor:
        session.autocommit = True
        cursor.execute(statement)


def test_a_table_without_an_index_on_its_label_time_is_told_which_one_to_create(letters):
    plan = source(letters, label_time="labelled_at").count_plan()

    assert (plan.indexed, plan.slow) == (False, False)
    assert str(plan).startswith("new rows are counted by Seq Scan on letters, about ")
    assert str(plan).endswith(f" rows; run {BEST}")


@pytest.mark.parametrize("rows", [0, 5000])
def test_the_index_that_it_says_is_the_one_that_is_then_used(letters, rows):
    fill(letters, rows)
    dated = source(letters, label_time="labelled_at")
    run_outside_a_transaction(letters, dated.count_plan().remedy.removeprefix("run "))

    plan = dated.count_plan()

    # Index Only Scan: neither label nor time of any row is looked up in the table.
    assert (plan.scans, plan.indexed) == ("Index Only Scan using letters_labelled_at_idx on letters", True)
    assert str(plan) == f"new rows are counted by {plan.scans}"


@pytest.mark.parametrize(
    ("index", "indexed"),
    [
        ("(labelled_at)", True),
        ("(labelled_at DESC, id)", True),
        ("(labelled_at) INCLUDE (label)", True),
        ("USING brin (labelled_at)", True),
        ("(labelled_at) WHERE text = 'x'", False),
        ("(label) WHERE label IS NOT NULL", False),
        ("(text, id)", False),
    ],
)
def test_an_index_counts_that_says_where_new_rows_begin(letters, index, indexed):
    execute(letters, f"CREATE INDEX ON letters {index}")

    assert source(letters, label_time="labelled_at").count_plan().indexed is indexed


@pytest.mark.parametrize("type_", ["timestamp", "date"])
def test_a_time_without_a_zone_is_counted_by_its_index_as_well(letters, type_):
    execute(letters, f"ALTER TABLE letters ALTER labelled_at TYPE {type_}; CREATE INDEX ON letters (labelled_at)")

    assert source(letters, label_time="labelled_at").count_plan().indexed


@pytest.mark.parametrize("new", [10, 2500, 5000])
def test_the_count_itself_takes_the_index_however_many_rows_are_new(letters, new):
    """By itself the planner would look for many new rows from the table's beginning, where there may be none."""
    execute(letters, "TRUNCATE letters")
    fill(letters, 5000)
    run_outside_a_transaction(letters, BEST)
    dated = source(letters, label_time="labelled_at")
    watermark = datetime(2026, 1, 1, tzinfo=UTC) + timedelta(seconds=2 * (5000 - new))
    with closing(letters.connect()) as session, session.cursor() as cursor:
        cursor.execute(sql.SQL("EXPLAIN ") + dated._count(watermark, at_most=100))
        told = "\n".join(row[0] for row in cursor.fetchall())

    assert "Scan using letters_labelled_at_idx" in told or "Bitmap Index Scan on letters_labelled_at_idx" in told
    assert "Seq Scan" not in told
    assert dated.count_labelled(watermark, at_most=100) == min(new, 100)


def test_names_are_quoted_in_the_statement_that_it_says(database):
    execute(
        database,
        'CREATE TABLE "Let""ters" (id int, text text, "Label" text, "when?" timestamptz); '
        'CREATE INDEX "An ""index""" ON "Let""ters" (id)',
    )
    odd = source(database, table='Let"ters', label="Label", label_time="when?")
    statement = odd.count_plan().remedy.removeprefix("run ")

    assert statement == 'CREATE INDEX CONCURRENTLY ON "Let""ters" ("when?") WHERE "Label" IS NOT NULL'
    run_outside_a_transaction(database, statement)
    assert odd.count_plan().indexed


def test_an_index_of_a_partitioned_table_is_not_built_concurrently_which_postgresql_refuses(database):
    execute(
        database,
        "CREATE TABLE letters (id int, text text, label text, labelled_at timestamptz) PARTITION BY HASH (id); "
        + "; ".join(
            f"CREATE TABLE part{n} PARTITION OF letters FOR VALUES WITH (MODULUS 5, REMAINDER {n})" for n in range(5)
        ),
    )
    parts = source(database, label_time="labelled_at")

    plan = parts.count_plan()

    assert plan.scans == "Seq Scan on part0, Seq Scan on part1, Seq Scan on part2 and 2 more"
    assert plan.remedy == 'run CREATE INDEX ON "letters" ("labelled_at") WHERE "label" IS NOT NULL'
    execute(database, plan.remedy.removeprefix("run "))
    assert parts.count_plan().indexed


def test_without_a_label_time_no_index_helps_and_that_is_said(letters):
    plan = source(letters).count_plan()

    assert not plan.indexed
    assert str(plan).endswith(
        "; without source.label_time every labelled row is counted each time; name a column that says it"
    )


@pytest.mark.parametrize("kind", ["a query file", "a view"])
def test_of_what_is_no_table_it_is_said_what_is_read_and_that_no_more_is_known(letters, kind):
    execute(letters, "CREATE VIEW seen AS SELECT * FROM letters")
    outside = (
        source(letters, "SELECT * FROM letters", label_time="labelled_at")
        if kind == "a query file"
        else source(letters, table="seen", label_time="labelled_at")
    )

    told = str(outside.count_plan())

    assert told.startswith("new rows are counted by Seq Scan on letters, about ")
    assert told.endswith(
        "; which index it needs cannot be known from outside: index what it takes the label and its time from"
    )


def test_a_query_that_has_its_index_is_told_no_remedy(letters):
    fill(letters, 5000)
    run_outside_a_transaction(letters, BEST)

    plan = source(letters, "SELECT * FROM letters", label_time="labelled_at").count_plan()

    assert str(plan) == "new rows are counted by Index Only Scan using letters_labelled_at_idx on letters"


def test_a_large_table_without_an_index_is_slow(letters):
    fill(letters, 60_000)
    dated = source(letters, label_time="labelled_at")

    assert dated.count_plan().slow
    run_outside_a_transaction(letters, BEST)
    assert not dated.count_plan().slow


# ── names


def test_names_with_capitals_quotes_and_signs_are_read(database):
    execute(
        database,
        'DROP SCHEMA IF EXISTS "Mixed" CASCADE; CREATE SCHEMA "Mixed"; CREATE TABLE "Mixed"."Order" '
        '("Id" int, "select" text, "100% ""sure""" text, "라벨" text, "When?" timestamptz); '
        "INSERT INTO \"Mixed\".\"Order\" VALUES (1, 'a', 'b', 'good', '2026-03-08 12:00Z')",
    )
    odd = source(
        database,
        table="Mixed.Order",
        key="Id",
        label="라벨",
        label_time="When?",
        features=("select", '100% "sure"'),
    )

    assert odd.count_labelled(NOON - timedelta(seconds=1), at_most=9) == 1
    assert odd.read_labelled().to_pylist() == [
        {"key": "1", "label": "good", "label_time": NOON, "select": "a", '100% "sure"': "b"}
    ]


@pytest.mark.parametrize("field", ["table", "key", "label", "label_time", "group", "features"])
def test_a_name_is_never_run_as_a_statement(letters, field):
    attacks = ['letters";DROP/**/TABLE/**/letters;--', "(SELECT/**/1)", "text,id", "%s", "{}", "letters'", "\\", "$1"]
    if field != "table":  # which takes no spaces
        attacks.append('x"; DROP TABLE letters; --')
    for attack in attacks:
        attacked = source(letters, **{field: (attack,) if field == "features" else attack})
        uses = [attacked.read_labelled, attacked.count_plan]
        uses += [lambda attacked=attacked: attacked.count_labelled(NOON, 9)]
        for use in uses:
            with pytest.raises(SourceError, match=r"does not exist|there is no column"):
                use()

    assert source(letters).count_labelled(None, 9) == 2


@pytest.mark.parametrize("table", ["x; DROP TABLE letters", 'x"; drop table', "a b", " letters", "a.b.c", "."])
def test_a_table_name_with_spaces_or_dots_is_refused_before_anything_is_connected(table):
    with pytest.raises(ValidationError, match="String should match pattern"):
        SourceSpec(table=table, key="id", label="label", features=("text",))


def test_the_schema_that_is_named_is_read_and_no_other(letters):
    other = f"other_{uuid4().hex}"
    execute(
        letters,
        f"CREATE SCHEMA {other}; CREATE TABLE {other}.letters (id int, text text, label text); "
        f"INSERT INTO {other}.letters VALUES (9, 'nine', 'good')",
    )
    elsewhere = source(letters, table=f"{other}.letters")

    assert elsewhere.read_labelled()["key"].to_pylist() == ["9"]
    assert elsewhere.count_labelled(None, at_most=9) == 1
    execute(letters, f"DROP SCHEMA {other} CASCADE")


def test_names_that_differ_in_case_are_told_apart(letters):
    execute(letters, 'ALTER TABLE letters ADD "Text" text; UPDATE letters SET "Text" = upper(text)')

    table = source(letters, features=("Text", "text")).read_labelled().sort_by("key")

    assert (table["Text"].to_pylist(), table["text"].to_pylist()) == (["ONE", "TWO"], ["one", "two"])


def test_a_generated_column_may_be_a_feature_and_the_label(letters):
    execute(
        letters,
        "ALTER TABLE letters ADD length int GENERATED ALWAYS AS (length(text)) STORED, "
        "ADD long boolean GENERATED ALWAYS AS (length(text) > 4) STORED",
    )

    table = source(letters, label="long", features=("length",)).read_labelled().sort_by("key")

    assert (table["length"].to_pylist(), table["label"].to_pylist()) == ([3, 3, 5], [False, False, True])


@pytest.mark.parametrize("name", ["key", "label_time"])
def test_a_feature_that_would_hide_one_of_our_columns_is_refused(letters, name):
    execute(letters, f"ALTER TABLE letters ADD {name} text")

    with pytest.raises(
        SourceError, match=rf"^letters: a feature cannot be called '{name}'; rename it in a query file$"
    ):
        source(letters, features=("text", name)).read_labelled()


def test_the_columns_of_the_spec_may_be_called_like_ours(database):
    execute(database, "CREATE TABLE letters (key int, label_time timestamptz, label int, text text)")
    execute(database, "INSERT INTO letters VALUES (1, '2026-03-08 12:00Z', 1, 'a')")

    assert source(database, key="key", label_time="label_time").read_labelled().to_pylist() == [
        {"key": "1", "label": 1, "label_time": NOON, "text": "a"}
    ]


def test_a_group_is_read_as_text_beside_the_features(letters):
    execute(letters, 'ALTER TABLE letters ADD applicant int, ADD "group" text; UPDATE letters SET applicant = 7')
    table = source(letters, group="applicant", features=("text", "group")).read_labelled()

    assert table.column_names == ["key", "label", "label_time", "retrain.group", "text", "group"]
    assert table["retrain.group"].to_pylist() == ["7", "7"]


def test_a_group_may_be_a_feature_as_well(letters):
    table = source(letters, group="text").read_labelled()

    assert table["retrain.group"].to_pylist() == table["text"].to_pylist()


def test_a_group_that_is_not_there_is_named(letters):
    with pytest.raises(SourceError, match=r"there is no column 'applicant'"):
        source(letters, group="applicant").read_labelled()


# ── query files


@pytest.mark.parametrize(
    "query",
    [
        "SELECT * FROM letters WHERE id < 3",
        "SELECT * FROM letters -- all of them",
        "WITH mine AS (SELECT * FROM letters) SELECT * FROM mine",
        "SELECT id, text, label, '{} %s 100%' AS odd FROM letters",
        "SELECT id, upper(text) AS text, label FROM letters ORDER BY id LIMIT 2",
    ],
)
def test_rows_come_from_a_query_file(letters, query):
    asked = source(letters, query)

    assert asked.count_labelled(None, at_most=9) == 2
    assert sorted(asked.read_labelled()["key"].to_pylist()) == ["1", "2"]


def test_a_fault_in_a_query_file_is_told_with_its_name(letters):
    with pytest.raises(SourceError, match=r'^letters\.sql: syntax error at or near "FORM"'):
        source(letters, "SELECT * FORM letters").read_labelled()


# ── what is refused


def test_a_column_that_is_not_there_is_told_with_the_one_that_is_close(letters):
    wrong = source(letters, label="lable", features=("texte",))

    for use in (wrong.read_labelled, lambda: wrong.count_labelled(None, 9)):
        with pytest.raises(SourceError) as told:
            use()
        assert str(told.value).splitlines() == [
            "letters: there is no column 'lable'; did you mean 'label'?",
            "letters: there is no column 'texte'; did you mean 'text'?",
        ]


def test_a_column_that_is_not_there_is_told_with_all_that_are(letters):
    with pytest.raises(SourceError, match=r"there is no column 'zzz'; it has id, text, label, labelled_at$"):
        source(letters, key="zzz").read_labelled()


def test_a_table_that_is_not_there_is_named(database):
    with pytest.raises(SourceError, match=r'^letters: relation "letters" does not exist'):
        source(database).count_labelled(None, 1)


def test_a_database_that_cannot_be_reached_is_told_in_one_line():
    nowhere = SimpleNamespace(connect=lambda: psycopg2.connect(host="127.0.0.1", port=1, dbname="x", user="x"))

    with pytest.raises(SourceError, match=r"^letters: connection to server .* failed: .*$"):
        source(nowhere).count_labelled(None, 1)


@pytest.fixture
def role(letters, postgres):
    """A role of one test's own, that may look into the schema; gives its name and how to connect as it."""
    name = f"reader_{uuid4().hex}"
    execute(
        letters,
        f"CREATE ROLE {name} LOGIN PASSWORD 'correct-horse'; "
        f"DO $$ BEGIN EXECUTE format('GRANT USAGE ON SCHEMA %%I TO {name}', current_schema()); END $$",
        (),
    )
    with closing(letters.connect()) as session:
        dsn = session.dsn
    yield SimpleNamespace(name=name, connect=lambda **how: psycopg2.connect(make_dsn(dsn, user=name, **how)))
    execute(letters, f"DROP OWNED BY {name}; DROP ROLE {name}")


@pytest.fixture
def guarded(role, letters, postgres):
    """The same role, whose password the server now asks for."""
    rules = postgres.home.pgdata / "pg_hba.conf"
    before = rules.read_text()
    rules.write_text(f"local all {role.name} scram-sha-256\n{before}")
    execute(letters, "SELECT pg_reload_conf()")
    yield role
    rules.write_text(before)
    execute(letters, "SELECT pg_reload_conf()")


def one_line(raised):
    told = str(raised.value)
    assert "\n" not in told
    return told


def test_a_wrong_password_is_one_line_that_does_not_tell_it(guarded, eventually):
    def refused():
        with pytest.raises(SourceError) as raised:
            source(SimpleNamespace(connect=lambda: guarded.connect(password="battery-staple"))).count_labelled(None, 9)
        return "password authentication failed" in one_line(raised) and "battery-staple" not in one_line(raised)

    # The server takes up its new rules in its own time.
    eventually(refused)


def test_a_table_that_we_may_not_read_is_one_line(role):
    for use in (source(role).read_labelled, source(role).count_plan, lambda: source(role).count_labelled(None, 9)):
        with pytest.raises(SourceMismatchError) as raised:
            use()
        assert one_line(raised) == "letters: permission denied for table letters"


def test_a_column_that_we_may_not_read_is_one_line(role, letters):
    execute(letters, f"GRANT SELECT (id, label) ON letters TO {role.name}")

    with pytest.raises(SourceMismatchError) as raised:
        source(role).read_labelled()
    assert one_line(raised) == "letters: permission denied for table letters"


def test_reading_is_all_that_we_need(role, letters):
    execute(letters, f"GRANT SELECT ON letters TO {role.name}")
    reader = source(role, label_time="labelled_at")

    assert reader.read_labelled().num_rows == 2
    assert reader.count_labelled(None, 9) == 2
    assert reader.count_plan().remedy == f"run {BEST}"


def test_a_server_that_goes_in_the_middle_of_the_rows_is_one_line_and_gives_none(database):
    """The connection's own process is ended by the row that it reads."""
    half = (
        "SELECT n AS id, CASE WHEN n = 5000 THEN pg_terminate_backend(pg_backend_pid())::text ELSE repeat('x', 1000) "
        "END AS text, 'good' AS label FROM generate_series(1, 10000) AS n"
    )

    with pytest.raises(SourceError) as raised:
        source(database, half).read_labelled()
    # psycopg2 has one or the other, by how much it had read.
    assert re.match("letters.sql: (terminating connection|server closed the connection)", one_line(raised))
    assert not isinstance(raised.value, SourceMismatchError)


@pytest.mark.parametrize("when", ["infinity", "-infinity"])
def test_a_label_time_without_an_end_is_one_line(letters, when):
    execute(letters, "UPDATE letters SET labelled_at = %s", (when,))
    dated = source(letters, label_time="labelled_at")

    for use, kind in ((dated.read_labelled, SourceError), (dated.oldest_label_age, SourceMismatchError)):
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
        source(letters, "SELECT * FROM wipe()").read_labelled()
    assert source(letters).count_labelled(None, at_most=9) == 2


def test_no_connection_is_left_open(letters):
    source(letters).read_labelled()
    with pytest.raises(SourceError):
        source(letters, key="zzz").read_labelled()

    with closing(letters.connect()) as session, session.cursor() as cursor:
        cursor.execute(
            "SELECT count(*) FROM pg_stat_activity WHERE application_name = current_setting('application_name')"
        )
        assert cursor.fetchone() == (1,)
