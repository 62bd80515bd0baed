"""Small tables as a source gives them, and how these tests take snapshots of them."""

from dataclasses import replace
from datetime import UTC, datetime, timedelta
from uuid import uuid4

import pyarrow as pa

from retrain.records import Subset
from retrain.snapshots.split import SplitVersion
from retrain.snapshots.store import SnapshotStore
from retrain.source.layout import LABEL_TIME
from retrain.spec.source import Split

MODEL = "letters"
SALT = b"a salt of any size"
SPLIT = Split(validation=0.2, holdout=0.4)
EVERY = tuple(Subset)
TRAINED = (Subset.TRAIN, Subset.VALIDATION)
JANUARY = datetime(2026, 1, 1, tzinfo=UTC)

SPLIT_VERSION = SplitVersion(number=1, salt=SALT, split=SPLIT, group=None, after_round=0)
BY_GROUP = replace(SPLIT_VERSION, split=Split(by="group", validation=0.2, holdout=0.4), group="applicant")
BY_TIME = replace(SPLIT_VERSION, split=Split(by="time", validation=0.2, holdout=0.4, gap="1d"))


def next_split_version(by="hash"):
    """The one after `SPLIT_VERSION`, which had one round."""
    group = "applicant" if by == "group" else None
    return SplitVersion(number=2, salt=b"another", split=Split(by=by), group=group, after_round=1)


def rows(keys, labels=None, times=None, **features):
    """Rows of `Source.labelled`; without features, a text that is different for each key."""
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
    """Rows that were labelled on these days."""
    return rows([str(day) for day in numbers], times=[JANUARY + timedelta(days=day) for day in numbers])


def numbered(count, label="good"):
    return rows([str(number) for number in range(count)], [label] * count)


def in_memory():
    """A new store, for tests that take many snapshots: files on a disk would take most of their time."""
    return SnapshotStore(f"memory://{uuid4().hex}")


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
