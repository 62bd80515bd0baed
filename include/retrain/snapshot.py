"""Snapshots: labelled rows as they were, in Parquet, with a content digest and the side of every row.

A row's *content key* is a keyed 64-bit hash of its normalised features: what two rows share when a model cannot tell
them apart. A *group key* is the same of its group column. Split by group it is the row's cluster, otherwise the content
key is: what decides the side (`retrain.split`), and what counts as one when a model is judged.
"""

from collections.abc import Iterable, Sequence
from contextlib import suppress
from dataclasses import dataclass
from datetime import UTC, datetime
from hashlib import blake2b
from pathlib import PurePosixPath
from unicodedata import normalize
from uuid import uuid4

import numpy as np
import pandas as pd
import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq
from numpy.typing import NDArray
from pyarrow import fs

from retrain.errors import SnapshotError, SourceMismatchError
from retrain.nouns import Side, Snapshot
from retrain.split import SIDES, UNASSIGNED, Epochs, Lineage, no_epochs, sides_by_hash, sides_by_time

# With a dot, so that no feature of the user's is called the same: "content" is a common name for a text.
_CONTENT, _GROUP, _SIDE, _EPOCH = "retrain.content", "retrain.group", "retrain.side", "retrain.epoch"
_NO_FEATURES = {"key", "label", "label_time", _CONTENT, _GROUP, _SIDE, _EPOCH}


@dataclass(frozen=True, eq=False)
class Rows:
    """Some rows of a snapshot, as training and scoring want them."""

    features: pd.DataFrame
    """Numbers and booleans are float64, empty ones NaN: no column's type depends on which rows were asked for."""
    labels: pd.Series
    label_times: pa.ChunkedArray
    keys: pa.ChunkedArray
    content: NDArray[np.int64]
    """Content keys. Shape (rows,), as are the clusters."""
    clusters: NDArray[np.int64]
    snapshot: Snapshot
    """What they were read from."""

    def __len__(self) -> int:
        return len(self.content)

    def part(self, which: NDArray[np.bool_]) -> "Rows":
        """Some of the rows: `which` has shape (rows,)."""
        return Rows(
            features=self.features[which].reset_index(drop=True),
            labels=self.labels[which].reset_index(drop=True),
            label_times=self.label_times.filter(pa.array(which)),
            keys=self.keys.filter(pa.array(which)),
            content=self.content[which],
            clusters=self.clusters[which],
            snapshot=self.snapshot,
        )

    def labelled_after(self, time: datetime) -> NDArray[np.bool_]:
        """Shape (rows,); False for a row that has no label time."""
        later = pc.greater(self.label_times, pa.scalar(time, self.label_times.type))
        return np.asarray(pc.fill_null(later, False).to_numpy(), np.bool_)


