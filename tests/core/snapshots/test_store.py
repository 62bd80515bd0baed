"""A snapshot is the rows as they were: found again by their content, and refused when they are not the same."""

import os
from dataclasses import replace
from datetime import UTC, datetime, timedelta

import numpy as np
import pandas as pd
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from retrain.errors import SnapshotError, SourceError, SourceMismatchError
from retrain.records import Snapshot, Subset
from retrain.snapshots.content_keys import content_keys
from retrain.snapshots.new_rows import Before
from retrain.snapshots.split import SplitVersion
from retrain.snapshots.store import SnapshotStore
from retrain.source.columns import KEY_ORDER, NUMBERS, SINCE
from retrain.source.table import LABEL_TIME
from retrain.spec.source import Split

MODEL = "letters"
SALT = b"a salt of any size"
SPLIT = Split(validation=0.2, holdout=0.4)
EVERY = tuple(Subset)
JANUARY = datetime(2026, 1, 1, tzinfo=UTC)


def rows(keys, labels=None, times=None, **features):
    """What `Source.read_labelled` gives; without features, a text that is different for each key."""
    count = len(keys)
    return pa.table(
        {
            "key": pa.array(keys, pa.string()),
            "label": pa.array(labels if labels is not None else ["good"] * count),
            "label_time": pa.array(times if times is not None else [None] * count, LABEL_TIME),
            **({name: pa.array(values) for name, values in features.items()} or {"text": pa.array(keys, pa.string())}),
        }
    )


def grouped(groups, **features):
    """groups: the group of each key."""
    group = {"retrain.group": pa.array(groups.values(), pa.string())}
    return rows(list(groups), **group, **(features or {"text": list(groups)}))


def dated(numbers):
    return rows([str(day) for day in numbers], times=[JANUARY + timedelta(days=day) for day in numbers])


def next_split_version(by="hash"):
    """The one after `LINEAGE`, which had one round."""
    group = "applicant" if by == "group" else None
    return SplitVersion(number=2, salt=b"another", split=Split(by=by), group=group, after_round=1)


def numbered(count, label="good"):
    return rows([str(number) for number in range(count)], [label] * count)


@pytest.fixture
def folder(tmp_path):
    return tmp_path / "all snapshots 100%"


@pytest.fixture
def store(folder):
    return SnapshotStore(folder.as_uri())


SPLIT_VERSION = SplitVersion(number=1, salt=SALT, split=SPLIT, group=None, after_round=0)
BY_GROUP = replace(SPLIT_VERSION, split=Split(by="group", validation=0.2, holdout=0.4), group="applicant")
BY_TIME = replace(SPLIT_VERSION, split=Split(by="time", validation=0.2, holdout=0.4, gap="1d"))


def take(store, table, last=None, *, model=MODEL, split_version=SPLIT_VERSION, round_rows=3):
    inherits = last if last is not None and last.split_version == split_version.number else None
    return store.write(
        model,
        table.sort_by("key").to_reader(),
        split_version=split_version,
        round_rows=round_rows,
        last=last,
        inherits=inherits,
    )


def contents(store, snapshot, *wanted):
    return set(store.read(snapshot, wanted).content.tolist())


def file_of(folder):
    (file,) = folder.rglob("*.parquet")
    return file


# ── what is stored, and found again


def test_every_row_is_found_again_on_one_side(store):
    snapshot = take(store, numbered(50))

    assert sum(snapshot.subsets.values()) == snapshot.rows == 50
    for subset in EVERY:
        assert len(store.read(snapshot, [subset])) == snapshot.subsets[subset]
    assert sorted(store.read(snapshot, EVERY).features["text"]) == sorted(str(number) for number in range(50))


def test_rows_are_read_in_an_order_that_does_not_depend_on_how_they_came(store):
    first = take(store, numbered(20))
    expected = store.read(first, EVERY)

    second = take(store, numbered(20).take(list(reversed(range(20)))))

    found = store.read(second, EVERY)
    pd.testing.assert_frame_equal(found.features, expected.features)
    assert found.content.tolist() == expected.content.tolist()


