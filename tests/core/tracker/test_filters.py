"""Filters are built from values: no value and no name can add a clause to one."""

import math
import sys

import numpy as np
import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st
from mlflow.utils.search_utils import SearchUtils

from retrain.errors import TrackerError
from retrain.tracker import filters
from retrain.tracker.filters import Condition, Order

# Text as it comes, and text that knows the grammar.
TEXTS = st.text() | st.lists(
    st.sampled_from(
        ["'", '"', "`", "\\", "\n", "\0", ";", "--", "/*", "(", ")", " AND ", " OR ", "=", "%", "tags.a", "가"]
    )
).map("".join)


@settings(deadline=None)
@given(value=TEXTS, kind=st.sampled_from(["tag", "param"]), comparison=st.sampled_from(["=", "!="]))
@example(value="x' AND tags.`a` = 'b", kind="tag", comparison="=")
@example(value='x" AND tags.`a` = "b', kind="tag", comparison="=")
@example(value='it\'s "so"', kind="param", comparison="=")
def test_mlflow_reads_one_clause_with_exactly_the_text_that_was_given(value: str, kind: str, comparison: str) -> None:
    try:
        text = Condition(kind, "name", comparison, value).to_text()
    except TrackerError:
        return
    type_ = {"tag": "tag", "param": "parameter"}[kind]
    assert SearchUtils.parse_search_filter(text) == [
        {"type": type_, "key": "name", "comparator": comparison, "value": value}
    ]


@settings(deadline=None)
@given(value=st.text(st.characters(codec="utf-8", exclude_characters="\\\0\"'")))
def test_only_backslashes_nul_and_both_kinds_of_quotes_cannot_be_searched_for(value: str) -> None:
    for text in (value, f"'{value}", f'{value}"'):
        assert filters.quoted(text)[1:-1] == text
    for text in (f"\\{value}", f"{value}\0", f"'{value}\""):
        with pytest.raises(TrackerError, match="cannot search for"):
            filters.quoted(text)


@settings(deadline=None)
@given(name=TEXTS, kind=st.sampled_from(["metric", "param", "tag"]))
@example(name="precision at 10", kind="metric")
@example(name="f1 ", kind="metric")
@example(name="a:b/c.d-e", kind="tag")
@example(name="x` = 'y' AND tags.`z", kind="tag")
def test_mlflow_reads_exactly_the_name_that_was_given(name: str, kind: str) -> None:
    value = 1.0 if kind == "metric" else "x"
    try:
        condition, order = Condition(kind, name, "=", value), Order(kind, name, ascending=False)
    except TrackerError:
        return
    type_ = {"param": "parameter"}.get(kind, kind)
    (clause,) = SearchUtils.parse_search_filter(condition.to_text())
    assert (clause["type"], clause["key"]) == (type_, name)
    assert SearchUtils.parse_order_by_for_search_runs(order.to_text()) == (type_, name, False)


@settings(deadline=None)
@given(name=st.from_regex(r"[A-Za-z0-9_가-힣]([\w\-. :/]*\w)?", fullmatch=True))
def test_every_name_that_mlflow_takes_can_be_searched_for(name: str) -> None:
    (clause,) = SearchUtils.parse_search_filter(Condition("metric", name, "=", 1).to_text())
    assert clause["key"] == name


@settings(deadline=None)
@given(value=st.floats(allow_nan=False, allow_infinity=False) | st.integers(-(10**18), 10**18))
@example(value=1e16)
@example(value=-5e-324)
@example(value=sys.float_info.max)
@example(value=np.float64(0.1))
@example(value=np.int64(7))
def test_mlflow_reads_exactly_the_number_that_was_given(value: float) -> None:
    (clause,) = SearchUtils.parse_search_filter(Condition("metric", "f1", ">=", value).to_text())
    assert (clause["key"], clause["comparator"]) == ("f1", ">=")
    assert float(clause["value"]) == float(value)
    (clause,) = SearchUtils.parse_search_filter(Condition("attribute", "start_time", "<", value).to_text())
    assert (clause["key"], clause["comparator"], clause["value"]) == ("start_time", "<", value)


def test_conditions_are_all_to_be_met() -> None:
    text = filters.to_text([Condition("metric", "f1", ">", 0.8), Condition("attribute", "status", "=", "FINISHED")])
    assert [clause["value"] for clause in SearchUtils.parse_search_filter(text)] == ["0.8", "FINISHED"]
    assert filters.to_text([]) == ""


@pytest.mark.parametrize(
    ("kind", "name", "comparison", "value", "says"),
    [
        ("metrics", "f1", "=", 1, "is not a kind of field"),
        ("attribute", "colour", "=", "red", "attribute 'colour'; use run_id"),
        ("metric", "f1", "LIKE", 1, "'LIKE' is not a comparison"),
        ("metric", "f1", "= 1 AND tags.a =", 1, "is not a comparison"),
        ("param", "depth", ">", "3", "compare it with = or !=, not with >"),
        ("param", "depth", "=", 3, "cannot be compared with 3"),
        ("metric", "f1", "=", "1", "cannot be compared with '1'"),
        ("metric", "f1", "=", True, "cannot be compared with True"),
        ("metric", "f1", "=", None, "cannot be compared with None"),
        ("metric", "f1", "=", math.nan, "cannot be compared with nan"),
        ("metric", "f1", "=", -math.inf, "cannot be compared with -inf"),
        ("metric", "f1", "=", 10**400, "cannot be compared with 1000"),
        ("metric", " f1", "=", 1, "cannot be the name"),
        ("metric", "", "=", 1, "cannot be the name"),
    ],
)
def test_what_cannot_be_said_is_refused(kind: str, name: str, comparison: str, value: float, says: str) -> None:
    with pytest.raises(TrackerError, match=says):
        Condition(kind, name, comparison, value)
