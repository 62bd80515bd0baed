"""`Categories` gives columns of text the levels that it was fitted on, whatever comes later, and is an estimator."""

import pickle
from typing import Any

import numpy as np
import pandas as pd
import pytest
import skops.io
from hypothesis import given
from hypothesis import strategies as st
from sklearn.base import clone
from sklearn.compose import make_column_transformer
from sklearn.exceptions import NotFittedError
from sklearn.utils import estimator_checks

from retrain.models.files import foreign_types
from retrain_features.categories import Categories

ROWS = pd.DataFrame(
    {"region": ["seoul", None, "busan", "seoul"], "age": [31.0, np.nan, 27.0, 60.0], "is_new": [True] * 4}
)
"""What a snapshot holds, but for the booleans: these it makes numbers of."""


def test_texts_become_categories_with_the_levels_in_order_and_numbers_pass() -> None:
    found = Categories().fit_transform(ROWS)

    assert list(found["region"].cat.categories) == ["busan", "seoul"]
    assert found["region"].tolist() == ["seoul", np.nan, "busan", "seoul"]
    pd.testing.assert_frame_equal(found[["age", "is_new"]], ROWS[["age", "is_new"]])


def test_a_level_that_only_comes_later_is_missing_as_a_null_is() -> None:
    fitted = Categories().fit(ROWS)
    later = pd.DataFrame({"region": ["jeju", "busan", None], "age": [1.0, 2.0, 3.0], "is_new": [False] * 3})

    found = fitted.transform(later)["region"]

    assert list(found.cat.categories) == ["busan", "seoul"]
    assert found.cat.codes.tolist() == [-1, 0, -1]


def test_what_is_missing_may_be_a_level_of_its_own() -> None:
    fitted = Categories(missing="none").fit(ROWS.dropna())  # it has seen no NULL, and yet it knows the level
    later = pd.DataFrame({"region": ["jeju", "busan", None], "age": [1.0, 2.0, 3.0], "is_new": [False] * 3})

    assert fitted.levels_ == {"region": ["busan", "none", "seoul"]}
    assert fitted.transform(later)["region"].tolist() == ["none", "busan", "none"]


KINDS = {
    "as pandas 2 has it": lambda column: column.astype(object),
    "as pandas 3 has it": lambda column: column.astype("str"),
    "nullable": lambda column: column.astype("string"),
    "a category with other levels": lambda column: column.astype(pd.CategoricalDtype(["jeju", "seoul", "busan"])),
    "with NaN": lambda column: column.astype(object).where(column.notna(), np.nan),
    "with pandas' NA": lambda column: column.astype(object).where(column.notna(), pd.NA),
}


@pytest.mark.parametrize("kind", KINDS.values(), ids=KINDS)
def test_a_column_of_texts_may_come_in_many_ways(kind: Any) -> None:
    fitted = Categories().fit(ROWS)
    others = ROWS.assign(region=kind(ROWS["region"]))

    pd.testing.assert_frame_equal(fitted.transform(others), fitted.transform(ROWS))
    assert clone(fitted).fit(others).levels_ == fitted.levels_


def test_a_request_for_one_row_with_nulls_alone_is_understood() -> None:
    fitted = Categories().fit(ROWS)

    found = fitted.transform(pd.DataFrame({"region": [None], "age": [None], "is_new": [None]}))

    assert found.dtypes.tolist() == [fitted.transform(ROWS)["region"].dtype, np.dtype(float), np.dtype(float)]
    assert found.isna().all(axis=None)


def test_numbers_that_are_named_are_levels_however_they_are_written() -> None:
    rows = pd.DataFrame({"shop": [10, 9, 10], "age": [1.0, 2.0, 3.0]})
    fitted = Categories(columns=["shop"]).fit(rows)

    assert fitted.levels_ == {"shop": ["10", "9"]}
    for written in ([9.0, np.nan, 10.0], ["9", None, "10"], [9, None, 10]):
        found = fitted.transform(pd.DataFrame({"shop": written, "age": [1.0, 2.0, 3.0]}))
        assert found["shop"].tolist() == ["9", np.nan, "10"]
    assert Categories(columns=["x"]).fit(pd.DataFrame({"x": [True, False, 2.5]}, dtype=object)).levels_ == {
        "x": ["0", "1", "2.5"]
    }


