"""N-grams are those of scikit-learn whatever the text, and their hash is the same everywhere and in any blocks."""

import sys
from collections import Counter

import numpy as np
import pytest
from hypothesis import example, given
from hypothesis import strategies as st
from sklearn.feature_extraction.text import CountVectorizer

from retrain_features.grams import HASHING, Grams, counted

BUCKETS = 2**31 - 1
WHITE = [chr(code) for code in range(sys.maxunicode + 1) if chr(code).isspace()]

any_text = st.text(st.characters(exclude_categories=()), max_size=40)  # lone surrogates and NUL among them
with_white = st.text(st.sampled_from([*"ab한글", "😀", "\0", "İ", "Σ", *WHITE]), max_size=40)
texts = st.lists(any_text | with_white, max_size=8)
ranges = st.tuples(st.integers(1, 7), st.integers(1, 7)).map(sorted).map(tuple)
analyzers = st.sampled_from(["char_wb", "char"])


def ours(rows, analyzer="char_wb", ngram_range=(1, 4), lowercase=True, buckets=BUCKETS, **block):
    """Of each text, how often each hash occurs, in the order of the hashes."""
    grams = Grams(analyzer == "char_wb", *ngram_range, buckets, lowercase)
    found = []
    for counts in counted(rows, grams, **block):
        for start, end in zip(counts.starts, counts.starts[1:], strict=False):
            buckets_of, counts_of = counts.buckets[start:end], counts.counts[start:end]
            assert (np.diff(buckets_of) > 0).all()
            found.append(dict(zip(buckets_of.tolist(), counts_of.tolist(), strict=True)))
    return found


def theirs(rows, analyzer="char_wb", ngram_range=(1, 4), lowercase=True):
    """Of each text, how often each n-gram occurs, by scikit-learn."""
    grams = CountVectorizer(analyzer=analyzer, ngram_range=ngram_range, lowercase=lowercase).build_analyzer()
    return [Counter(grams(row)) for row in rows]


@given(rows=texts, analyzer=analyzers, ngram_range=ranges, lowercase=st.booleans())
@example(rows=["a", "ab abc", " ", "", "abcd"], analyzer="char_wb", ngram_range=(5, 6), lowercase=False)
@example(rows=["ΑΣ", "Σ", "İSTANBUL ΑΣ"], analyzer="char_wb", ngram_range=(1, 3), lowercase=True)
@example(rows=["a \n b\nc", "\x1c\x85\xa0\u3000"], analyzer="char", ngram_range=(1, 3), lowercase=True)
def test_n_grams_are_those_of_scikit_learn_whatever_the_text(rows, analyzer, ngram_range, lowercase):
    found = ours(rows, analyzer, ngram_range, lowercase)

    expected = theirs(rows, analyzer, ngram_range, lowercase)
    assert [sorted(each.values()) for each in found] == [sorted(each.values()) for each in expected]
    # One hash for each n-gram, also in another text.
    assert len({key for each in found for key in each}) == len({key for each in expected for key in each})


@given(rows=texts, analyzer=analyzers, ngram_range=ranges, block=st.integers(1, 50))
def test_blocks_change_nothing(rows, analyzer, ngram_range, block):
    assert ours(rows, analyzer, ngram_range, block=block) == ours(rows, analyzer, ngram_range)


@given(rows=texts, ngram_range=ranges)
def test_a_text_counts_the_same_wherever_it_stands(rows, ngram_range):
    assert ours(rows[::-1], ngram_range=ngram_range)[::-1] == ours(rows, ngram_range=ngram_range)
    assert [ours([row], ngram_range=ngram_range)[0] for row in rows] == ours(rows, ngram_range=ngram_range)


@pytest.mark.parametrize("white", WHITE, ids=lambda each: f"U+{ord(each):04X}")
def test_white_space_of_any_kind_parts_words(white):
    assert ours([f"좋은{white}영화"]) == ours(["좋은 영화"])


def test_what_parts_words_is_what_python_takes_for_white_space():
    others = "".join(chr(code) for code in range(sys.maxunicode + 1) if not chr(code).isspace())

    (found,) = ours([others], ngram_range=(1, 1), lowercase=False)

    assert max(found.values()) == 2  # the space before this one word, and that after it


def test_only_one_letter_becomes_longer_in_lower_case_and_none_shorter():
    """What the hash of a joined text relies on."""
    lengths = {chr(code): len(chr(code).lower()) for code in range(sys.maxunicode + 1)}

    assert {letter for letter, length in lengths.items() if length != 1} == {"İ"}
    assert lengths["İ"] > 1


def test_one_very_long_text_is_counted_in_parts():
    words = ["영화", "감동적이었다", "지루한", "film"]
    text = " ".join(np.random.default_rng(0).choice(words, size=20_000))

    assert [sorted(each.values()) for each in ours([text, "영화"], block=1000)] == [
        sorted(each.values()) for each in theirs([text, "영화"])
    ]


def test_hashes_spread_over_any_number_of_buckets():
    rows = [f"{number}번 영화" for number in range(20_000)]

    for buckets in (1, 1000, 2**17):
        used = np.unique(np.concatenate([[*each] for each in ours(rows, buckets=buckets)]))
        assert used.min() >= 0
        assert used.max() < buckets
    n_grams = len({gram for each in theirs(rows) for gram in each})
    # As many as n-grams that are thrown at random leave.
    assert abs(len(used) - buckets * -np.expm1(-n_grams / buckets)) < 0.01 * buckets


def test_the_hash_is_the_one_that_stored_models_were_fitted_with():
    """A change would misread them: raise HASHING, and write the new values here."""
    assert HASHING == 1
    hashes = [148038, 629865, 845659, 1690049, 1970760, 2402667, 2490393, 3166199, 3463132, 3735042]
    assert ours(["영화 A😀"], ngram_range=(2, 3), buckets=2**22) == [dict.fromkeys(hashes, 1)]
