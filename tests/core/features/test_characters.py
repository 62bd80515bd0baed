"""`CharacterTfidf` computes what `TfidfVectorizer` does, and is an estimator like any other."""

import pickle
import re

import numpy as np
import pandas as pd
import pyarrow as pa
import pytest
import skops.io
from hypothesis import given
from hypothesis import strategies as st
from scipy.sparse import csr_matrix
from sklearn.base import clone
from sklearn.compose import ColumnTransformer
from sklearn.exceptions import NotFittedError, SkipTestWarning
from sklearn.feature_extraction.text import TfidfVectorizer
from sklearn.linear_model import LogisticRegression
from sklearn.pipeline import make_pipeline
from sklearn.utils import estimator_checks

from retrain.models.files import foreign_types
from retrain_features import characters
from retrain_features.characters import CharacterTfidf

REVIEWS = ["감동적인 영화", "감동적이었다", "지루한 영화", "지루했다 정말", "", "Ab  AB", "\u3000영\0화 😀", " \n\t "]
RANDOM = np.random.default_rng(0)
MANY = [" ".join(RANDOM.choice(REVIEWS, size=6)) for _ in range(300)]


def values(matrix):
    return [
        np.sort(matrix[row].toarray().ravel()[matrix[row].toarray().ravel() != 0]) for row in range(matrix.shape[0])
    ]


def assert_same(found, expected):
    assert found.shape == expected.shape
    for ours, theirs in zip(values(found), values(expected), strict=True):
        np.testing.assert_allclose(ours, theirs, rtol=1e-6)


SAME = {
    "of words": {},
    "of the text": {"analyzer": "char"},
    "long ones": {"ngram_range": (4, 7)},
    "in both cases": {"lowercase": False},
    "of a share of the texts": {"min_df": 0.1, "max_df": 0.6},
    "of a number of texts": {"min_df": 10, "max_df": 200},
    "sublinear": {"sublinear_tf": True},
    "without idf": {"use_idf": False},
    "not smoothed": {"smooth_idf": False},
    "l1": {"norm": "l1"},
    "no norm": {"norm": None},
    "of half the memory": {"dtype": np.float32},
}


@pytest.mark.parametrize("changed", SAME.values(), ids=SAME)
def test_values_are_those_of_scikit_learn(changed):
    params = {"analyzer": "char_wb", "ngram_range": (1, 4), "min_df": 1, **changed}
    ours, theirs = CharacterTfidf(n_features=2**26, **params), TfidfVectorizer(**params)

    assert_same(ours.fit_transform(MANY), theirs.fit_transform(MANY))
    assert_same(ours.transform(REVIEWS), theirs.transform(REVIEWS))


def test_texts_that_are_alike_for_scikit_learn_are_so_here():
    params = {"analyzer": "char_wb", "ngram_range": (2, 4)}
    ours = CharacterTfidf(min_df=1, **params).fit_transform(MANY)
    theirs = TfidfVectorizer(**params).fit_transform(MANY)

    np.testing.assert_allclose((ours @ ours.T).toarray(), (theirs @ theirs.T).toarray(), atol=1e-9)


@pytest.mark.parametrize("changed", SAME.values(), ids=SAME)
def test_learning_and_transforming_at_once_is_the_same_as_one_after_the_other(changed):
    params = {"min_df": 1, **changed}
    at_once = CharacterTfidf(**params).fit_transform(MANY)
    after = CharacterTfidf(**params).fit(MANY).transform(MANY)

    assert (at_once != after).nnz == 0
    assert at_once.dtype == after.dtype == params.get("dtype", np.float64)


def test_the_matrix_is_as_scikit_learn_wants_it():
    found = CharacterTfidf(min_df=1).fit_transform(MANY)

    assert isinstance(found, csr_matrix)
    assert found.indices.dtype == found.indptr.dtype == np.int32
    again = csr_matrix((found.data, found.indices, found.indptr), shape=found.shape)
    assert again.has_sorted_indices
    assert again.has_canonical_format


@given(st.permutations(range(40)))
def test_what_is_learnt_does_not_depend_on_the_order_of_rows(order):
    one = CharacterTfidf(min_df=2).fit(MANY[:40])
    other = CharacterTfidf(min_df=2).fit([MANY[row] for row in order])

    assert one.buckets_.tolist() == other.buckets_.tolist()
    assert one.idf_.tolist() == other.idf_.tolist()


