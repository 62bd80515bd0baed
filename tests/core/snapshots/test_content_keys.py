"""Rows have one content key exactly where a model can hardly tell them apart."""

import pyarrow as pa
import pytest
from hypothesis import given
from hypothesis import strategies as st

from retrain.snapshots.content_keys import content_keys
from tests.core.snapshots.samples import EVERY, SALT, rows, take


def test_content_keys_are_those_of_every_earlier_version():
    """They are stored: were they to change, rows that have trained would come back as holdout."""
    table = pa.table(
        {
            "text": pa.array(["같은  글", "", None]),
            "whole": pa.array([1, -(2**40), None]),
            "number": pa.array([0.1, 1e-300, None]),
            "flag": pa.array([True, False, None]),
        }
    )

    assert content_keys(table, b"pepper").tolist() == [-5642447728928466632, -1354288693681622320, -2356080092921180793]


@pytest.mark.parametrize(
    ("one", "other"),
    [
        ("같은  글", "같은 글"),
        ("  Ａ b\t\n", "a B"),
        ("a\u2028\u000b\u3000b", "a b"),
        ("\u1100\u1161", "가"),
        ("", "   "),
        (-0.0, 0.0),
        (float("nan"), None),
    ],
    ids=ascii,
)
def test_what_a_model_can_hardly_tell_apart_is_one_content(one, other):
    first, second = content_keys(pa.table({"feature": [one, other]}), SALT)

    assert first == second


@pytest.mark.parametrize(
    ("one", "other"), [("ab", "a b"), ("", None), (1.0, 1.0000000000000002), (0, None), (True, False)], ids=ascii
)
def test_what_a_model_can_tell_apart_is_two_contents(one, other):
    first, second = content_keys(pa.table({"feature": [one, other]}), SALT)

    assert first != second


def test_a_whole_number_keeps_its_content_when_its_column_becomes_a_float():
    as_int, as_float = pa.table({"n": pa.array([0, 7, -3])}), pa.table({"n": pa.array([0.0, 7.0, -3.0])})

    assert content_keys(as_int, SALT).tolist() == content_keys(as_float, SALT).tolist()


@given(
    st.lists(st.text(), min_size=1, max_size=5), st.binary(min_size=1, max_size=16), st.binary(min_size=1, max_size=16)
)
def test_content_keys_depend_on_the_salt(texts, salt, other):
    table = pa.table({"text": pa.array(texts, pa.string())})

    equal = content_keys(table, salt).tolist() == content_keys(table, other).tolist()

    assert equal == (salt == other)


@given(st.lists(st.text(), min_size=1, max_size=5), st.integers(0, 5))
def test_content_keys_do_not_depend_on_where_one_batch_ends_and_the_next_begins(texts, end):
    batch = pa.record_batch({"text": pa.array(texts, pa.string())})

    parts = [content_keys(part, SALT).tolist() for part in (batch.slice(0, end), batch.slice(end))]

    assert [*parts[0], *parts[1]] == content_keys(batch, SALT).tolist()


@given(st.lists(st.tuples(st.text(), st.text()), min_size=1, max_size=5))
def test_content_keys_do_not_depend_on_the_order_of_the_columns(pairs):
    a, b = (pa.array(values, pa.string()) for values in zip(*pairs, strict=True))

    assert (content_keys(pa.table({"a": a, "b": b}), SALT) == content_keys(pa.table({"b": b, "a": a}), SALT)).all()


@given(
    st.lists(st.text(alphabet="ab:-1 "), min_size=2, max_size=2),
    st.lists(st.text(alphabet="ab:-1 "), min_size=2, max_size=2),
)
def test_texts_of_two_columns_do_not_run_into_each_other(one, other):
    first, second = content_keys(pa.table({"a": [one[0], other[0]], "b": [one[1], other[1]]}), SALT)

    assert (first == second) == ([" ".join(text.split()) for text in one] == [" ".join(text.split()) for text in other])


def test_rows_of_equal_content_share_their_cluster(store):
    snapshot = take(store, rows(["1", "2", "3"], text=["same", "SAME ", "other"]))

    found = store.read(snapshot, EVERY)

    assert found.content[0] == found.content[1] != found.content[2]
