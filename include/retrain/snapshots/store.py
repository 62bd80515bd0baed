"""Snapshots: labelled rows as they were, in Parquet, with a content digest and the subset of every row.

A row's *content key* is a keyed 64-bit hash of its normalised features: two rows have the same one where a model cannot
tell them apart. A *group key* is the same hash of its group column. The *cluster* of a row is its group key where split
by group, otherwise its content key: it decides the subset (`retrain.snapshots.split`), and when a model is judged, rows
of one cluster count as one.
"""

import tempfile
from collections.abc import Callable, Collection, Iterable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import closing, suppress
from datetime import UTC, datetime, timedelta
from itertools import chain
from uuid import uuid4

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq
from numpy.typing import NDArray
from pyarrow import fs

from retrain.errors import ErasedRowsError, SnapshotError
from retrain.records import Snapshot, Subset
from retrain.snapshots.content_keys import content_keys
from retrain.snapshots.digest import Digest, digest_of, is_part
from retrain.snapshots.draft import SUBSET_NAMES, Draft, ahead, clusters_of, features_of, schema_of
from retrain.snapshots.new_rows import Before, KeyCheck, order_of
from retrain.snapshots.places import file_system, folder_of
from retrain.snapshots.rows import Rows
from retrain.snapshots.split import (
    SUBSETS,
    UNASSIGNED,
    Rounds,
    SplitVersion,
    SubsetCodes,
    as_datetime,
    as_time,
    no_rounds,
)
from retrain.source.columns import CONTENT, GROUP, ROUND, SINCE, SUBSET, TAKEN_AT
from retrain.text import one_line

_DRAFT = ".draft"
_ABANDONED = timedelta(days=1)
"""Much longer than a snapshot takes, because the clocks of two workers may differ by hours."""
_PARQUET = {"compression": "lz4", "dictionary_pagesize_limit": 64 << 10}
"""Most texts and all keys are distinct: a small limit makes the writer give up their dictionaries early."""
_SEAL = b"retrain.seal"
"""In a file's metadata: see `retrain.snapshots.digest`."""