def test_the_whole_table_is_there_as_it_is_stored_or_the_columns_that_are_named(store):
    snapshot = take(store, numbered(20))

    whole = store.table(snapshot)
    assert whole.num_rows == 20
    assert {"key", "label", "label_time", "text", "retrain.content", "retrain.subset"} <= set(whole.column_names)
    assert store.table(snapshot, ["retrain.subset", "key"]).equals(whole.select(["retrain.subset", "key"]))


def test_a_table_that_was_changed_is_refused(store, folder):
    snapshot = take(store, numbered(20))
    pq.write_table(pq.read_table(file_of(folder)).slice(1), file_of(folder))

    with pytest.raises(SnapshotError, match="its digest differs"):
        store.table(snapshot, ["key"])


def test_features_keep_the_order_of_the_spec(store):
    snapshot = take(store, rows(["1"], zebra=["z"], ant=["a"]))

    assert list(store.read(snapshot, EVERY).features) == ["zebra", "ant"]


def test_features_may_be_called_like_our_own_words(store):
    snapshot = take(store, rows(["1"], content=["text"], subset=["left"], holdout_round=["stone age"]))

    assert store.read(snapshot, EVERY).features.to_dict("records") == [
        {"content": "text", "subset": "left", "holdout_round": "stone age"}
    ]


@pytest.mark.parametrize(
    ("labels", "kind"), [(["good", "bad"], "str"), ([1, 0], "int64"), ([True, False], "bool")], ids=str
)
def test_labels_keep_their_type(store, labels, kind):
    found = store.read(take(store, rows(["1", "2"], labels)), EVERY).labels

    assert found.dtype == kind
    assert found.tolist() == labels


def test_numbers_are_float64_whether_or_not_some_are_empty(store):
    full, gaps = [1, 2, 3], [1, None, 3]
    snapshots = [
        take(store, rows(["1", "2", "3"], int=ints, float=[0.5, None, 1.5], bool=bools))
        for ints, bools in ((full, [True, False, True]), (gaps, [True, None, False]))
    ]

    for snapshot in snapshots:
        assert store.read(snapshot, EVERY).features.dtypes.unique().tolist() == [np.dtype("float64")]


def test_empty_features_come_back_empty(store):
    snapshot = take(
        store,
        rows(
            ["1", "2"],
            text=pa.array([None, ""], pa.string()),
            number=pa.array([None, 0], pa.int64()),
            none=pa.array([None, None], pa.string()),
        ),
    )

    features = store.read(snapshot, EVERY).features
    assert features.isna().to_numpy().tolist() == [[True, True, True], [False, False, True]]
    assert features["text"][1] == ""


def test_text_comes_back_as_it_was(store):
    text = ['she said "no",\r\nand left', "a\tb", " 자기소개서 🙂 ", "\\N", "NULL"]

    snapshot = take(store, rows([str(number) for number in range(5)], text=text))

    assert store.read(snapshot, EVERY).features["text"].tolist() == text


def test_a_snapshot_of_no_rows_can_be_read(store):
    snapshot = take(store, rows([], pa.array([], pa.string())))

    assert (snapshot.rows, snapshot.new_rows, snapshot.watermark) == (0, 0, None)
    assert len(store.read(snapshot, EVERY)) == 0


def test_a_snapshot_reaches_as_far_as_its_latest_label(store):
    times = [JANUARY, JANUARY + timedelta(microseconds=1), None]

    snapshot = take(store, rows(["1", "2", "3"], times=times))

    assert snapshot.watermark == times[1]
    assert Snapshot.from_json(snapshot.to_json()) == snapshot


# ── identity


def test_the_same_rows_give_the_same_snapshot_and_one_file(store, folder):
    assert take(store, numbered(30)) == take(store, numbered(30))
    assert file_of(folder).stat().st_size > 0


@st.composite
def tables(draw):
    count = draw(st.integers(0, 8))
    return draw(
        st.lists(
            st.tuples(
                st.sampled_from(["good", "bad", None]),
                st.sampled_from(["", "a", "1:a", "-", None]),
                st.sampled_from([0.0, 1.0, 1.5, None]),
            ),
            min_size=count,
            max_size=count,
        )
    )


