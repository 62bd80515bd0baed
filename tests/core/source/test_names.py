"""Names of tables and columns are quoted: any name can be read, and none is run as a statement."""

from datetime import timedelta
from functools import partial
from uuid import uuid4

import pytest
from pydantic import ValidationError

from retrain.errors import SourceError
from retrain.spec.source import SourceSpec
from tests.core.source.tables import NOON, ONE_WAY, execute, read, source


def test_names_with_capitals_quotes_and_signs_are_read(schema):
    execute(
        schema,
        'DROP SCHEMA IF EXISTS "Mixed" CASCADE; CREATE SCHEMA "Mixed"; CREATE TABLE "Mixed"."Order" '
        '("Id" int, "select" text, "100% ""sure""" text, "라벨" text, "When?" timestamptz); '
        "INSERT INTO \"Mixed\".\"Order\" VALUES (1, 'a', 'b', 'good', '2026-03-08 12:00Z')",
    )
    odd = source(
        schema,
        table="Mixed.Order",
        key="Id",
        label="라벨",
        label_time="When?",
        features=("select", '100% "sure"'),
    )

    assert odd.count_labelled(NOON - timedelta(seconds=1), at_most=9) == 1
    assert read(odd).to_pylist() == [
        {"key": "1", "label": "good", "label_time": NOON, "select": "a", '100% "sure"': "b"}
    ]


@ONE_WAY
@pytest.mark.parametrize("field", ["table", "key", "label", "label_time", "group", "features"])
def test_a_name_is_never_run_as_a_statement(letters, field):
    attacks = ['letters";DROP/**/TABLE/**/letters;--', "(SELECT/**/1)", "text,id", "%s", "{}", "letters'", "\\", "$1"]
    if field != "table":  # which takes no spaces
        attacks.append('x"; DROP TABLE letters; --')
    for attack in attacks:
        attacked = source(letters, **{field: (attack,) if field == "features" else attack})
        uses = [partial(read, attacked), attacked.count_plan]
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

    assert read(elsewhere)["key"].to_pylist() == ["9"]
    assert elsewhere.count_labelled(None, at_most=9) == 1
    execute(letters, f"DROP SCHEMA {other} CASCADE")


def test_names_that_differ_in_case_are_told_apart(letters):
    execute(letters, 'ALTER TABLE letters ADD "Text" text; UPDATE letters SET "Text" = upper(text)')

    table = read(source(letters, features=("Text", "text"))).sort_by("key")

    assert (table["Text"].to_pylist(), table["text"].to_pylist()) == (["ONE", "TWO"], ["one", "two"])


def test_a_generated_column_may_be_a_feature_and_the_label(letters):
    execute(
        letters,
        "ALTER TABLE letters ADD length int GENERATED ALWAYS AS (length(text)) STORED, "
        "ADD long boolean GENERATED ALWAYS AS (length(text) > 4) STORED",
    )

    table = read(source(letters, label="long", features=("length",))).sort_by("key")

    assert (table["length"].to_pylist(), table["label"].to_pylist()) == ([3, 3, 5], [False, False, True])


@ONE_WAY
@pytest.mark.parametrize("name", ["key", "label_time"])
def test_a_feature_that_would_hide_one_of_our_columns_is_refused(letters, name):
    execute(letters, f"ALTER TABLE letters ADD {name} text")

    with pytest.raises(
        SourceError, match=rf"^letters: a feature cannot be called '{name}'; rename it in a query file$"
    ):
        read(source(letters, features=("text", name)))


def test_the_columns_of_the_spec_may_be_called_like_ours(schema):
    execute(schema, "CREATE TABLE letters (key int, label_time timestamptz, label int, text text)")
    execute(schema, "INSERT INTO letters VALUES (1, '2026-03-08 12:00Z', 1, 'a')")

    assert read(source(schema, key="key", label_time="label_time")).to_pylist() == [
        {"key": "1", "label": 1, "label_time": NOON, "text": "a"}
    ]


def test_a_group_is_read_as_text_beside_the_features(letters):
    execute(letters, 'ALTER TABLE letters ADD applicant int, ADD "group" text; UPDATE letters SET applicant = 7')
    table = read(source(letters, group="applicant", features=("text", "group")))

    assert table.column_names == ["key", "label", "label_time", "retrain.group", "text", "group"]
    assert table["retrain.group"].to_pylist() == ["7", "7"]


def test_a_group_may_be_a_feature_as_well(letters):
    table = read(source(letters, group="text"))

    assert table["retrain.group"].to_pylist() == table["text"].to_pylist()


@ONE_WAY
def test_a_group_that_is_not_there_is_named(letters):
    with pytest.raises(SourceError, match=r"there is no column 'applicant'"):
        read(source(letters, group="applicant"))
