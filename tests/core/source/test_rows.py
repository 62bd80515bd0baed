"""Every labelled row is read, in the order of keys, from a table or from a query file."""

from contextlib import closing
from datetime import timedelta
from uuid import UUID

import pyarrow as pa
import pytest

from retrain.errors import SourceError
from retrain.source.columns import KEY_ORDER, NUMBERS, SINCE, TEXT
from retrain.source.layout import LABEL_TIME
from retrain.spec.source import SnapshotSpec
from tests.core.source.tables import NOON, execute, read, source

# ── which rows


def test_rows_without_a_label_are_not_read(letters):
    assert sorted(read(source(letters))["key"].to_pylist()) == ["1", "2"]


def test_only_rows_within_the_window_are_read_and_counted(letters):
    execute(letters, "UPDATE letters SET labelled_at = now() - id * interval '10 days' WHERE label IS NOT NULL")
    windows = ["9d", "19d", "21d"]
    within = [source(letters, label_time="labelled_at", part=SnapshotSpec(window=window)) for window in windows]

    assert [read(each)["key"].to_pylist() for each in within] == [[], ["1"], ["1", "2"]]
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

    keys = [read(newest(count))["key"].to_pylist() for count in (1, 2, 3, 4, 7, 8)]
    # A row without a label time counts as the oldest of all.
    assert keys == [[], ["8", "9"], ["8", "9"], ["6", "7", "8", "9"], ["2", *"456789"], ["1", "2", *"456789", "10"]]


def test_where_not_all_rows_are_read_the_schema_says_since_when(letters):
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
def test_rows_come_in_the_order_of_numbers_or_of_bytes_whatever_the_language(schema, type_, keys, order):
    execute(schema, f"CREATE TABLE letters (id {type_}, text text, label int)")
    for key in keys:
        execute(schema, "INSERT INTO letters VALUES (%s, 'x', 1)", (key,))

    with source(schema).labelled() as reader:
        assert reader.schema.metadata[KEY_ORDER] == (NUMBERS if type_ == "int" else TEXT)
        assert reader.read_all()["key"].to_pylist() == order


def test_an_empty_table_gives_no_rows_of_the_right_types(letters):
    execute(letters, "TRUNCATE letters")

    table = read(source(letters, label_time="labelled_at"))

    assert table.num_rows == 0
    assert table.schema == pa.schema(
        {"key": pa.string(), "label": pa.string(), "label_time": LABEL_TIME, "text": pa.string()}
    )


def test_an_empty_table_has_the_schema_of_a_full_one(letters):
    full = read(source(letters)).schema
    execute(letters, "TRUNCATE letters")

    assert read(source(letters)).schema == full


def test_features_come_in_the_order_of_the_spec(letters):
    table = read(source(letters, features=("text", "labelled_at")))

    assert table.column_names == ["key", "label", "label_time", "text", "labelled_at"]


def test_rows_that_were_committed_late_are_in_the_next_snapshot(letters):
    """A row is labelled before another that is committed first."""
    labelled = source(letters, label_time="labelled_at")
    with closing(letters.connect()) as late, late.cursor() as cursor:
        cursor.execute("UPDATE letters SET label = 'good', labelled_at = '2026-03-08 11:00Z' WHERE id = 3")
        watermark = max(read(labelled)["label_time"].to_pylist())
        late.commit()

    assert labelled.count_labelled(watermark, at_most=9) == 0
    assert sorted(read(labelled)["key"].to_pylist()) == ["1", "2", "3"]


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
    mine = source(letters, query)

    assert mine.count_labelled(None, at_most=9) == 2
    assert sorted(read(mine)["key"].to_pylist()) == ["1", "2"]


def test_an_error_in_a_query_file_names_the_file(letters):
    with pytest.raises(SourceError, match=r'^letters\.sql: syntax error at or near "FORM"'):
        read(source(letters, "SELECT * FORM letters"))
