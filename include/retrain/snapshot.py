"""Snapshots: labelled rows as they were, in Parquet, with a content digest and the side of every row.

A row's *content key* is a keyed 64-bit hash of its normalised features: what two rows share when a model cannot tell
them apart. It decides the side (`retrain.split`) and the cluster in which a row is judged.
"""

from collections.abc import Iterable
from dataclasses import dataclass
from hashlib import blake2b
from pathlib import PurePosixPath
from typing import Any
from uuid import uuid4

import numpy as np
import pandas as pd
import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq
from numpy.typing import NDArray
from pyarrow import fs

from retrain.errors import SnapshotError, SourceError
from retrain.nouns import Side, Snapshot
from retrain.spec import Split
from retrain.split import NO_EPOCHS, SIDES, Epochs, sides

_OURS = ("key", "label", "label_time", "content", "side", "epoch")


@dataclass(frozen=True)
class Rows:
    """Some rows of a snapshot, as training and scoring want them."""

    features: pd.DataFrame
    labels: pd.Series
    content: NDArray[np.int64]

    def __len__(self) -> int:
        return len(self.content)


class SnapshotStore:
    """Parquet files below one URI: `file://`, `s3://` or whatever Arrow reads. Written once, never changed."""

    def __init__(self, uri: str) -> None:
        try:
            self._files, self._root = fs.FileSystem.from_uri(uri)
        except (pa.ArrowInvalid, OSError) as error:
            raise SnapshotError(f"{uri}: is not a place for snapshots: {error}; use e.g. file:///var/retrain") from error
        self._uri = uri.rstrip("/")

    def write(
        self, model: str, rows: pa.Table, *, salt: bytes, split: Split, epoch_rows: int, last: Snapshot | None
    ) -> Snapshot:
        """Store `rows` (as `Source.read_labelled` gives them) with their sides; the same rows give the same snapshot.

        last: the snapshot that the last verdict consumed; None before the first. Raises SourceError where a key occurs
        twice, SnapshotError where `last` is gone or changed.
        """
        _refuse_doubles(rows["key"])
        before = None if last is None else self._table(last, ["key", "label", "content", "epoch"])
        content = content_keys(rows.drop_columns(["key", "label", "label_time"]), salt)
        side = sides(content, split, NO_EPOCHS if before is None else _epochs(before), epoch_rows)
        table = (
            rows.append_column("content", pa.array(content))
            .append_column("side", pa.DictionaryArray.from_arrays(pa.array(side.code, pa.int8()), [s.value for s in SIDES]))
            .append_column("epoch", pa.array(side.epoch))
        )
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
            sides={name: int((side.code == code).sum()) for code, name in enumerate(SIDES)},
            epoch=side.current,
        )

    def read(self, snapshot: Snapshot, wanted: Iterable[Side]) -> Rows:
        """The rows on the wanted sides, in a fixed order. Raises SnapshotError where the file is gone or changed."""
        table = self._table(snapshot)
        table = table.filter(pc.is_in(table["side"].cast(pa.string()), pa.array([side.value for side in wanted])))
        table = table.sort_by("key")
        features = table.drop_columns([*_OURS]).to_pandas()
        return Rows(features, table["label"].to_pandas(), table["content"].to_numpy())

    def content(self, snapshot: Snapshot, wanted: Iterable[Side]) -> NDArray[np.int64]:
        """Content keys of the rows on the wanted sides. Raises SnapshotError where the file is gone or changed."""
        table = self._table(snapshot, ["content", "side"])
        chosen = pc.is_in(table["side"].cast(pa.string()), pa.array([side.value for side in wanted]))
        return np.asarray(table["content"].filter(chosen).to_numpy(), np.int64)

    def _put(self, table: pa.Table, uri: str) -> None:
        path = self._path(uri)
        if self._files.get_file_info(path).type == fs.FileType.File:
            return
        # Under a name of its own first: whoever sees the final name sees a whole file.
        draft = f"{path}.{uuid4().hex}"
        try:
            self._files.create_dir(str(PurePosixPath(path).parent), recursive=True)
            metadata = {**(table.schema.metadata or {}), b"retrain.digest": PurePosixPath(path).stem.encode()}
            pq.write_table(table.replace_schema_metadata(metadata), draft, filesystem=self._files, compression="zstd")
            self._files.move(draft, path)
        except OSError as error:
            raise SnapshotError(f"{uri}: cannot be written: {error}") from error

    def _table(self, snapshot: Snapshot, columns: list[str] | None = None) -> pa.Table:
        path = self._path(snapshot.uri)
        try:
            table = pq.read_table(path, columns=columns, filesystem=self._files)
        except (OSError, pa.ArrowException) as error:
            raise SnapshotError(
                f"{snapshot.uri}: cannot be read: {error}; put the file back, or take a new snapshot"
            ) from error
        if columns is None and _digest(table) != snapshot.id:
            raise SnapshotError(f"{snapshot.uri}: is not what was stored: its digest differs; put the file back")
        return table

    def _path(self, uri: str) -> str:
        if not uri.startswith(f"{self._uri}/"):
            raise SnapshotError(f"{uri}: is not below {self._uri}, where this Retrain keeps its snapshots")
        return f"{self._root}/{uri.removeprefix(self._uri + '/')}"


