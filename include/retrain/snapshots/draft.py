"""Rows on their way into a snapshot: on which side each falls is known when all of them have come."""

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
    Subsets,
    distinct,
    in_range,
    opened,
    subsets_by_hash,
    subsets_by_time,
)
from retrain.source.columns import CONTENT, GROUP, ROUND, SUBSET

_NO_FEATURES = {"key", "label", "label_time", CONTENT, GROUP, SUBSET, ROUND}
_Batch = TypeVar("_Batch")
Codes = NDArray[np.int64]

SUBSET_NAMES = pa.array([subset.value for subset in SUBSETS], pa.string())


def features_of(table: pa.Table | pa.RecordBatch) -> pa.Table | pa.RecordBatch:
    return table.select([name for name in table.schema.names if name not in _NO_FEATURES])


def clusters_of(table: pa.Table | pa.RecordBatch) -> Codes:
    """What counts as one: rows of one group where split by group, and otherwise of one content. Shape (rows,)."""
    return np.asarray(table.column(GROUP if GROUP in table.schema.names else CONTENT).to_numpy(), np.int64)


def schema_of(rows: pa.Schema) -> pa.Schema:
    """Of a snapshot of these rows: with what is said of each."""
    fields = [pa.field(GROUP, pa.int64()) if field.name == GROUP else field for field in rows]
    ours = [(CONTENT, pa.int64()), (SUBSET, pa.string()), (ROUND, pa.int64())]
    return pa.schema([*fields, *(pa.field(*each) for each in ours)], metadata=rows.metadata)


def ahead(batches: Iterator[_Batch]) -> Generator[_Batch]:
    """The same batches; while one is worked on, another thread waits for the next."""
    with ThreadPoolExecutor(1) as pool:
        coming = pool.submit(next, batches, None)
        while (batch := coming.result()) is not None:
            coming = pool.submit(next, batches, None)
            yield batch


@dataclass(frozen=True)
class Divided:
    """The rows with the side of each, and what is the same for all."""

    holdout_round: int
    """That judges."""
    span: Span | None
    """Split by time: its first and last label time."""
    batches: Iterator[tuple[pa.RecordBatch, Codes]]
    """Each with the place of every row's side in `SIDES`."""


class Draft:
    """Holds the rows in a file. In memory is 64 bits of each that may judge; split by time, 128 of each."""

    def __init__(self, file: IO[bytes], rows: pa.Schema, split_version: SplitVersion) -> None:
        self._file, self._split_version, self._schema = file, split_version, schema_of(rows)
        self._kept = pa.schema([field for field in self._schema if field.name not in (SUBSET, ROUND)], rows.metadata)
        # As it is: it is read once, soon, and to compress it takes longer than to write it.
        self._writer = pa.ipc.new_stream(file, self._kept)
        self._may_judge = [np.empty(0, np.int64)]
        self._content, self._times = [np.empty(0, np.int64)], [np.empty(0, "datetime64[us]")]

    def add(self, batch: pa.RecordBatch) -> None:
        """batch: as `Source.labelled` gives it."""
        salt, split = self._split_version.salt, self._split_version.split
        columns = dict(zip(batch.schema.names, batch.columns, strict=True))
        columns[CONTENT] = pa.array(content_keys(features_of(batch), salt))
        if split.by == "group":
            columns[GROUP] = pa.array(content_keys(batch.select([GROUP]), salt))
        kept = pa.RecordBatch.from_arrays([columns[name] for name in self._kept.names], schema=self._kept)
        self._writer.write_batch(kept)
        if split.by == "time":
            self._content.append(clusters_of(kept))
            self._times.append(batch.column("label_time").to_numpy(zero_copy_only=False))
        else:
            self._may_judge.append(in_range(clusters_of(kept), split))

    def divided(self, known: Rounds, round_rows: int) -> Divided:
        """known: the rounds of the last consumed snapshot. round_rows: see `opened` and `sides_by_time`."""
        split = self._split_version.split
        if split.by == "time":
            times = np.concatenate(self._times)
            whole = subsets_by_time(np.concatenate(self._content), times, split, known, round_rows)
            return Divided(whole.current, whole.span, self._with(lambda _, start, stop: whole.part(start, stop)))
        holdout_rounds = opened(distinct(np.concatenate(self._may_judge)), known, round_rows)
        return Divided(
            holdout_rounds.current,
            None,
            self._with(lambda cluster, *_: subsets_by_hash(cluster, split, holdout_rounds)),
        )

    def _with(self, subsets: Callable[[Codes, int, int], Subsets]) -> Iterator[tuple[pa.RecordBatch, Codes]]:
        self._writer.close()
        self._file.seek(0)
        start = 0
        for batch in pa.ipc.open_stream(self._file):
            found = subsets(clusters_of(batch), start, start + batch.num_rows)
            columns = [*batch.columns, SUBSET_NAMES.take(pa.array(found.code)), pa.array(found.holdout_round)]
            yield pa.RecordBatch.from_arrays(columns, schema=self._schema), found.code
            start += batch.num_rows
