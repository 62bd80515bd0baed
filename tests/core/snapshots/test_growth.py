"""New rows are counted, and divided into subsets and holdout rounds, snapshot after snapshot."""

from datetime import timedelta

import numpy as np
import pyarrow as pa
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from retrain.errors import SourceMismatchError
from retrain.records import Snapshot, Subset
from retrain.snapshots.new_rows import Before
from retrain.source.columns import KEY_ORDER, NUMBERS, SINCE
from tests.core.snapshots.samples import (
    BY_GROUP,
    BY_TIME,
    EVERY,
    JANUARY,
    MODEL,
    SPLIT_VERSION,
    contents,
    dated,
    grouped,
    in_memory,
    next_split_version,
    numbered,
    rows,
    take,
)

# ── new rows


def test_all_rows_of_the_first_snapshot_are_new(store):
    assert take(store, numbered(7)).new_rows == 7


@settings(deadline=None, max_examples=50)
@given(
    before=st.dictionaries(st.integers(0, 12), st.sampled_from(["good", "bad"])),
    after=st.dictionaries(st.integers(0, 12), st.sampled_from(["good", "bad"])),
)
def test_new_are_the_pairs_of_key_and_label_that_the_last_snapshot_did_not_hold(before, after):
    store = in_memory()

    def table(pairs):
        return rows([str(key) for key in pairs], pa.array(pairs.values(), pa.string()))

    snapshot = take(store, table(after), last=take(store, table(before)))

    assert snapshot.new_rows == len(after.items() - before.items())


def test_a_row_counts_as_new_when_its_text_is_edited_only_if_its_label_is(store):
    last = take(store, rows(["1", "2"], ["good", "good"], text=["a", "b"]))

    assert take(store, rows(["1", "2"], ["good", "good"], text=["a!", "b!"]), last=last).new_rows == 0
    assert take(store, rows(["1", "2"], ["good", "bad"], text=["a", "b"]), last=last).new_rows == 1


def by_number(count):
    """Keys of whole numbers, in their order."""
    return numbered(count).replace_schema_metadata({KEY_ORDER: NUMBERS}).to_reader(max_chunksize=7)


def test_new_rows_are_found_in_the_order_of_numbers_and_after_the_order_has_changed(store):
    def written(rows, last):
        return store.write(MODEL, rows, split_version=SPLIT_VERSION, round_rows=3, last=last, inherits=last)

    numbers = written(by_number(102), written(by_number(100), None))
    texts = take(store, numbered(105), numbers)
    again = written(by_number(110), texts)

    assert [each.new_rows for each in (numbers, texts, again)] == [2, 3, 5]


@pytest.mark.parametrize("columns", [None, ["label", "key"]])
def test_a_snapshot_says_in_which_order_its_keys_are_whatever_is_read_of_it(store, columns):
    snapshot = store.write(MODEL, by_number(20), split_version=SPLIT_VERSION, round_rows=3, last=None, inherits=None)

    table = store.table(snapshot, columns)

    assert table.schema.metadata[KEY_ORDER] == NUMBERS
    assert columns is None or table.column_names == columns


def test_of_an_earlier_snapshot_no_more_is_held_than_a_batch_needs():
    def batches(size):
        for start in range(0, 900, size):
            keys = [str(number) for number in range(start, start + size)]
            yield pa.record_batch({"key": keys, "label": ["good"] * size}, metadata={KEY_ORDER: NUMBERS})

    before, sizes = Before(batches(30)), []
    for batch in batches(20):
        assert before.count_new(batch, NUMBERS) == 0
        sizes.append(len(before._pairs))

    assert max(sizes) < 30


@given(
    st.dictionaries(st.integers(-20, 20), st.sampled_from(["good", "bad"])),
    st.dictionaries(st.integers(-20, 20), st.sampled_from(["good", "bad"])),
    st.integers(1, 9),
)
def test_of_whole_numbers_those_are_new_that_were_not_there_with_their_label(then, now, size):
    def batches(labels):
        keys, columns = sorted(labels), {"key": pa.string(), "label": pa.string()}
        table = pa.table(
            [[str(key) for key in keys], [labels[key] for key in keys]], pa.schema(columns, {KEY_ORDER: NUMBERS})
        )
        return iter(table.to_batches(size))

    before = Before(batches(then))

    assert sum(before.count_new(batch, NUMBERS) for batch in batches(now)) == len(now.items() - then.items())


def test_rows_that_do_not_come_in_the_order_of_their_keys_are_refused(store):
    with pytest.raises(SourceMismatchError, match="did not come in the order of their keys"):
        store.write(
            MODEL,
            rows(["1", "3", "2"]).to_reader(),
            split_version=SPLIT_VERSION,
            round_rows=3,
            last=None,
            inherits=None,
        )