def test_one_text_is_the_same_as_among_many():
    fitted = CharacterTfidf(min_df=1).fit(MANY)

    for row in (0, 7, 299):
        assert (fitted.transform([MANY[row]]) != fitted.transform(MANY)[row]).nnz == 0


def test_few_buckets_are_shared():
    found = CharacterTfidf(min_df=1, n_features=10).fit_transform(MANY)

    assert found.shape == (300, 10)
    np.testing.assert_allclose(found.multiply(found).sum(axis=1), 1)


def test_texts_without_a_known_n_gram_are_rows_of_zeros():
    fitted = CharacterTfidf(min_df=1).fit(MANY)

    assert fitted.transform(["", " \u3000", "가나다"]).getnnz(axis=1).tolist()[:2] == [0, 0]
    assert fitted.transform([]).shape == (0, len(fitted.buckets_))


# ── what it takes

COLUMNS = {
    "a tuple": tuple,
    "an iterator": iter,
    "an array": np.array,
    "an array of objects": lambda rows: np.array(rows, dtype=object),
    "a Series": pd.Series,
    "a Series of objects": lambda rows: pd.Series(rows, dtype=object, index=range(5, 13)),
    "a Series of categories": lambda rows: pd.Series(rows).astype("category"),
    "a table of one column": lambda rows: pd.DataFrame({"text": rows}),
    "an array of one column": lambda rows: np.array(rows, dtype=object).reshape(-1, 1),
}
ARROW = {
    "a Series of Arrow's": lambda rows: pd.Series(rows, dtype="string[pyarrow]"),
    "an array of Arrow's": pa.array,
    "a column of Arrow's": lambda rows: pa.chunked_array([rows[:2], rows[2:]]),
}


@pytest.mark.parametrize("column", (COLUMNS | ARROW).values(), ids=COLUMNS | ARROW)
def test_a_column_of_texts_may_come_in_many_ways(column):
    fitted = CharacterTfidf(min_df=1)

    found = fitted.fit_transform(column(REVIEWS))

    assert (found != CharacterTfidf(min_df=1).fit_transform(REVIEWS)).nnz == 0
    assert (found != fitted.transform(column(REVIEWS))).nnz == 0


@pytest.mark.parametrize(
    ("column", "says"),
    [
        (["a", None], r"text 1 is missing \(None\); fill in '' or leave the row out"),
        (["a", float("nan")], r"text 1 is missing \(nan\)"),
        (pd.Series(["a", None], dtype="string"), r"text 1 is missing \(<NA>\)"),
        (pd.Series(["a", None], dtype="str"), r"text 1 is missing"),
        (pa.array([None, "a"]), r"text 0 is missing \(None\)"),
        ([pd.NaT], r"text 0 is missing"),
        (["a", 5], "text 1 is no text but int: 5; make it a str"),
        ([b"a"], "text 0 is no text but bytes"),
        ("one text", "takes many texts, and got one str; put it into a list"),
        (5, "takes a column of texts, and got int"),
        (np.array("a"), "takes one column of texts, and got an array of 0 dimensions"),
        (pd.DataFrame({"a": ["x"], "b": ["y"]}), "takes one column of texts, and got 2; choose it"),
        (np.empty((1, 1, 1), dtype=object), "takes one column of texts, and got an array of 3 dimensions"),
    ],
)
@pytest.mark.parametrize("verb", ["fit", "fit_transform", "transform"])
def test_what_is_no_text_is_said_by_its_place(verb, column, says):
    fitted = CharacterTfidf(min_df=1).fit(MANY)

    with pytest.raises(ValueError, match=f"^CharacterTfidf: {says}"):
        getattr(fitted, verb)(column)


@pytest.mark.parametrize(
    ("params", "rows", "says"),
    [
        ({}, ["a", "b"], "of 2 texts, max_df leaves 2 and min_df asks for 3"),
        ({}, [], "of 0 texts, max_df leaves 0 and min_df asks for 3"),
        ({"min_df": 1}, ["", " "], "none of 2 texts has an n-gram; look whether the column is empty"),
        ({"min_df": 2, "analyzer": "char"}, ["a", "b"], "of 2 texts no n-gram is left; lower min_df or raise max_df"),
    ],
)
def test_too_few_texts_are_said(params, rows, says):
    for verb in ("fit", "fit_transform"):
        with pytest.raises(ValueError, match=says):
            getattr(CharacterTfidf(**params), verb)(rows)