class SnapshotStore:
    """Parquet files below one URI: `file://`, `s3://` or whatever Arrow reads. Written once, never changed."""

    def __init__(self, uri: str) -> None:
        self._uri = uri.rstrip("/")
        try:
            self._files, self._root = fs.FileSystem.from_uri(self._uri)
        except (pa.ArrowInvalid, OSError) as error:
            raise SnapshotError(
                f"{uri}: is not a place for snapshots: {error}; use e.g. file:///var/retrain"
            ) from error

    def write(
        self,
        model: str,
        rows: pa.Table,
        *,
        lineage: Lineage,
        epoch_rows: int,
        last: Snapshot | None,
        inherits: Snapshot | None,
    ) -> Snapshot:
        """Store `rows` (as `Source.read_labelled` gives them) with their sides; the same rows give the same snapshot.

        last: the snapshot that the last verdict consumed, which says what is new; None before the first. inherits: the
        last one consumed in this lineage, which says what its epochs hold. Raises SourceMismatchError where a key
        occurs twice, SnapshotError where one of the two is gone or changed.
        """
        _refuse_unidentified(rows["key"])
        before = None if last is None else self._table(last)
        known = no_epochs(lineage.after_epoch)
        if inherits is not None:
            known = _epochs(before if before is not None and inherits == last else self._table(inherits), inherits)
        content = content_keys(_features(rows), lineage.salt)
        table = rows.append_column(_CONTENT, pa.array(content))
        if lineage.split.by == "time":
            times = rows["label_time"].to_numpy()
            side = sides_by_time(content, times, lineage.split, known, epoch_rows)
        else:
            if lineage.split.by == "group":
                group = content_keys(rows.select([_GROUP]), lineage.salt)
                table = table.drop_columns(_GROUP).append_column(_GROUP, pa.array(group))
            side = sides_by_hash(_clusters(table), lineage.split, known, epoch_rows)
        table = table.append_column(
            _SIDE, pa.array([SIDES[code].value for code in side.code], pa.string())
        ).append_column(_EPOCH, pa.array(side.epoch))
        digest = _digest(table)
        uri = f"{self._uri}/{_folder(model)}/{digest}.parquet"
        self._put(table, uri)
        return Snapshot(
            id=digest,
            model=model,
            uri=uri,
            reach=pc.max(rows["label_time"]).as_py(),
            rows=rows.num_rows,
            new_rows=rows.num_rows if before is None else _count_new(rows, before),
            after=None if last is None else last.id,
            sides={name: int((side.code == code).sum()) for code, name in enumerate(SIDES)},
            epoch=side.current,
            lineage=lineage.number,
            span=None if side.span is None else (_as_datetime(side.span[0]), _as_datetime(side.span[1])),
        )

    def read(self, snapshot: Snapshot, wanted: Iterable[Side]) -> Rows:
        """The rows on the wanted sides, in a fixed order. Raises SnapshotError where the file is gone or changed."""
        table = self._side(snapshot, wanted).sort_by("key")
        features = _features(table)
        seen = pa.table({name: _as_seen(features[name]) for name in features.column_names})
        return Rows(
            features=seen.to_pandas(),
            labels=table["label"].to_pandas(),
            label_times=table["label_time"],
            keys=table["key"],
            content=table[_CONTENT].to_numpy(),
            clusters=_clusters(table),
            snapshot=snapshot,
        )

    def table(self, snapshot: Snapshot, columns: Sequence[str] | None = None) -> pa.Table:
        """All rows, with the columns as they are stored; some columns where they are named, in that order.

        Raises SnapshotError where the file is gone or changed.
        """
        table = self._table(snapshot)
        return table if columns is None else table.select(list(columns))

    def seen(self, rows: Rows, snapshot: Snapshot, wanted: Iterable[Side]) -> NDArray[np.bool_]:
        """Which of `rows` are on these sides of `snapshot`, shape (rows,): by their content, or by their key, which
        a row keeps when it is edited or the spec's features change. Split by group, also those of a group that is
        there, or of which a row is there by its key: an older lineage's snapshot does not say its groups.

        Raises SnapshotError where a file is gone or changed.
        """
        there, same_lineage = self._side(snapshot, wanted), snapshot.lineage == rows.snapshot.lineage
        if same_lineage and _GROUP not in there.column_names:
            by_key = pc.is_in(rows.keys, there["key"]).to_numpy()
            return np.asarray(by_key | np.isin(rows.content, there[_CONTENT]), np.bool_)
        # Otherwise it takes more than the rows: features that are hashed anew, and whole groups.
        now = self._table(rows.snapshot)
        found = by_key = pc.is_in(now["key"], there["key"]).to_numpy()
        # Each lineage has a salt of its own, so that its keys say nothing about another's.
        if same_lineage:
            found = found | np.isin(now[_CONTENT], there[_CONTENT])
        else:
            found = found | np.isin(content_keys(_features(now), b""), content_keys(_features(there), b""))
        if _GROUP in now.column_names:
            groups = now[_GROUP].to_numpy()
            found = found | np.isin(groups, groups[by_key])
            if same_lineage:
                found = found | np.isin(groups, there[_GROUP])
        return np.asarray(pc.is_in(rows.keys, now["key"].filter(pa.array(found))).to_numpy(), np.bool_)

    def _side(self, snapshot: Snapshot, wanted: Iterable[Side]) -> pa.Table:
        table = self._table(snapshot)
        return table.filter(pc.is_in(table[_SIDE], pa.array([side.value for side in wanted], pa.string())))

    def _put(self, table: pa.Table, uri: str) -> None:
        # Written also where it is there already: that puts right a file that was damaged.
        path = self._path(uri)
        # Under a name of its own first: whoever sees the final name sees a whole file.
        draft = f"{path}.{uuid4().hex}"
        try:
            self._files.create_dir(str(PurePosixPath(path).parent), recursive=True)
            try:
                pq.write_table(table, draft, filesystem=self._files, compression="zstd")
                self._files.move(draft, path)
            except OSError:
                with suppress(OSError):
                    self._files.delete_file(draft)
                raise
        except OSError as error:
            raise SnapshotError(f"{uri}: cannot be written: {error}") from error

    def _table(self, snapshot: Snapshot) -> pa.Table:
        try:
            table = pq.read_table(self._path(snapshot.uri), filesystem=self._files)
        except (OSError, pa.ArrowException) as error:
            raise SnapshotError(f"{snapshot.uri}: cannot be read: {error}; put the file back") from error
        if _digest(table) != snapshot.id:
            raise SnapshotError(f"{snapshot.uri}: is not what was stored: its digest differs; put the file back")
        return table

    def _path(self, uri: str) -> str:
        if not uri.startswith(f"{self._uri}/"):
            raise SnapshotError(f"{uri}: is not below {self._uri}, where this Retrain keeps its snapshots")
        return f"{self._root}/{uri.removeprefix(self._uri + '/')}"