def test_what_has_aged_out_is_not_new_when_the_window_is_widened_again(store):
    def taken(days, since, last=None):
        metadata = {SINCE: (JANUARY + timedelta(days=since, hours=-1)).isoformat()}
        return take(store, dated(days).replace_schema_metadata(metadata), last)

    narrow = taken(range(10, 20), since=10)
    wide = taken(range(22), since=0, last=narrow)

    assert narrow.since == JANUARY + timedelta(days=10, hours=-1)
    assert (wide.rows, wide.new_rows) == (22, 2)


# ── rounds


@settings(deadline=None, max_examples=25)
@given(sizes=st.lists(st.integers(0, 40), min_size=2, max_size=5), round_rows=st.integers(1, 12))
def test_no_row_that_has_trained_is_holdout_in_a_later_snapshot(sizes, round_rows):
    store = in_memory()
    last, trained = None, set()
    for count in np.cumsum(sizes).tolist():
        last = take(store, numbered(count), last=last, round_rows=round_rows)

        assert trained.isdisjoint(contents(store, last, Subset.HOLDOUT))
        trained |= contents(store, last, Subset.TRAIN, Subset.VALIDATION)


def test_a_round_opens_when_enough_rows_wait(store):
    first = take(store, numbered(20))
    waiting = take(store, numbered(40), last=first, round_rows=1_000)
    opened = take(store, numbered(40), last=first, round_rows=1)

    assert (first.holdout_round, waiting.holdout_round, opened.holdout_round) == (1, 1, 2)
    assert (
        waiting.subsets[Subset.HOLDOUT]
        == first.subsets[Subset.HOLDOUT]
        == 20 - first.subsets[Subset.TRAIN] - first.subsets[Subset.VALIDATION]
    )
    assert opened.subsets[Subset.HOLDOUT] == waiting.subsets[Subset.WAITING] > 0
    assert opened.subsets[Subset.WAITING] == 0


def test_a_round_whose_rows_were_deleted_does_not_hand_its_turn_back(store):
    first = take(store, numbered(20))
    second = take(store, numbered(40), last=first, round_rows=1)
    only_old = take(store, numbered(20), last=second, round_rows=1)
    trained = contents(store, second, Subset.TRAIN)

    third = take(store, numbered(20), last=only_old, round_rows=1)

    for later in (only_old, third):
        assert trained.isdisjoint(contents(store, later, Subset.HOLDOUT))


# ── splits and split versions


def test_rows_of_one_group_share_subset_and_cluster_and_the_group_is_not_a_feature(store):
    snapshot = take(store, grouped({str(key): f"group {key % 20}" for key in range(100)}), split_version=BY_GROUP)

    found = [(subset, store.read(snapshot, [subset])) for subset in EVERY]
    subsets = {(subset, cluster) for subset, some in found for cluster in some.clusters.tolist()}
    assert len(subsets) == len({cluster for _, cluster in subsets}) == 20
    assert len({subset for subset, _ in subsets}) == 3
    assert all(list(some.features) == ["text"] for _, some in found)


def test_rows_without_a_group_are_one_group(store):
    found = store.read(take(store, grouped({"1": None, "2": None, "3": ""}), split_version=BY_GROUP), EVERY)

    assert found.clusters[0] == found.clusters[1] != found.clusters[2]


def test_a_round_of_groups_opens_when_enough_groups_wait(store):
    first = take(store, grouped({str(key): str(key) for key in range(20)}), split_version=BY_GROUP)
    # With this salt, Mia falls into the holdout's range.
    more = {str(key): str(key) if key < 20 else "mia" for key in range(60)}

    assert take(store, grouped(more), first, split_version=BY_GROUP, round_rows=2).subsets[Subset.WAITING] == 40
    assert take(store, grouped(more), first, split_version=BY_GROUP, round_rows=1).holdout_round == 2


def test_by_time_the_newest_rows_judge_and_the_next_round_begins_after_them(store):
    first = take(store, dated(range(10)), split_version=BY_TIME)
    waiting = take(store, dated(range(12)), first, split_version=BY_TIME)
    second = take(store, dated(range(13)), waiting, split_version=BY_TIME)

    assert first.span == waiting.span == (JANUARY + timedelta(days=6), JANUARY + timedelta(days=9))
    assert waiting.subsets[Subset.WAITING] == 2
    assert second.span == (JANUARY + timedelta(days=10), JANUARY + timedelta(days=12))
    assert store.read(second, [Subset.HOLDOUT]).keys.to_pylist() == ["10", "11", "12"]
    assert Snapshot.from_json(second.to_json()) == second


def test_a_split_version_begins_with_a_round_of_its_own_and_counts_new_rows_on(store):
    last = take(store, numbered(20))
    snapshot = take(store, numbered(25), last, split_version=next_split_version())

    assert (snapshot.split_version, snapshot.holdout_round, snapshot.new_rows) == (2, 2, 5)
    assert snapshot.subsets[Subset.WAITING] == 0
    assert not contents(store, snapshot, *EVERY) & contents(store, last, *EVERY)
