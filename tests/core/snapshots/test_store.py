"""A snapshot is the rows as they were: found again by their content, and refused when they are not the same."""

import os
from datetime import datetime, timedelta

import numpy as np
import pandas as pd
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from retrain.errors import SnapshotError, SourceError
from retrain.records import Snapshot, Subset
from retrain.snapshots.store import SnapshotStore
from tests.core.snapshots.samples import (
    EVERY,
    JANUARY,
    MODEL,
    SPLIT_VERSION,
    file_of,
    in_memory,
    numbered,
    rows,
    take,
)

# ── what is stored, and found again


def test_every_row_is_found_again_in_one_subset(store):
    snapshot = take(store, numbered(50))

    assert sum(snapshot.subsets.values()) == snapshot.rows == 50
    for subset in EVERY:
        assert len(store.read(snapshot, [subset])) == snapshot.subsets[subset]
    assert sorted(store.read(snapshot, EVERY).features["text"]) == sorted(str(number) for number in range(50))


def test_several_subsets_are_read_in_one_pass_as_each_would_be_alone(store):
    snapshot = take(store, numbered(200))
    wanted = ([Subset.TRAIN], [Subset.VALIDATION, Subset.HOLDOUT], [Subset.WAITING])

    for part, subsets in zip(store.read_each(snapshot, wanted), wanted, strict=True):
        assert len(part) == sum(snapshot.subsets.get(subset, 0) for subset in subsets)
        pd.testing.assert_frame_equal(part.features, store.read(snapshot, subsets).features)


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


def test_the_watermark_of_a_snapshot_is_its_latest_label_time(store):
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
def test_two_snapshots_have_one_id_exactly_when_their_rows_are_equal(some, others):
    store = in_memory()

    same_id = take(store, table_of(some)).id == take(store, table_of(others)).id

    assert same_id == (some == others)


@settings(deadline=None, max_examples=50)
@given(triples=tables(), random=st.randoms())
def test_the_id_does_not_depend_on_the_order_of_the_rows(triples, random):
    store = in_memory()
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
    hours_ago = datetime.now().timestamp() - 3 * 3600  # the clock of that worker may be wrong by hours
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
def test_a_place_that_is_not_a_uri_is_refused(uri):
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