def table_of(triples):
    label, text, number = zip(*triples, strict=True) if triples else ([], [], [])
    return rows(
        [f"{position:03}" for position in range(len(triples))],
        pa.array(label, pa.string()),
        text=pa.array(text, pa.string()),
        number=pa.array(number, pa.float64()),
    )


@settings(deadline=None, max_examples=100)
@given(some=tables(), others=tables())
def test_two_snapshots_have_one_id_exactly_when_their_rows_are_equal(tmp_path_factory, some, others):
    store = SnapshotStore(tmp_path_factory.getbasetemp().as_uri())

    same_id = take(store, table_of(some)).id == take(store, table_of(others)).id

    assert same_id == (some == others)


@settings(deadline=None, max_examples=50)
@given(triples=tables(), random=st.randoms())
def test_the_id_does_not_depend_on_the_order_of_the_rows(tmp_path_factory, triples, random):
    store = SnapshotStore(tmp_path_factory.getbasetemp().as_uri())
    table = table_of(triples)
    shuffled = table.take(pa.array(random.sample(range(len(triples)), len(triples)), pa.int64()))

    assert take(store, shuffled).id == take(store, table).id


def test_a_row_more_with_equal_content_is_another_snapshot(store):
    two, three = (rows([str(key) for key in range(count)], text=["same"] * count) for count in (2, 3))

    assert take(store, two).id != take(store, three).id


def test_a_value_does_not_slide_into_the_next_column(store):
    one = take(store, rows(["1"], a=["x:1"], b=["y"]))
    other = take(store, rows(["1"], a=["x"], b=["1:y"]))

    assert one.id != other.id


# ── content keys


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


def test_rows_of_one_content_share_side_and_cluster(store):
    snapshot = take(store, rows(["1", "2", "3"], text=["same", "SAME ", "other"]))

    found = store.read(snapshot, EVERY)

    assert found.content[0] == found.content[1] != found.content[2]


# ── growing data


def test_all_rows_of_the_first_snapshot_are_new(store):
    assert take(store, numbered(7)).new_rows == 7


@settings(deadline=None, max_examples=50)
@given(
    before=st.dictionaries(st.integers(0, 12), st.sampled_from(["good", "bad"])),
    after=st.dictionaries(st.integers(0, 12), st.sampled_from(["good", "bad"])),
)
def test_new_are_the_pairs_of_key_and_label_that_the_last_snapshot_did_not_hold(tmp_path_factory, before, after):
    store = SnapshotStore(tmp_path_factory.getbasetemp().as_uri())

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

    before, held = Before(batches(30)), []
    for batch in batches(20):
        assert before.count_new(batch, NUMBERS) == 0
        held.append(len(before._held))

    assert max(held) < 30


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
        about = {SINCE: (JANUARY + timedelta(days=since, hours=-1)).isoformat()}
        return take(store, dated(days).replace_schema_metadata(about), last)

    narrow = taken(range(10, 20), since=10)
    wide = taken(range(22), since=0, last=narrow)

    assert narrow.since == JANUARY + timedelta(days=10, hours=-1)
    assert (wide.rows, wide.new_rows) == (22, 2)


@settings(deadline=None, max_examples=25)
@given(sizes=st.lists(st.integers(0, 40), min_size=2, max_size=5), round_rows=st.integers(1, 12))
def test_no_row_that_has_trained_is_holdout_in_a_later_snapshot(tmp_path_factory, sizes, round_rows):
    store = SnapshotStore(tmp_path_factory.getbasetemp().as_uri())
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


# ── what a model has seen


TRAINED = (Subset.TRAIN, Subset.VALIDATION)


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


# ── splits and split versions


def test_rows_of_one_group_share_side_and_cluster_and_the_group_is_no_feature(store):
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


