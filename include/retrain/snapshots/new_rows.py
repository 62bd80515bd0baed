"""Rows come in the order of their keys, so that one look at each finds doubles, and what an earlier snapshot held."""

from collections.abc import Iterator
from datetime import datetime
from typing import Any, cast

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from retrain.errors import SourceMismatchError
from retrain.source.columns import KEY_ORDER, NUMBERS, TEXT


def order_of(schema: pa.Schema) -> bytes:
    return cast("bytes", (schema.metadata or {}).get(KEY_ORDER, TEXT))


class KeyCheck:
    """Of the keys of one table, batch by batch."""

    def __init__(self, order: bytes) -> None:
        self._order = order
        self._last: pa.Array | None = None

    def check(self, keys: pa.Array) -> None:
        """Raises SourceMismatchError where a row has no key, or another one's."""
        if keys.null_count:
            raise SourceMismatchError(f"{keys.null_count:,} rows have no key; the key must identify a row")
        if not len(keys):
            return
        together = keys if self._last is None else pa.concat_arrays([self._last, keys])
        self._last = keys.slice(len(keys) - 1)
        former, latter = together.slice(0, len(together) - 1), together.slice(1)
        doubles = pc.unique(latter.filter(pc.equal(former, latter))).to_pylist()
        if doubles:
            raise SourceMismatchError(
                f"{len(doubles):,} keys occur more than once (e.g. {', '.join(doubles[:3])}); "
                "the key must identify a row"
            )
        if not pc.all(pc.less(_sortable(former, self._order), _sortable(latter, self._order)), min_count=0).as_py():
            raise SourceMismatchError("rows did not come in the order of their keys; is the key's index damaged?")


class Before:
    """The (key, label) pairs of an earlier snapshot, read along with the rows of a later one."""

    def __init__(self, batches: Iterator[pa.RecordBatch], since: datetime | None = None) -> None:
        """batches: of columns `key` and `label`, in the order that the schema names. since: as in the snapshot."""
        self._batches, self._since = batches, since
        self._held: pa.Table | None = None
        self._order: bytes | None = None
        self._watermark: Any = None

    def count_new(self, batch: pa.RecordBatch, order: bytes) -> int:
        """How many of the rows it does not hold; but none that it left out because it was labelled too long ago.

        The batches come in this order of their keys.
        """
        if self._since is not None:
            late = pc.greater(batch.column("label_time"), pa.scalar(self._since, batch.column("label_time").type))
            batch = batch.filter(late)
        if not batch.num_rows:
            return 0
        self._read_to(batch.column("key"), order)
        if self._held is None:
            return int(batch.num_rows)
        held, keys, labels = self._held, batch.column("key"), batch.column("label")
        same_order = self._order == order
        known = _sortable(held["key"], order) if same_order else held["key"]
        then = held["label"].take(_places(_sortable(keys, order) if same_order else keys, known))
        if then.type != labels.type:
            then, labels = then.cast(pa.string()), labels.cast(pa.string())
        same = pc.fill_null(pc.equal(labels, then), False)
        if same_order:
            self._held = held.filter(pc.greater(known, _last(keys, order)))
        return int(pc.sum(pc.invert(same), min_count=0).as_py())

    def finish(self) -> None:
        """Read what is left of it."""
        for _ in self._batches:
            pass

    def _read_to(self, keys: pa.Array, order: bytes) -> None:
        """Hold all pairs up to the last of these keys; where it has another order, all."""
        last = _last(keys, order)
        while self._watermark is None or self._order != order or last > self._watermark:
            batch = next(self._batches, None)
            if batch is None:
                return
            self._order = order_of(batch.schema)
            pairs = pa.Table.from_batches([batch.select(["key", "label"])])
            self._held = pairs if self._held is None else pa.concat_tables([self._held, pairs])
            if batch.num_rows:
                self._watermark = _last(batch.column("key"), order)


def _places(keys: pa.Array, known: pa.ChunkedArray) -> pa.Array:
    """Where each key is among the known ones; null where it is not. Whole numbers are in their order."""
    if keys.type != pa.int64() or not len(known):
        return pc.index_in(keys, known)
    # Twenty times as fast as by a hash of each.
    ranked, sought = known.to_numpy(), keys.to_numpy()
    place = np.searchsorted(ranked, sought).clip(max=len(ranked) - 1)
    return pa.array(place, mask=ranked[place] != sought)


def _last(keys: pa.Array, order: bytes) -> Any:
    return _sortable(keys[len(keys) - 1], order).as_py()


def _sortable(keys: pa.Array | pa.ChunkedArray | pa.Scalar, order: bytes) -> pa.Array | pa.ChunkedArray | pa.Scalar:
    """What Arrow compares as the order says: by itself it compares text by its bytes."""
    return keys.cast(pa.int64()) if order == NUMBERS else keys
