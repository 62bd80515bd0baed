"""All labelled rows of a model, by the time of their labels: what a backtest goes through."""

from dataclasses import dataclass
from functools import cached_property
from hashlib import blake2b

import numpy as np
import pandas as pd
import pyarrow as pa
import pyarrow.compute as pc
from numpy.typing import NDArray
from pandas.util import hash_array

from retrain.backtest.replayed import Times
from retrain.errors import BacktestError
from retrain.gate.labels import Integers
from retrain.snapshots.content_keys import as_model_input, content_keys
from retrain.snapshots.draft import also_in, features_of
from retrain.snapshots.new_rows import KeyCheck, order_of
from retrain.source.columns import CONTENT, GROUP
from retrain.spec.spec import Spec


@dataclass(frozen=True, eq=False)
class History:
    """n rows in the order of their keys, as a snapshot holds them. A row is named by its place."""

    table: pa.Table
    """Columns as in a snapshot, without subset and round."""
    times: Times
    """Shape (n,): label times, UTC, microseconds."""
    undated: int = 0
    """Rows that were left out because they have no label time."""

    @staticmethod
    def of(spec: Spec, rows: pa.Table, salt: bytes) -> "History":
        """Return the history in these rows, which have the columns of `Source.labelled`.

        salt: of the content keys, which decide the subset of a row. Raises BacktestError where the spec names no label
        time, and SourceMismatchError where a key occurs twice or is not in order.
        """
        if spec.source.label_time is None:
            raise BacktestError(
                f"{spec.model}: source.label_time names no column, so nothing says what was known when; name it"
            )
        dated = rows.filter(pc.is_valid(rows["label_time"])).combine_chunks()
        KeyCheck(order_of(rows.schema)).check(dated["key"].combine_chunks())
        # The columns of the split version: in the order of their names, as `content_keys` takes them.
        keys = {CONTENT: content_keys(features_of(dated), salt)}
        if spec.split.by == "group":
            keys[GROUP] = content_keys(dated.select([GROUP]), salt)
        for name, values in keys.items():
            place = dated.schema.get_field_index(name)
            column = pa.array(values)
            dated = dated.append_column(name, column) if place < 0 else dated.set_column(place, name, column)
        times = dated["label_time"].to_numpy().astype("datetime64[us]")
        return History(dated, times, rows.num_rows - dated.num_rows)

    def __len__(self) -> int:
        return len(self.times)

    @cached_property
    def by_time(self) -> Integers:
        """The places of the rows in the order of their label times."""
        return np.argsort(self.times, kind="stable")

    @cached_property
    def ranked(self) -> Times:
        """The label times, ascending."""
        return self.times[self.by_time]

    @cached_property
    def content(self) -> Integers:
        return np.asarray(self.table[CONTENT].to_numpy(), np.int64)

    @cached_property
    def groups(self) -> Integers | None:
        """Group keys; None unless split by group."""
        names = self.table.column_names
        return np.asarray(self.table[GROUP].to_numpy(), np.int64) if GROUP in names else None

    @cached_property
    def clusters(self) -> Integers:
        return self.content if self.groups is None else self.groups

    @cached_property
    def labels(self) -> pd.Series:
        labels: pd.Series = self.table["label"].to_pandas()
        return labels

    @cached_property
    def features(self) -> pd.DataFrame:
        """As models take them: see `snapshots.store.Rows`."""
        return as_model_input(features_of(self.table))

    def columns(self, name: str | None, rows: Integers) -> pd.DataFrame:
        """Return a column of these rows that need not be a feature; none for a name that is no column of the source."""
        if name not in (*features_of(self.table).column_names, *also_in(self.table.schema)):
            return pd.DataFrame(index=range(len(rows)))
        return as_model_input(self.table.select([name])).iloc[rows].reset_index(drop=True)

    @cached_property
    def row_ids(self) -> NDArray[np.uint64]:
        """A hash of all that a row holds: what a cache knows it by, in whatever history it occurs."""
        found = np.zeros(len(self), np.uint64)
        for name in sorted(self.table.column_names):
            if name in (CONTENT, GROUP):
                continue
            texts = pc.fill_null(self.table[name].cast(pa.string()), "\x00").to_numpy()
            found = found * np.uint64(0x100000001B3) ^ hash_array(np.asarray(texts, object), categorize=False)
        return found

    @cached_property
    def by_id(self) -> tuple[Integers, NDArray[np.uint64]]:
        """The places of the rows in the order of their ids, and the ids in this order."""
        order = np.argsort(self.row_ids, kind="stable")
        return order, self.row_ids[order]

    def digest_of(self, rows: Integers) -> str:
        """Return a digest of these rows: of what they hold, not of their places."""
        return blake2b(self.row_ids[rows].tobytes(), digest_size=16).hexdigest()

    def until(self, time: np.datetime64) -> int:
        """Return how many rows had their label at this time."""
        return int(np.searchsorted(self.ranked, time, side="right"))