@pytest.mark.parametrize(
    "params",
    [
        {"analyzer": "word"},
        {"ngram_range": (0, 2)},
        {"ngram_range": (3, 2)},
        {"ngram_range": (1, 65)},
        {"ngram_range": 3},
        {"ngram_range": (1.0, 2)},
        {"min_df": 0},
        {"min_df": 1.5},
        {"min_df": True},
        {"max_df": "1"},
        {"max_df": float("nan")},
        {"n_features": 0},
        {"n_features": 2**31},
        {"norm": "max"},
        {"dtype": np.int64},
        {"dtype": "float16"},
        {"sublinear_tf": 1},
        {"lowercase": "yes"},
    ],
    ids=str,
)
def test_a_parameter_without_a_meaning_is_said(params):
    ((name, value),) = params.items()

    with pytest.raises(ValueError, match=f"^CharacterTfidf: {name} is {re.escape(repr(value))}, but must be "):
        CharacterTfidf(**params).fit(MANY)


# ── as an estimator


def test_it_asks_to_be_fitted_first():
    with pytest.raises(NotFittedError, match="CharacterTfidf"):
        CharacterTfidf().transform(MANY)


def test_scikit_learn_knows_that_it_takes_texts():
    with pytest.warns(SkipTestWarning, match="requires input"):  # all its checks give numbers to an estimator
        estimator_checks.check_estimator(CharacterTfidf())


@pytest.mark.parametrize(
    "check",
    [
        estimator_checks.check_estimator_cloneable,
        estimator_checks.check_estimator_repr,
        estimator_checks.check_estimator_tags_renamed,
        estimator_checks.check_valid_tag_types,
        estimator_checks.check_no_attributes_set_in_init,
        estimator_checks.check_parameters_default_constructible,
        estimator_checks.check_get_params_invariance,
        estimator_checks.check_set_params,
        estimator_checks.check_mixin_order,
    ],
    ids=lambda check: check.__name__,
)
def test_scikit_learn_s_checks_that_need_no_numbers_pass(check):
    check("CharacterTfidf", CharacterTfidf())


def test_a_column_is_named_alone_or_in_a_list():
    table = pd.DataFrame({"text": MANY, "age": range(300)})
    labels = ["지루" in row for row in MANY]

    for chosen in ("text", ["text"]):
        model = make_pipeline(
            ColumnTransformer([("text", CharacterTfidf(), chosen)]), LogisticRegression(C=100, max_iter=1000)
        )
        assert model.fit(table, labels).score(table, labels) > 0.95


def test_a_second_fit_leaves_nothing_of_the_first():
    fitted = CharacterTfidf(min_df=1).fit(MANY).set_params(use_idf=False).fit(REVIEWS)

    assert (fitted.transform(MANY) != CharacterTfidf(min_df=1, use_idf=False).fit(REVIEWS).transform(MANY)).nnz == 0


@pytest.mark.parametrize("params", [{}, {"dtype": np.float32, "norm": None}, {"dtype": "float32", "use_idf": False}])
def test_it_is_stored_without_a_word_in_the_spec(params, tmp_path):
    fitted = CharacterTfidf(**params).fit(MANY)
    skops.io.dump(fitted, tmp_path / "model.skops")

    assert skops.io.get_untrusted_types(file=tmp_path / "model.skops") == ["retrain_features.characters.CharacterTfidf"]
    assert foreign_types(tmp_path / "model.skops") == []
    stored = skops.io.load(tmp_path / "model.skops", trusted=["retrain_features.characters.CharacterTfidf"])
    for other in (stored, pickle.loads(pickle.dumps(fitted)), clone(fitted).fit(MANY)):  # noqa: S301
        assert other.get_params() == fitted.get_params()
        assert (other.transform(MANY) != fitted.transform(MANY)).nnz == 0


def test_a_model_that_was_fitted_with_another_hash_is_refused(monkeypatch):
    fitted = CharacterTfidf().fit(MANY)
    monkeypatch.setattr(characters, "HASHING", 2)

    with pytest.raises(ValueError, match="was fitted with hash 1, and this version of the package has hash 2"):
        fitted.transform(MANY)