def table_of_letters(held, split_version):
    """held: for each key its text, group and day, as numbers."""
    text, group, day = zip(*held.values(), strict=True) if held else ((), (), ())
    columns = {"retrain.group": pa.array(map(str, group), pa.string())} if split_version.group else {}
    return rows(
        [f"{key:02}" for key in held],
        pa.array(["good"] * len(held), pa.string()),
        [None if each is None else JANUARY + timedelta(days=each) for each in day],
        **columns,
        text=pa.array(map(str, text), pa.string()),
    )


@pytest.mark.parametrize("split_version", SPLIT_VERSIONS, ids=lambda split_version: split_version.split.by)
@settings(deadline=None, max_examples=40)
@given(batches=changes, round_rows=st.integers(1, 4), consumes=st.lists(st.booleans(), min_size=5, max_size=5))
def test_no_row_judges_unless_it_is_known_as_seen_by_whoever_trained_on_it(
    tmp_path_factory, split_version, batches, round_rows, consumes
):
    """Whatever arrives, is edited or deleted, and in whatever order."""
    store = SnapshotStore(tmp_path_factory.getbasetemp().as_uri())
    held, consumed = {}, []
    for batch, consume in zip(batches, consumes, strict=False):
        for key, row in batch:
            held.pop(key, None)
            if row is not None:
                held[key] = row
        last = consumed[-1] if consumed else None
        snapshot = take(
            store, table_of_letters(held, split_version), last, split_version=split_version, round_rows=round_rows
        )
        holdout = store.read(snapshot, [Subset.HOLDOUT])
        for earlier in [*consumed, snapshot]:
            judged, trained = ~store.seen(holdout, earlier, TRAINED), store.read(earlier, TRAINED)
            assert not set(np.array(holdout.keys)[judged]) & set(trained.keys.to_pylist())
            assert not np.isin(holdout.content[judged], trained.content).any()
            assert not np.isin(holdout.clusters[judged], trained.clusters).any()
        consumed += [snapshot] if consume else []


@pytest.mark.parametrize("split_version", SPLIT_VERSIONS, ids=lambda split_version: split_version.split.by)
@settings(deadline=None, max_examples=40)
@given(batches=changes, round_rows=st.integers(1, 4))
def test_where_rows_only_arrive_none_that_has_trained_comes_back_to_the_holdout(
    tmp_path_factory, split_version, batches, round_rows
):
    store = SnapshotStore(tmp_path_factory.getbasetemp().as_uri())
    held, consumed = {}, []
    for batch in batches:
        for text, group, day in [row for _, row in batch if row is not None]:
            # The groups are what keeps rows apart there, so that a content of two groups may be on two sides.
            held[len(held)] = (len(held) if split_version.group else text, group, day)
        last = consumed[-1] if consumed else None
        snapshot = take(
            store, table_of_letters(held, split_version), last, split_version=split_version, round_rows=round_rows
        )
        consumed.append(snapshot)
        holdout = store.read(snapshot, [Subset.HOLDOUT])
        for earlier in consumed:
            assert not store.seen(holdout, earlier, TRAINED).any()


# ── what is refused


def test_keys_that_occur_twice_are_refused(store, folder):
    with pytest.raises(SourceError, match=r"^2 keys occur more than once \(e.g. 1, 2\); the key must identify a row$"):
        take(store, rows(["1", "2", "3", "2", "1", "1"]))
    assert not folder.exists()


def test_rows_without_a_key_are_refused(store):
    with pytest.raises(SourceError, match=r"^1 rows have no key"):
        take(store, rows(["1", None]))


def test_a_file_that_is_gone_is_named(store, folder):
    snapshot = take(store, numbered(5))
    file_of(folder).unlink()

    with pytest.raises(SnapshotError, match=f"{snapshot.id}.parquet: cannot be read: .*; put the file back"):
        store.read(snapshot, EVERY)


def test_a_torn_file_is_refused(store, folder):
    snapshot = take(store, numbered(5))
    file = file_of(folder)
    file.write_bytes(file.read_bytes()[:-20])

    with pytest.raises(SnapshotError, match="cannot be read"):
        store.read(snapshot, EVERY)


