"""Rows of a file reach PostgreSQL as they were, or not at all."""

import csv
import gzip
from contextlib import closing
from datetime import UTC, datetime

import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from stack import feed
from stack.errors import StackError

MORNING = datetime(2026, 1, 2, 9, tzinfo=UTC)


@pytest.fixture
def write(tmp_path):
    def write(name, content):
        file = tmp_path / name
        content = content.encode() if isinstance(content, str) else content
        file.write_bytes(gzip.compress(content) if name.endswith(".gz") else content)
        return file

    return write


@pytest.fixture
def session(database):
    with closing(database.connect()) as session:
        yield session


def query(session, statement):
    with session, session.cursor() as cursor:
        cursor.execute(statement)
        return cursor.fetchall()


def refusal(do, *arguments, **named):
    with pytest.raises(StackError) as refused:
        do(*arguments, **named)
    return str(refused.value)


# ── read


@pytest.mark.parametrize("name", ["rows.csv", "rows.csv.gz", "rows.tsv", "rows.tsv.gz"])
def test_every_kind_of_file_is_read(write, name):
    rows = "id,text,score\n1,자기소개서,0.5\n2,,1\n"

    read = feed.read(write(name, rows.replace(",", "\t") if ".tsv" in name else rows))

    assert read["id"].tolist() == [1, 2]
    assert read["score"].tolist() == [0.5, 1.0]
    assert read["text"][0] == "자기소개서"
    assert pd.isna(read["text"][1])


def test_a_quotation_mark_in_tab_separated_text_is_a_character_like_any_other(write):
    texts = ['"', 'he said "no"', '"lone', 'ends"', '""', "a,b"]

    read = feed.read(write("rows.tsv", "text\n" + "\n".join(texts)))

    assert read["text"].tolist() == texts


def test_quoted_text_in_comma_separated_rows_may_hold_anything(write):
    texts = ["a,b", 'she said "no"', "one\nline and\nanother", "\ttab"]
    quoted = "\n".join('"{}"'.format(text.replace('"', '""')) for text in texts)

    assert feed.read(write("rows.csv", f"text\n{quoted}\n"))["text"].tolist() == texts


def test_words_that_others_take_for_nothing_are_text(write):
    words = ["NA", "null", "None", "nan", "N/A", "-"]

    assert feed.read(write("rows.tsv", "text\n" + "\n".join(words)))["text"].tolist() == words


def test_times_are_read_as_times(write):
    read = feed.read(write("rows.csv", "id,at\n1,2026-01-02\n2,\n3,2026-01-04\n"), dates="at")

    assert read["at"].tolist()[::2] == [pd.Timestamp("2026-01-02"), pd.Timestamp("2026-01-04")]
    assert pd.isna(read["at"][1])


def test_days_that_are_written_as_numbers_are_those_days(write):
    read = feed.read(write("rows.csv", "id,at\n1,20260102\n2,20260103\n"), dates="at")

    assert read["at"].tolist() == [pd.Timestamp("2026-01-02"), pd.Timestamp("2026-01-03")]


def test_a_column_of_times_that_the_file_does_not_have_changes_nothing(write):
    file = write("rows.csv", "id,text\n1,a\n")

    assert feed.read(file, dates="at").equals(feed.read(file))


@pytest.mark.parametrize("name", ["rows.parquet", "rows.txt.gz", "rows", "csv", "rows.csv.zip"])
def test_a_file_of_another_type_is_refused_with_those_that_are_read(write, name):
    message = refusal(feed.read, write(name, "id\n1\n"))

    assert message.endswith(f"{name}: is neither .csv nor .tsv (also .gz): name a file of rows")


@pytest.mark.parametrize(
    ("name", "content"),
    [
        ("empty.csv", b""),
        ("latin.csv", "id,text\n1,caf\u00e9\n".encode("latin-1")),
        ("ragged.csv", b"id,text\n1,a\n2,b,c\n"),
        ("plain.csv.gz", b"id,text\n1,a\n"),
        ("cut.csv.gz", gzip.compress(b"id,text\n1,a\n" * 100)[:-20]),
        ("damaged.csv.gz", gzip.compress(b"id,text\n1,a\n" * 100)[:10] + b"\xff" * 40),
    ],
    ids=lambda value: value if isinstance(value, str) else "",
)
def test_a_file_with_the_contents_of_another_type_is_refused_by_its_name(tmp_path, name, content):
    (tmp_path / name).write_bytes(content)

    assert f"{name}: cannot be read: " in refusal(feed.read, tmp_path / name)


def test_rows_that_are_longer_than_the_header_are_not_shifted_silently(write):
    assert "rows.tsv: cannot be read: " in refusal(feed.read, write("rows.tsv", "id\ttext\n1\ta\tb\n2\tc\td\n"))


def test_a_missing_file_is_refused_by_its_name(tmp_path):
    message = refusal(feed.read, tmp_path / "missing.tsv.gz")

    assert "missing.tsv.gz: cannot be read: " in message
    assert "No such file" in message


@pytest.mark.parametrize(
    "times",
    [["yesterday", "later"], ["2026-01-02", "soon"], ["2026-02-30", "2026-01-01"], ["08.05.11", "08.05.12"]],
    ids=["words", "a word", "no such day", "days that could be read in three ways"],
)
def test_a_value_that_is_not_a_time_is_refused_by_its_column_in_one_line(write, times):
    message = refusal(feed.read, write("rows.csv", "at,id\n" + "".join(f"{time},1\n" for time in times)), dates="at")

    assert "rows.csv: column 'at' holds a value that is not a time: " in message
    assert "\n" not in message


