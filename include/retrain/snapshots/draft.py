"""Rows on their way into a snapshot: their subsets are known only when all rows have arrived."""

from collections.abc import Callable, Generator, Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from typing import IO, TypeVar

import numpy as np
import pyarrow as pa
from numpy.typing import NDArray

from retrain.snapshots.content_keys import content_keys
from retrain.snapshots.split import (
    SUBSETS,
    Rounds,
    Span,
    SplitVersion,
    SubsetCodes,
    Subsets,
    distinct,
    in_range,
    opened,
    subsets_by_hash,
    subsets_by_time,
)
from retrain.source.columns import ALSO, CONTENT, GROUP, ROUND, SUBSET, names_from_bytes

_NO_FEATURES = {"key", "label", "label_time", CONTENT, GROUP, SUBSET, ROUND}
_Batch = TypeVar("_Batch")

SUBSET_NAMES = pa.array([subset.value for subset in SUBSETS], pa.string())


def features_of(table: pa.Table | pa.RecordBatch) -> pa.Table | pa.RecordBatch:
    """Return the feature columns."""
    without = {*_NO_FEATURES, *also_in(table.schema)}
    return table.select([name for name in table.schema.names if name not in without])


def also_in(schema: pa.Schema) -> list[str]:
    """Return the user's columns that are not features."""
    return names_from_bytes((schema.metadata or {}).get(ALSO))


def clusters_of(table: pa.Table | pa.RecordBatch) -> NDArray[np.int64]:
    """Return the cluster of each row, shape (rows,): its group key where split by group, otherwise its content key."""
    return np.asarray(table.column(GROUP if GROUP in table.schema.names else CONTENT).to_numpy(), np.int64)


def schema_of(rows: pa.Schema) -> pa.Schema:
    """Return the schema of a snapshot of these rows: with content key, subset and holdout round."""
    fields = [pa.field(GROUP, pa.int64()) if field.name == GROUP else field for field in rows]
    added = [(CONTENT, pa.int64()), (SUBSET, pa.string()), (ROUND, pa.int64())]
    return pa.schema([*fields, *(pa.field(*each) for each in added)], metadata=rows.metadata)


def ahead(batches: Iterator[_Batch]) -> Generator[_Batch]:
    """Yield the same batches; while the caller works on one, another thread fetches the next."""
    with ThreadPoolExecutor(1) as pool:
        coming = pool.submit(next, batches, None)
        while (batch := coming.result()) is not None:
            coming = pool.submit(next, batches, None)
            yield batch


@dataclass(frozen=True)
class Divided:
    """All rows of a snapshot, divided into subsets."""

    holdout_round: int
    """The round that judges."""
    span: Span | None
    """Split by time: the first and last label time of that round."""
    batches: Iterator[tuple[pa.RecordBatch, SubsetCodes]]
    """Batches, each with the codes of its rows."""


class Draft:
    """Holds the rows in a file, and in memory 64 bits for each row that may judge; split by time, 128 for each row."""

    def __init__(self, file: IO[bytes], rows: pa.Schema, split_version: SplitVersion) -> None:
        self._file, self._split_version, self._schema = file, split_version, schema_of(rows)
        self._stored = pa.schema([field for field in self._schema if field.name not in (SUBSET, ROUND)], rows.metadata)
        # Not compressed: the file is read once and soon, and compressing takes longer than writing.
        self._writer = pa.ipc.new_stream(file, self._stored)
        self._may_judge = [np.empty(0, np.int64)]
        self._content, self._times = [np.empty(0, np.int64)], [np.empty(0, "datetime64[us]")]

    def add(self, batch: pa.RecordBatch) -> None:
        """Add a batch of `Source.labelled`."""
        salt, split = self._split_version.salt, self._split_version.split
        columns = dict(zip(batch.schema.names, batch.columns, strict=True))
        columns[CONTENT] = pa.array(content_keys(self._content_of(batch), salt))
        if split.by == "group":
            columns[GROUP] = pa.array(content_keys(batch.select([GROUP]), salt))
        stored = pa.RecordBatch.from_arrays([columns[name] for name in self._stored.names], schema=self._stored)
        self._writer.write_batch(stored)
        if split.by == "time":
            self._content.append(clusters_of(stored))
            self._times.append(batch.column("label_time").to_numpy(zero_copy_only=False))
        else:
            self._may_judge.append(in_range(clusters_of(stored), split))

    def _content_of(self, batch: pa.RecordBatch) -> pa.RecordBatch:
        columns = self._split_version.columns
        return batch.select(columns) if columns else features_of(batch)

    def divided(self, known: Rounds, round_rows: int) -> Divided:
        """Divide all rows into subsets.

        known: the rounds of the last consumed snapshot. round_rows: as in `opened` and `subsets_by_time`.
        """
        split = self._split_version.split
        if split.by == "time":
            times = np.concatenate(self._times)
            subsets = subsets_by_time(np.concatenate(self._content), times, split, known, round_rows)
            return Divided(subsets.current, subsets.span, self._with(lambda _, start, stop: subsets.part(start, stop)))
        holdout_rounds = opened(distinct(np.concatenate(self._may_judge)), known, round_rows)
        return Divided(
            holdout_rounds.current,
            None,
            self._with(lambda cluster, *_: subsets_by_hash(cluster, split, holdout_rounds)),
        )

    def _with(
        self, subsets_of: Callable[[NDArray[np.int64], int, int], Subsets]
    ) -> Iterator[tuple[pa.RecordBatch, SubsetCodes]]:
        """subsets_of: is given the clusters of a batch, its first row and the row after its last."""
        self._writer.close()
        self._file.seek(0)
        start = 0
        for batch in pa.ipc.open_stream(self._file):
            subsets = subsets_of(clusters_of(batch), start, start + batch.num_rows)
            columns = [*batch.columns, SUBSET_NAMES.take(pa.array(subsets.code)), pa.array(subsets.holdout_round)]
            yield pa.RecordBatch.from_arrays(columns, schema=self._schema), subsets.code
            start += batch.num_rows