class SnapshotStore:
    """Parquet files below one URI: `file://`, `s3://`, or another that Arrow or fsspec knows. A file never changes."""

    def __init__(self, uri: str, *, erased: Callable[[Snapshot], bool] | None = None) -> None:
        """erased: returns whether rows of a snapshot were erased since it was read from the ledger."""
        self._erased = erased
        self.uri = uri.rstrip("/")
        try:
            self.files, self._root = file_system(self.uri)
        except (pa.ArrowInvalid, ImportError, OSError, ValueError) as error:
            what = f"{uri}: is not a place for snapshots: {error}"
            raise SnapshotError(f"{what}; use e.g. file:///var/retrain") from error

    def try_place(self, name: str) -> None:
        """Write a small file of this name, read it, and delete it. Raises SnapshotError where that is not possible."""
        path = f"{self._root}/{name}.test"
        try:
            self.files.create_dir(self._root, recursive=True)
            with self.files.open_output_stream(path) as file:
                file.write(name.encode())
            with self.files.open_input_stream(path) as file:
                read = file.read()
            self.files.delete_file(path)
        except (OSError, pa.ArrowException) as error:
            remedy = "let this machine's login do so, or set RETRAIN_SNAPSHOTS_URI to another place"
            raise SnapshotError(f"{self.uri}: a file cannot be written there: {one_line(error)}; {remedy}") from error
        if read != name.encode():
            raise SnapshotError(f"{self.uri}: a file is read otherwise than it was written there; look at the store")

    def write(
        self,
        model: str,
        rows: pa.RecordBatchReader,
        *,
        split_version: SplitVersion,
        round_rows: int,
        last: Snapshot | None,
        inherits: Snapshot | None,
    ) -> Snapshot:
        """Store `rows` (from `Source.labelled`) with their subsets. The same rows give the same snapshot.

        last: the snapshot that the last verdict consumed, None before the first; rows that it does not hold are new.
        inherits: the last snapshot consumed in this split version; it holds the rounds so far. Raises
        SourceMismatchError where a key occurs twice, SnapshotError where the file of one of the two is missing or
        changed. Memory: see `Draft`.
        """
        order, new_rows, watermark = order_of(rows.schema), 0, None
        keys = KeyCheck(order)
        before = None if last is None else Before(self._batches(last, ["key", "label"]), last.since)
        with tempfile.TemporaryFile() as file:
            draft = Draft(file, rows.schema, split_version)
            with closing(ahead(rows)) as batches:
                for batch in batches:
                    keys.check(batch.column("key"))
                    new_rows += batch.num_rows if before is None else before.count_new(batch, order)
                    watermark = _later(watermark, pc.max(batch.column("label_time")).as_py())
                    draft.add(batch)
            if before is not None:
                before.finish()
            known = no_rounds(split_version.after_round)
            if inherits is not None:
                known = self._rounds(inherits, GROUP if split_version.split.by == "group" else CONTENT)
            divided = draft.divided(known, round_rows)
            digest, uri, count = self._put(model, schema_of(rows.schema), divided.batches)
        return Snapshot(
            id=digest,
            model=model,
            uri=uri,
            watermark=watermark,
            rows=int(count.sum()),
            new_rows=new_rows,
            after=None if last is None else last.id,
            since=_time_in(rows.schema, SINCE),
            taken_at=_time_in(rows.schema, TAKEN_AT),
            subsets=dict(zip(SUBSETS, count.tolist(), strict=True)),
            holdout_round=divided.holdout_round,
            split_version=split_version.number,
            span=None if divided.span is None else (as_datetime(divided.span[0]), as_datetime(divided.span[1])),
        )

    def read(self, snapshot: Snapshot, wanted: Iterable[Subset]) -> Rows:
        """Read the rows of the wanted subsets, in a fixed order.

        Raises SnapshotError where the file is missing or changed.
        """
        return self.read_each(snapshot, [wanted])[0]

    def read_each(self, snapshot: Snapshot, parts: Sequence[Iterable[Subset]]) -> list[Rows]:
        """Read the rows of several lists of subsets in one pass over the file, each as `read` does."""
        return [Rows.of(table, snapshot) for table in self._subsets(snapshot, parts)]

    def batches(self, snapshot: Snapshot, wanted: Iterable[Subset], rows: int) -> Iterator[Rows]:
        """Yield the same rows in the same order, so many at once; the last ones are fewer.

        Raises SnapshotError where the file is missing, and, after the last batch, where its content has changed.
        """
        parts, count = list[pa.RecordBatch](), 0
        for batch in self._of(snapshot, wanted):
            parts, count = [*parts, batch], count + batch.num_rows
            while count >= rows:
                whole = pa.Table.from_batches(parts)
                yield Rows.of(whole.slice(0, rows), snapshot)
                # Copied: a slice would keep all of the batch.
                parts = whole.slice(rows).combine_chunks().to_batches() or [batch.slice(0, 0)]
                count -= rows
        if count:
            yield Rows.of(pa.Table.from_batches(parts), snapshot)

    def table(self, snapshot: Snapshot, columns: Sequence[str] | None = None) -> pa.Table:
        """Read all rows as they are stored: all columns, or only the named ones, in that order.

        Raises SnapshotError where the file is missing or changed.
        """
        return pa.Table.from_batches(self._batches(snapshot, columns))

    def without(self, snapshot: Snapshot, keys: Collection[str]) -> Snapshot:
        """Write the snapshot without the rows of these keys to a new file beside the old one, and return it.

        Returns `snapshot` itself where it holds none of the keys. Raises SnapshotError where the file is missing or
        changed.
        """
        names = pa.array(sorted(keys), pa.string())
        found = [pc.any(pc.is_in(batch.column("key"), names)).as_py() for batch in self._batches(snapshot, ["key"])]
        if not any(found):
            return snapshot
        others = (batch.filter(pc.invert(pc.is_in(batch.column("key"), names))) for batch in self._batches(snapshot))
        first = next(others)
        coded = ((batch, _subset_codes(batch)) for batch in chain([first], others))
        digest, uri, count = self._put(snapshot.model, first.schema, coded)
        return snapshot.model_copy(
            update={
                "content": digest,
                "uri": uri,
                "rows": int(count.sum()),
                "subsets": dict(zip(SUBSETS, count.tolist(), strict=True)),
            }
        )

    def delete(self, uri: str) -> None:
        """Delete a file, if it exists. Raises SnapshotError where that fails."""
        path = self.path(uri)
        try:
            if self.files.get_file_info(path).type != fs.FileType.NotFound:
                self.files.delete_file(path)
        except OSError as error:
            raise SnapshotError(f"{uri}: cannot be deleted: {error}") from error

    def refuse_erased(self, snapshot: Snapshot) -> None:
        """Raise ErasedRowsError where rows of the snapshot were erased since it was read from the ledger."""
        if self._erased is not None and self._erased(snapshot):
            raise ErasedRowsError(f"snapshot {snapshot.id}: rows were erased meanwhile; start a new run")

    def seen(self, rows: Rows, snapshot: Snapshot, wanted: Iterable[Subset]) -> NDArray[np.bool_]:
        """Return which of `rows` are in the wanted subsets of `snapshot`, shape (rows,).

        A row is found by its content, or by its key, which it keeps when it is edited. Of a snapshot of another split
        version, the content is that of its own features, if they are all here. Split by group, all rows of a group are
        found where the group is in these subsets, or one of its rows is there by its key: a snapshot of an older split
        version does not know the groups. Raises SnapshotError where a file is missing or changed.
        """
        there = self._subset(snapshot, wanted)
        same_split_version = snapshot.split_version == rows.snapshot.split_version
        if same_split_version and GROUP not in there.column_names:
            by_key = pc.is_in(rows.keys, there["key"]).to_numpy()
            return np.asarray(by_key | np.isin(rows.content, there[CONTENT]), np.bool_)
        # Otherwise `rows` alone are not enough: features are hashed again, and whole groups are needed.
        now = self.table(rows.snapshot)
        found = by_key = pc.is_in(now["key"], there["key"]).to_numpy()
        # Each split version has its own salt, so content keys of different versions cannot be compared.
        if same_split_version:
            found = found | np.isin(now[CONTENT], there[CONTENT])
        else:
            known = features_of(there).schema.names
            if {*known} <= {*now.schema.names}:
                found = found | np.isin(content_keys(now.select(known), b""), content_keys(there.select(known), b""))
        if GROUP in now.column_names:
            groups = now[GROUP].to_numpy()
            found = found | np.isin(groups, groups[by_key])
            if same_split_version:
                found = found | np.isin(groups, there[GROUP])
        return np.asarray(pc.is_in(rows.keys, now["key"].filter(pa.array(found))).to_numpy(), np.bool_)

    def _subset(self, snapshot: Snapshot, wanted: Iterable[Subset]) -> pa.Table:
        return self._subsets(snapshot, [wanted])[0]

    def _subsets(self, snapshot: Snapshot, parts: Sequence[Iterable[Subset]]) -> list[pa.Table]:
        names = [_names(wanted) for wanted in parts]
        found = ([_in(batch, each) for each in names] for batch in self._batches(snapshot))
        return [pa.Table.from_batches(batches) for batches in zip(*found, strict=True)]

    def _of(self, snapshot: Snapshot, wanted: Iterable[Subset]) -> Iterator[pa.RecordBatch]:
        names = _names(wanted)
        return (_in(batch, names) for batch in self._batches(snapshot))

    def _rounds(self, snapshot: Snapshot, cluster: str) -> Rounds:
        rounds = [
            (clusters_of(batch), batch.column(ROUND).to_numpy())
            for batch in (
                each.filter(pc.greater(each.column(ROUND), UNASSIGNED))
                for each in self._batches(snapshot, [cluster, ROUND])
            )
        ]
        clusters, holdout_rounds = (np.concatenate(each) for each in zip(*rounds, strict=True))
        span = None if snapshot.span is None else (as_time(snapshot.span[0]), as_time(snapshot.span[1]))
        return Rounds(clusters, holdout_rounds, snapshot.holdout_round, span)

    def _batches(self, snapshot: Snapshot, columns: Sequence[str] | None = None) -> Iterator[pa.RecordBatch]:
        """Yield all rows, with all columns or the named ones, in at least one batch.

        Raises SnapshotError where the file is missing, and, after the last batch, where its content has changed.
        """
        try:
            with self.files.open_input_file(self.path(snapshot.uri)) as file:
                parquet = pq.ParquetFile(file)
                seal = (parquet.metadata.metadata or {}).get(_SEAL, b"").decode()
                schema = parquet.schema_arrow
                if columns is not None:
                    schema = pa.schema([schema.field(name) for name in columns], schema.metadata)
                digest, empty = Digest(schema), True
                for batch in parquet.iter_batches(columns=columns):
                    digest.update(batch)
                    empty = False
                    # With only some columns read, the batch has lost the schema's metadata, such as the key order.
                    part = batch if columns is None else batch.select(columns)
                    yield part.replace_schema_metadata(schema.metadata)
        except (OSError, pa.ArrowException) as error:
            raise self._lost(snapshot, f"cannot be read: {error}") from error
        found = digest.seal()
        whole = found == seal if columns is None else is_part(found, seal)
        if digest_of(seal) != (snapshot.content or snapshot.id) or not whole:
            raise self._lost(snapshot, "has changed since it was stored: its digest differs")
        if empty:
            yield pa.RecordBatch.from_pylist([], schema)

    def _lost(self, snapshot: Snapshot, why: str) -> SnapshotError:
        self.refuse_erased(snapshot)
        return SnapshotError(f"{snapshot.uri}: {why}; put the file back")

    def _put(
        self, model: str, schema: pa.Schema, rows: Iterator[tuple[pa.RecordBatch, SubsetCodes]]
    ) -> tuple[str, str, NDArray[np.int64]]:
        """Write the rows to a file that is named by their digest.

        Returns the digest, the URI, and the number of rows in each subset, shape (subsets,). An existing file of that
        name is written again, which repairs a damaged one.
        """
        folder = f"{self.uri}/{folder_of(model)}"
        # Written under another name first: a file with the final name is always complete.
        draft = self.path(f"{folder}/{uuid4().hex}{_DRAFT}")
        digest, count = Digest(schema), np.zeros(len(SUBSETS), np.int64)
        try:
            self.files.create_dir(self.path(folder), recursive=True)
            self._sweep(self.path(folder))
            try:
                with (
                    ThreadPoolExecutor(1) as pool,
                    pq.ParquetWriter(draft, schema, filesystem=self.files, **_PARQUET) as writer,
                    closing(ahead(rows)) as coming,
                ):
                    for batch, code in coming:
                        done = pool.submit(digest.update, batch)
                        writer.write_batch(batch)
                        count += np.bincount(code, minlength=len(SUBSETS))
                        done.result()
                    seal = digest.seal()
                    writer.add_key_value_metadata({_SEAL: seal})
                uri = f"{folder}/{digest_of(seal)}.parquet"
                self.files.move(draft, self.path(uri))
            except BaseException:
                with suppress(OSError):
                    self.files.delete_file(draft)
                raise
        except OSError as error:
            raise SnapshotError(f"{folder}: cannot be written: {error}") from error
        return digest_of(seal), uri, count

    def _sweep(self, folder: str) -> None:
        """Delete the drafts of killed writers; a writer at work has written within the day."""
        for file in self.files.get_file_info(fs.FileSelector(folder)):
            if file.path.endswith(_DRAFT) and file.mtime and file.mtime < datetime.now(UTC) - _ABANDONED:
                with suppress(OSError):
                    self.files.delete_file(file.path)

    def path(self, uri: str) -> str:
        if not uri.startswith(f"{self.uri}/"):
            raise SnapshotError(f"{uri}: is not below {self.uri}, where this Retrain keeps its snapshots")
        return f"{self._root}/{uri.removeprefix(self.uri + '/')}"


def _names(wanted: Iterable[Subset]) -> pa.Array:
    return pa.array([subset.value for subset in wanted], pa.string())


def _in(batch: pa.RecordBatch, names: pa.Array) -> pa.RecordBatch:
    """Return the rows of the subsets with these names."""
    return batch.filter(pc.is_in(batch.column(SUBSET), names))


def _subset_codes(batch: pa.RecordBatch) -> SubsetCodes:
    return np.asarray(pc.index_in(batch.column(SUBSET), SUBSET_NAMES).to_numpy(), np.int64)


def _time_in(schema: pa.Schema, name: bytes) -> datetime | None:
    time = (schema.metadata or {}).get(name)
    return None if time is None else datetime.fromisoformat(time.decode())


def _later(one: datetime | None, other: datetime | None) -> datetime | None:
    return max((each for each in (one, other) if each is not None), default=None)