def content_keys(features: pa.Table, salt: bytes) -> NDArray[np.int64]:
    """Keyed hash (BLAKE2b, RFC 7693) of each row's normalised features, shape (rows,).

    Text is normalised by NFKC, lower case and single spaces, so that "같은  글" and "같은 글" are one content.
    """
    return _hashes([_normalised(features[name]) for name in features.column_names], 8, salt).view(np.dtype("<i8"))


def _normalised(column: pa.ChunkedArray) -> pa.ChunkedArray:
    if not pa.types.is_string(column.type):
        return column
    text = pc.utf8_lower(pc.utf8_normalize(column, form="NFKC"))
    return pc.utf8_trim_whitespace(pc.replace_substring_regex(text, pattern=r"\s+", replacement=" "))


def _hashes(columns: list[pa.ChunkedArray], size: int, salt: bytes = b"") -> NDArray[np.void]:
    """One hash of `size` bytes for each row."""
    encoded = pc.binary_join_element_wise(*[_encoded(column) for column in columns], "")
    joined = b"".join(
        blake2b(row, digest_size=size, key=salt).digest() for row in encoded.cast(pa.binary()).to_pylist()
    )
    return np.frombuffer(joined, dtype=np.dtype((np.void, size)))


def _encoded(column: pa.ChunkedArray) -> pa.ChunkedArray:
    """Length, colon, value: no two rows of values give the same bytes. A null has no length."""
    text = column.cast(pa.string())
    length = pc.binary_length(text).cast(pa.string())
    return pc.fill_null(pc.binary_join_element_wise(length, text, ":"), "-")


def _digest(table: pa.Table) -> str:
    """Digest of the rows as a multiset: independent of their order, exact under duplicates."""
    names = sorted(table.column_names)
    whole = blake2b(repr([(name, str(table.schema.field(name).type)) for name in names]).encode(), digest_size=16)
    for row in sorted(_hashes([table[name] for name in names], 16).tolist()):
        whole.update(row)
    return whole.hexdigest()


def _refuse_doubles(keys: pa.ChunkedArray) -> None:
    doubles = pc.value_counts(keys).filter(pc.greater(pc.struct_field(pc.value_counts(keys), "counts"), 1))
    if len(doubles):
        some = ", ".join(str(double["values"]) for double in doubles.slice(0, 3).to_pylist())
        raise SourceError(f"{len(doubles):,} keys occur more than once (e.g. {some}); the key must identify a row")


def _epochs(table: pa.Table) -> Epochs:
    assigned = table.filter(pc.greater(table["epoch"], 0))
    return Epochs(assigned["content"].to_numpy(), assigned["epoch"].to_numpy())


def _count_new(rows: pa.Table, before: pa.Table) -> int:
    def pairs(table: pa.Table) -> Any:
        return pc.binary_join_element_wise(_encoded(table["key"]), _encoded(table["label"]), "")

    return rows.num_rows - int(pc.sum(pc.is_in(pairs(rows), pairs(before))).as_py() or 0)


def _folder(model: str) -> str:
    """A folder name for a model: readable, and different for different models."""
    plain = "".join(character if character.isalnum() or character in "-_." else "_" for character in model)
    return plain if plain == model else f"{plain}-{blake2b(model.encode(), digest_size=4).hexdigest()}"