@pytest.mark.parametrize("use", ["read", "seen", "last"])
def test_a_changed_file_is_refused_by_whatever_uses_it(store, folder, use):
    snapshot = take(store, numbered(5))
    before = store.read(snapshot, EVERY)
    file = file_of(folder)
    table = pq.read_table(file)
    changed = table.set_column(table.column_names.index("label"), "label", pa.array(["bad"] * 5))
    pq.write_table(changed, file)

    with pytest.raises(SnapshotError, match="its digest differs"):
        {
            "read": lambda: store.read(snapshot, EVERY),
            "seen": lambda: store.seen(before, snapshot, EVERY),
            "last": lambda: take(store, numbered(6), last=snapshot),
        }[use]()


def test_taking_the_same_rows_again_puts_a_damaged_file_right(store, folder):
    snapshot = take(store, numbered(5))
    file_of(folder).write_bytes(b"")

    again = take(store, numbered(5))

    assert again == snapshot
    assert len(store.read(snapshot, EVERY)) == 5


def test_what_a_killed_writer_left_is_deleted_and_what_one_at_work_writes_is_not(store, folder):
    snapshot = take(store, numbered(5))
    left, at_work = (file_of(folder).with_name(f"{name}.draft") for name in ("left", "at work"))
    for draft in (left, at_work):
        draft.write_bytes(b"PAR1")
    os.utime(left, (0, 0))
    hours_ago = datetime.now().timestamp() - 3 * 3600  # the clock of that worker is another
    os.utime(at_work, (hours_ago, hours_ago))

    assert take(store, numbered(5)) == snapshot
    assert (left.exists(), at_work.exists()) == (False, True)


def test_a_writer_that_fails_leaves_nothing(store, folder):
    def failing():
        yield from numbered(9).to_batches(max_chunksize=4)
        raise SourceError("letters: server closed the connection")

    broken = pa.RecordBatchReader.from_batches(numbered(1).schema, failing())
    with pytest.raises(SourceError, match="server closed"):
        store.write(MODEL, broken, split_version=SPLIT_VERSION, round_rows=3, last=None, inherits=None)
    assert not folder.exists()


def test_an_object_store_that_only_fsspec_knows_holds_snapshots():
    store = SnapshotStore("memory://snapshots")
    snapshot = take(store, numbered(20))

    assert snapshot.uri.startswith("memory://snapshots/letters/")
    assert len(store.read(snapshot, EVERY)) == 20
    assert take(store, numbered(22), snapshot).new_rows == 2


def test_a_snapshot_of_another_store_is_refused(store, tmp_path):
    elsewhere = take(SnapshotStore((tmp_path / "elsewhere").as_uri()), numbered(5))

    with pytest.raises(SnapshotError, match="is not below"):
        store.read(elsewhere, EVERY)


def test_a_place_that_cannot_be_written_is_named(tmp_path):
    (tmp_path / "file").write_text("in the way")

    with pytest.raises(SnapshotError, match="cannot be written"):
        take(SnapshotStore((tmp_path / "file").as_uri()), numbered(5))


@pytest.mark.parametrize("uri", ["snapshots", "gopher://host/path", "file:///with a space", ""])
def test_a_place_that_is_no_uri_is_refused(uri):
    with pytest.raises(SnapshotError, match=r"is not a place for snapshots: .*; use e.g. file:///var/retrain"):
        SnapshotStore(uri)


@pytest.mark.parametrize("model", ["..", ".", "with space", "자기소개서", "가" * 200, "100%", "?", "a\\b"])
def test_a_model_of_any_name_has_a_folder_of_its_own(store, folder, model):
    snapshot = take(store, numbered(3), model=model)

    assert len(store.read(snapshot, EVERY)) == 3
    assert file_of(folder).parent.parent == folder


def test_models_whose_names_differ_in_a_sign_do_not_share_a_folder(store, folder):
    for model in ("a b", "a?b", "a_b"):
        take(store, numbered(3), model=model)

    assert len(list(folder.iterdir())) == 3


def test_a_slash_at_the_end_of_the_place_makes_no_difference(folder, store):
    snapshot = take(SnapshotStore(folder.as_uri() + "/"), numbered(3))

    assert len(store.read(snapshot, EVERY)) == 3