def test_a_column_without_any_value_has_one_level_that_no_row_has() -> None:
    rows = pd.DataFrame({"region": pd.Series([None, None], dtype=object), "age": [1.0, 2.0]})
    fitted = Categories().fit(rows)

    assert fitted.levels_ == {"region": [""]}
    for region in (None, "seoul"):
        assert fitted.transform(rows.assign(region=region))["region"].cat.codes.tolist() == [-1, -1]


texts = st.lists(st.none() | st.text(st.characters(exclude_categories=()), max_size=5), min_size=1, max_size=20)


@given(learnt=texts, later=texts, missing=st.none() | st.just("none"))
def test_a_level_is_found_wherever_it_stands(learnt: list[str | None], later: list[str | None], missing: str) -> None:
    fitted = Categories(missing=missing).fit(pd.DataFrame({"a": pd.Series(learnt, dtype=object)}))

    found = fitted.transform(pd.DataFrame({"a": pd.Series(later, [7] * len(later), dtype=object)}))

    assert list(found.index) == [7] * len(later)
    known = ({*learnt, missing} - {None}) or {""}
    texts_again = found["a"].astype(object)
    assert texts_again.where(found["a"].notna(), None).tolist() == [
        each if each in known else missing for each in later
    ]


# ── what is wrong


@pytest.mark.parametrize(
    ("step", "says"),
    [
        (Categories(columns=["regoin"]), r"there is no column 'regoin'; name some of \['region', 'age', 'is_new'\]"),
        (Categories(columns="region"), "columns is 'region', but must be a list of names"),  # type: ignore[arg-type]
        (Categories(missing=0), "missing is 0, but must be a text"),  # type: ignore[arg-type]
    ],
    ids=str,
)
def test_a_parameter_without_a_meaning_is_said(step: Categories, says: str) -> None:
    with pytest.raises(ValueError, match=f"^Categories: {says}"):
        step.fit(ROWS)


def test_other_columns_than_it_was_fitted_on_are_refused() -> None:
    fitted = Categories().fit(ROWS)
    for other in (ROWS[["region", "age"]], ROWS[["age", "region", "is_new"]]):
        with pytest.raises(ValueError, match="feature names should match"):
            fitted.transform(other)
    with pytest.raises(ValueError, match="could not convert string to float"):
        fitted.transform(ROWS.assign(age="old"))


def test_it_changes_nothing_of_what_it_is_given() -> None:
    before = ROWS.copy()
    Categories(missing="none").fit_transform(ROWS)

    pd.testing.assert_frame_equal(ROWS, before)


# ── as an estimator


def test_it_asks_to_be_fitted_first() -> None:
    with pytest.raises(NotFittedError, match="Categories"):
        Categories().transform(ROWS)


@pytest.mark.filterwarnings("ignore")  # the checks warn of what they skip
def test_it_passes_the_checks_of_scikit_learn() -> None:
    failing = {"check_dtype_object": "an object of any type is a level by its text"}
    found = estimator_checks.check_estimator(Categories(), expected_failed_checks=failing, on_fail=None)
    assert [each["check_name"] for each in found if each["status"] == "failed"] == []
    assert sum(each["status"] == "passed" for each in found) > 30


def test_its_columns_keep_their_names() -> None:
    fitted = Categories().fit(ROWS)
    assert list(fitted.get_feature_names_out()) == ["region", "age", "is_new"]

    among = make_column_transformer((Categories(), ["region"]), remainder="passthrough").set_output(transform="pandas")
    assert isinstance(among.fit_transform(ROWS)["categories__region"].dtype, pd.CategoricalDtype)


def test_it_is_stored_without_a_word_in_the_spec(tmp_path: Any) -> None:
    fitted = Categories(missing="none").fit(ROWS)
    skops.io.dump(fitted, tmp_path / "model.skops")

    assert foreign_types(tmp_path / "model.skops") == []
    stored = skops.io.load(tmp_path / "model.skops", trusted=["retrain_features.categories.Categories"])
    for other in (stored, pickle.loads(pickle.dumps(fitted)), clone(fitted).fit(ROWS)):  # noqa: S301
        assert other.get_params() == fitted.get_params()
        pd.testing.assert_frame_equal(other.transform(ROWS), fitted.transform(ROWS))
