"""A row that a model has trained on is known as seen, whatever has happened to the row since."""

from datetime import timedelta

import numpy as np
import pyarrow as pa
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from retrain.records import Subset
from tests.core.snapshots.samples import (
    BY_GROUP,
    BY_TIME,
    EVERY,
    JANUARY,
    SPLIT_VERSION,
    TRAINED,
    grouped,
    in_memory,
    next_split_version,
    numbered,
    rows,
    take,
)


def test_rows_of_the_subsets_that_trained_are_seen_and_no_others(store):
    snapshot = take(store, numbered(50))

    assert store.seen(store.read(snapshot, TRAINED), snapshot, TRAINED).all()
    assert not store.seen(store.read(snapshot, [Subset.HOLDOUT]), snapshot, TRAINED).any()


def test_a_row_is_seen_when_its_content_trained_under_another_key(store):
    trained = take(store, rows(["1", "2"], text=["same", "other"]))
    copies = store.read(take(store, rows(["3", "4"], text=["SAME", "new"])), EVERY)

    assert store.seen(copies, trained, EVERY).tolist() == [True, False]


def test_a_row_is_seen_when_it_trained_before_it_was_edited(store):
    trained = take(store, rows(["1"], text=["a letter with a tpyo"]))
    edited = store.read(take(store, rows(["1", "2"], text=["a letter with a typo", "new"])), EVERY)

    assert store.seen(edited, trained, EVERY).tolist() == [True, False]


def test_rows_that_trained_are_seen_after_the_spec_took_a_feature_more(store):
    trained = take(store, numbered(50))
    wider = take(store, numbered(50).append_column("length", pa.array([1.0] * 50)), last=trained, round_rows=1)
    holdout = store.read(wider, [Subset.HOLDOUT])

    assert store.seen(holdout, trained, TRAINED).tolist() == [
        key in store.read(trained, TRAINED).keys.to_pylist() for key in holdout.keys.to_pylist()
    ]
    assert store.seen(holdout, trained, TRAINED).any()


def test_a_copy_of_a_row_that_trained_in_another_split_version_is_seen(store):
    trained = take(store, rows(["1", "2"], text=["same", "other"]))
    copies = store.read(take(store, rows(["3", "4"], text=["SAME", "new"]), split_version=next_split_version()), EVERY)

    assert store.seen(copies, trained, EVERY).tolist() == [True, False]


def test_rows_of_a_group_that_trained_are_seen(store):
    trained = take(store, grouped({"1": "ann", "2": "bob"}), split_version=BY_GROUP)
    later = store.read(take(store, grouped({"3": "ANN", "4": "cid"}), split_version=BY_GROUP), EVERY)

    assert store.seen(later, trained, EVERY).tolist() == [True, False]


def test_rows_of_a_group_are_seen_when_one_of_them_trained_before_the_split_went_by_group(store):
    trained = take(store, rows(["1", "2"]))
    everyone = {"1": "ann", "2": "bob", "3": "ann", "4": "cid"}
    later = store.read(take(store, grouped(everyone), trained, split_version=next_split_version(by="group")), EVERY)

    assert store.seen(later, trained, EVERY).tolist() == [True, True, True, False]


def test_a_row_whose_content_trained_in_another_group_is_seen_and_the_rest_of_its_group_is_not(store):
    trained = take(store, grouped({"1": "ann"}, text=["same"]), split_version=BY_GROUP)
    later = store.read(
        take(store, grouped({"2": "bob", "3": "bob"}, text=["same", "new"]), split_version=BY_GROUP), EVERY
    )

    assert store.seen(later, trained, EVERY).tolist() == [True, False]


# ── whatever arrives


SPLIT_VERSIONS = [SPLIT_VERSION, BY_GROUP, BY_TIME]
changes = st.lists(
    st.lists(
        st.tuples(
            st.integers(0, 15),
            st.none() | st.tuples(st.integers(0, 12), st.integers(0, 5), st.none() | st.integers(0, 30)),
        ),
        max_size=8,
    ),
    min_size=2,
    max_size=5,
)


def table_of_letters(letters, split_version):
    """letters: for each key its text, group and day, as numbers."""
    text, group, day = zip(*letters.values(), strict=True) if letters else ((), (), ())
    columns = {"retrain.group": pa.array(map(str, group), pa.string())} if split_version.group else {}
    return rows(
        [f"{key:02}" for key in letters],
        pa.array(["good"] * len(letters), pa.string()),
        [None if each is None else JANUARY + timedelta(days=each) for each in day],
        **columns,
        text=pa.array(map(str, text), pa.string()),
    )


@pytest.mark.parametrize("split_version", SPLIT_VERSIONS, ids=lambda split_version: split_version.split.by)
@settings(deadline=None, max_examples=40)
@given(batches=changes, round_rows=st.integers(1, 4), consumes=st.lists(st.booleans(), min_size=5, max_size=5))
def test_no_row_judges_a_model_that_trained_on_it(split_version, batches, round_rows, consumes):
    """Whatever arrives, is edited or deleted, in any order: what the store does not call seen has not trained."""
    store = in_memory()
    letters, consumed = {}, []
    for batch, consume in zip(batches, consumes, strict=False):
        for key, row in batch:
            letters.pop(key, None)
            if row is not None:
                letters[key] = row
        last = consumed[-1][0] if consumed else None
        snapshot = take(
            store, table_of_letters(letters, split_version), last, split_version=split_version, round_rows=round_rows
        )
        holdout = store.read(snapshot, [Subset.HOLDOUT])
        now = (snapshot, store.read(snapshot, TRAINED))
        for earlier, trained in [*consumed, now]:
            judged = ~store.seen(holdout, earlier, TRAINED)
            assert not set(np.array(holdout.keys)[judged]) & set(trained.keys.to_pylist())
            assert not np.isin(holdout.content[judged], trained.content).any()
            assert not np.isin(holdout.clusters[judged], trained.clusters).any()
        consumed += [now] if consume else []


@pytest.mark.parametrize("split_version", SPLIT_VERSIONS, ids=lambda split_version: split_version.split.by)
@settings(deadline=None, max_examples=40)
@given(batches=changes, round_rows=st.integers(1, 4))
def test_where_rows_only_arrive_none_that_has_trained_comes_back_to_the_holdout(split_version, batches, round_rows):
    store = in_memory()
    letters, consumed = {}, []
    for batch in batches:
        for text, group, day in [row for _, row in batch if row is not None]:
            # Split by group, equal contents of two groups may be in two subsets: so each row has a content of its own.
            letters[len(letters)] = (len(letters) if split_version.group else text, group, day)
        last = consumed[-1] if consumed else None
        snapshot = take(
            store, table_of_letters(letters, split_version), last, split_version=split_version, round_rows=round_rows
        )
        consumed.append(snapshot)
        holdout = store.read(snapshot, [Subset.HOLDOUT])
        for earlier in consumed:
            assert not store.seen(holdout, earlier, TRAINED).any()