# ── batches


@settings(deadline=None)
@given(st.lists(st.integers(0, 5), max_size=30), st.integers(1, 8))
def test_batches_hold_all_rows_once_in_order_and_are_of_one_size(times, count):
    rows = pd.DataFrame({"at": times, "id": range(len(times))}, dtype="int64")

    batches = list(feed.batches(rows, "at", count))

    sizes = [len(batch) for batch in batches]
    assert len(sizes) == count
    assert max(sizes) - min(sizes) <= 1
    # Rows with equal times stay in the order of the file.
    assert list(pd.concat(batches)["id"]) == [id_ for _, id_ in sorted(zip(times, range(len(times)), strict=True))]


# ── load


def test_a_table_is_made_from_the_types_of_the_rows(session):
    rows = pd.DataFrame(
        {
            "id": [1, 2],
            "good": [True, False],
            "score": [0.1, float("nan")],
            "votes": pd.array([2**62, None], dtype="Int64"),
            "at": [MORNING, None],
            "text": ["a", None],
        }
    )
    feed.load(session, "letters", rows, key="id")

    found = query(session, "SELECT * FROM letters ORDER BY id")
    types = query(
        session,
        "SELECT column_name, data_type FROM information_schema.columns WHERE table_name = 'letters' "
        "ORDER BY ordinal_position",
    )

    assert types == [
        ("id", "bigint"),
        ("good", "boolean"),
        ("score", "double precision"),
        ("votes", "bigint"),
        ("at", "timestamp with time zone"),
        ("text", "text"),
    ]
    assert found == [(1, True, 0.1, 2**62, MORNING, "a"), (2, False, None, None, None, None)]


def test_text_arrives_as_it_was_and_an_empty_one_as_null(session):
    texts = [
        'she said "no", and left',
        "one\nline and\r\nanother",
        "\\.",
        "\n\\.\n",
        "\\N",
        "NULL",
        " ",
        "자기소개서 🙂",
        "",
    ]

    feed.load(session, "letters", pd.DataFrame({"id": range(len(texts)), "text": texts}), key="id")

    assert query(session, "SELECT text FROM letters ORDER BY id") == [(text or None,) for text in texts]


def test_names_of_tables_and_columns_are_taken_as_they_are(session):
    query(session, 'CREATE SCHEMA "HR"; SELECT 1')
    rows = pd.DataFrame({"Id": [1], "my %s {column}": ["a"]})

    feed.load(session, "HR.select", rows, key="Id", index="my %s {column}")

    assert query(session, 'SELECT "Id", "my %s {column}" FROM "HR"."select"') == [(1, "a")]


def test_rows_are_appended_to_those_that_are_there(session):
    for first in (1, 3):
        rows = pd.DataFrame({"id": [first, first + 1], "text": ["a", "b"]})
        feed.load(session, "letters", rows, key="id", index="text")

    assert query(session, "SELECT id FROM letters ORDER BY id") == [(1,), (2,), (3,), (4,)]


def test_a_key_that_is_there_already_leaves_the_table_as_it_was(session):
    feed.load(session, "letters", pd.DataFrame({"id": [1], "text": ["first"]}), key="id")

    message = refusal(
        feed.load, session, "letters", pd.DataFrame({"id": [2, 1], "text": ["second", "again"]}), key="id", index="text"
    )

    assert message.startswith(
        "table letters: the rows cannot be loaded: duplicate key value violates unique constraint"
    )
    assert "\n" not in message
    assert query(session, "SELECT * FROM letters") == [(1, "first")]
    assert indexes(session) == ["letters_pkey"]


@pytest.mark.parametrize(
    "rows",
    [{"id": [1, 1]}, {"id": [1, None]}, {"id": [1], "text": ["a\0b"]}, {"number": [1]}],
    ids=["same key twice", "no key", "no text", "no such column"],
)
def test_rows_that_are_refused_leave_no_table(session, rows):
    assert refusal(feed.load, session, "letters", pd.DataFrame(rows), key="id").startswith("table letters: ")
    assert not feed.exists(session, "letters")


def test_columns_that_the_table_does_not_have_are_refused(session):
    feed.load(session, "letters", pd.DataFrame({"id": [1]}), key="id")

    assert 'column "text"' in refusal(feed.load, session, "letters", pd.DataFrame({"id": [2], "text": ["a"]}), key="id")


def test_a_table_exists_once_it_has_been_loaded_even_without_rows(session):
    assert not feed.exists(session, "letters")

    feed.load(session, "letters", pd.DataFrame({"id": pd.Series(dtype="int64")}), key="id")

    assert feed.exists(session, "letters")


def test_an_index_is_made_on_the_column_that_is_named(session):
    feed.load(session, "letters", pd.DataFrame({"id": [1], "at": [MORNING]}), key="id", index="at")

    assert indexes(session) == ["letters_at", "letters_pkey"]


def indexes(session):
    return [
        name for (name,) in query(session, "SELECT indexname FROM pg_indexes WHERE tablename = 'letters' ORDER BY 1")
    ]


def test_a_file_that_was_read_is_a_table_that_can_be_read(write, session):
    with (file := write("rows.csv", "")).open("w", newline="", encoding="utf-8") as rows:
        csv.writer(rows).writerows([["id", "at", "text"], [1, MORNING.isoformat(), "one,\ntwo"], [2, "", ""]])

    feed.load(session, "letters", feed.read(file, dates="at"), key="id")

    assert query(session, "SELECT * FROM letters ORDER BY id") == [(1, MORNING, "one,\ntwo"), (2, None, None)]