def content_keys(features: pa.Table, salt: bytes) -> NDArray[np.int64]:
    """Keyed hash (BLAKE2b, RFC 7693) of each row's normalised features, shape (rows,).

    Text is normalised by NFKC, lower case and single spaces, so that "같은  글" and "같은 글" are one content. The
    columns count in the order of their names, so that a spec may list them in another order.
    """
    columns = [_normalised(features[name]) for name in sorted(features.column_names)]
    return np.frombuffer(b"".join(_hashes(columns, 8, salt)), np.dtype("<i8"))


def _epochs(table: pa.Table, snapshot: Snapshot) -> Epochs:
    assigned = table.filter(pc.greater(table[_EPOCH], UNASSIGNED))
    span = None if snapshot.span is None else (_as_time(snapshot.span[0]), _as_time(snapshot.span[1]))
    return Epochs(_clusters(assigned), assigned[_EPOCH].to_numpy(), snapshot.epoch, span)


def _features(table: pa.Table) -> pa.Table:
    return table.select([name for name in table.column_names if name not in _NO_FEATURES])


def _clusters(table: pa.Table) -> NDArray[np.int64]:
    clusters: NDArray[np.int64] = table[_GROUP if _GROUP in table.column_names else _CONTENT].to_numpy()
    return clusters


def _as_datetime(time: np.datetime64) -> datetime:
    naive: datetime = time.astype(datetime)
    return naive.replace(tzinfo=UTC)


def _as_time(time: datetime) -> np.datetime64:
    return np.datetime64(time.replace(tzinfo=None), "us")


def _as_seen(column: pa.ChunkedArray) -> pa.ChunkedArray:
    """The column as a model sees it."""
    if pa.types.is_string(column.type):
        return column
    number = column.cast(pa.float64(), safe=False)
    return pc.if_else(pc.is_nan(number), pa.scalar(None, pa.float64()), number)


def _normalised(column: pa.ChunkedArray) -> pa.ChunkedArray:
    if not pa.types.is_string(column.type):
        return pc.add(_as_seen(column), 0.0)  # -0.0 becomes 0.0
    texts = (None if text is None else " ".join(normalize("NFKC", text).lower().split()) for text in column.to_pylist())
    return pa.chunked_array([pa.array(texts, pa.string())])


def _hashes(columns: list[pa.ChunkedArray], size: int, salt: bytes = b"") -> list[bytes]:
    """One hash of `size` bytes for each row."""
    encoded = pc.binary_join_element_wise(*[_encoded(column) for column in columns], "")
    return [blake2b(row, digest_size=size, key=salt).digest() for row in encoded.cast(pa.binary()).to_pylist()]


def _encoded(column: pa.ChunkedArray) -> pa.ChunkedArray:
    """Length, colon, value: no two rows of values give the same bytes. A null has no length."""
    text = column.cast(pa.string())
    length = pc.binary_length(text).cast(pa.string())
    return pc.fill_null(pc.binary_join_element_wise(length, text, ":"), "-")


def _digest(table: pa.Table) -> str:
    """Digest of the rows as a multiset: independent of their order, exact under duplicates."""
    names = sorted(table.column_names)
    whole = blake2b(repr([(name, str(table.schema.field(name).type)) for name in names]).encode(), digest_size=16)
    for row in sorted(_hashes([table[name] for name in names], 16)):
        whole.update(row)
    return whole.hexdigest()


def _refuse_unidentified(keys: pa.ChunkedArray) -> None:
    if keys.null_count:
        raise SourceMismatchError(f"{keys.null_count:,} rows have no key; the key must identify a row")
    counted = pc.value_counts(keys)
    doubles = counted.field("values").filter(pc.greater(counted.field("counts"), 1)).to_pylist()
    if doubles:
        raise SourceMismatchError(
            f"{len(doubles):,} keys occur more than once (e.g. {', '.join(doubles[:3])}); the key must identify a row"
        )


def _count_new(rows: pa.Table, before: pa.Table) -> int:
    def pairs(table: pa.Table) -> pa.ChunkedArray:
        return pc.binary_join_element_wise(_encoded(table["key"]), _encoded(table["label"]), "")

    return int(rows.num_rows - pc.is_in(pairs(rows), pairs(before)).to_numpy().sum())


def _folder(model: str) -> str:
    """A folder name for a model: readable, short enough for any file system, and different for different models."""
    plain = "".join(character if character.isalnum() or character in "-_" else "_" for character in model)[:60]
    return plain if plain == model else f"{plain}-{blake2b(model.encode(), digest_size=4).hexdigest()}"
