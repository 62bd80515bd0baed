"""What a version predicted for the rows of a cohort, with their labels: kept, so that a row is scored once."""

import json
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, replace
from hashlib import sha256
from typing import Any, Self

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq
from numpy.typing import NDArray

from retrain.errors import SnapshotError
from retrain.gate.labels import Values
from retrain.gate.predictions import RawPredictions
from retrain.snapshots.places import folder_of
from retrain.snapshots.store import SnapshotStore
from retrain.text import one_line

_FOLDER = "later"
_CLASSES, _SLICE, _PROBABILITY = b"retrain.classes", "slice ", "p "


@dataclass(frozen=True, eq=False)
class Predicted:
    """The labelled rows of some time, and what one version predicted for them. All of shape (n,) or (n, k)."""

    keys: pa.Array
    rows: NDArray[np.int64]
    """A hash of all that the version was given: rows with the same one have the same prediction."""
    clusters: NDArray[np.int64]
    labels: Values
    """Classes, spelled, or numbers."""
    predictions: RawPredictions
    slices: Mapping[str, NDArray[np.bool_]]

    def __len__(self) -> int:
        return len(self.rows)

    def part(self, which: NDArray[np.bool_] | NDArray[np.intp]) -> Self:
        """Return some of the rows."""
        return replace(
            self,
            keys=self.keys.take(pa.array(np.arange(len(self))[which])),
            rows=self.rows[which],
            clusters=self.clusters[which],
            labels=self.labels[which],
            predictions=self.predictions.part(which),
            slices={name: each[which] for name, each in self.slices.items()},
        )

    def with_predictions(self, predictions: RawPredictions) -> Self:
        """Return the same rows with these predictions."""
        return replace(self, predictions=predictions)

    def beside(self, other: "Predicted") -> Self:
        """Return the same with the clusters of another's rows, which are the same rows: salts may differ."""
        return replace(self, clusters=other.clusters)

    @classmethod
    def joined(cls, parts: Iterable["Predicted"]) -> "Predicted":
        """Return all rows of at least one part, one after another."""
        all_ = [*parts]
        names = [name for name in all_[0].slices if all(name in each.slices for each in all_)]
        return Predicted(
            keys=pa.concat_arrays([each.keys for each in all_]),
            rows=np.concatenate([each.rows for each in all_]),
            clusters=np.concatenate([each.clusters for each in all_]),
            labels=np.concatenate([each.labels for each in all_]),
            predictions=_joined([each.predictions for each in all_]),
            slices={name: np.concatenate([each.slices[name] for each in all_]) for name in names},
        )


def _joined(parts: list[RawPredictions]) -> RawPredictions:
    """Return the predictions of several models: with the classes of all, and without their margins."""
    if len({each.classes for each in parts}) == 1 and len({each.probabilities is None for each in parts}) == 1:
        return RawPredictions.joined(parts)
    classes = tuple(sorted({name for each in parts for name in each.classes}))
    tables = [table for each in parts if (table := each.among(classes, None).probabilities) is not None]
    return RawPredictions(
        np.concatenate([each.labels for each in parts]),
        classes,
        np.concatenate(tables) if len(tables) == len(parts) else None,
    )


def put(store: SnapshotStore, model: str, predicted: Predicted, of: str) -> str:
    """Store predictions and return their URI, which follows from their content.

    of: what they are for, such as a cohort: so that deleting them there takes nothing from anybody else. Raises
    SnapshotError where that is not possible.
    """
    table = _to_table(predicted)
    sink = pa.BufferOutputStream()
    pq.write_table(table, sink, compression="lz4")
    content = sink.getvalue()
    folder = f"{store.uri}/{folder_of(model)}/{_FOLDER}/{folder_of(of)}"
    uri = f"{folder}/{sha256(content).hexdigest()}.parquet"
    try:
        store.files.create_dir(store.path(folder), recursive=True)
        with store.files.open_output_stream(store.path(uri)) as file:
            file.write(content)
    except OSError as error:
        raise SnapshotError(f"{uri}: cannot be written: {one_line(error)}") from error
    return uri


def get(store: SnapshotStore, uri: str) -> Predicted:
    """Read predictions. Raises SnapshotError where they are gone, or are not what was stored."""
    try:
        with store.files.open_input_stream(store.path(uri)) as file:
            content = file.read()
    except OSError as error:
        raise SnapshotError(f"{uri}: cannot be read: {one_line(error)}; put the file back") from error
    if sha256(content).hexdigest() != uri.rpartition("/")[2].partition(".")[0]:
        raise SnapshotError(f"{uri}: has changed since it was stored: its digest differs; put the file back")
    return _from_table(pq.read_table(pa.BufferReader(content)))


def is_there(store: SnapshotStore, uri: str) -> bool:
    """Return whether predictions are where they were stored."""
    return bool(store.files.get_file_info(store.path(uri)).is_file)


def _to_table(predicted: Predicted) -> pa.Table:
    raw = predicted.predictions
    columns: dict[str, Any] = {
        "key": predicted.keys,
        "row": predicted.rows,
        "cluster": predicted.clusters,
        "label": pa.array(predicted.labels),
        "predicted": pa.array(raw.labels),
    }
    if raw.margins is not None:
        columns["margin"] = raw.margins
    if raw.probabilities is not None:
        columns |= {f"{_PROBABILITY}{place}": raw.probabilities[:, place] for place in range(len(raw.classes))}
    columns |= {f"{_SLICE}{name}": each for name, each in predicted.slices.items()}
    return pa.table(columns).replace_schema_metadata({_CLASSES: json.dumps(raw.classes).encode()})


def _from_table(table: pa.Table) -> Predicted:
    classes = tuple(json.loads(table.schema.metadata[_CLASSES]))
    columns = {name: table[name].to_numpy() for name in table.column_names if name != "key"}
    probabilities = [each for name, each in columns.items() if name.startswith(_PROBABILITY)]
    return Predicted(
        keys=table["key"].combine_chunks(),
        rows=columns["row"],
        clusters=columns["cluster"],
        labels=_values(columns["label"]),
        predictions=RawPredictions(
            _values(columns["predicted"]),
            classes,
            np.column_stack(probabilities) if probabilities else None,
            columns.get("margin"),
        ),
        slices={name.removeprefix(_SLICE): each for name, each in columns.items() if name.startswith(_SLICE)},
    )


def _values(column: NDArray[Any]) -> Any:
    return column.astype(np.str_) if column.dtype == object else column


def without(store: SnapshotStore, model: str, uri: str, keys: Iterable[str]) -> str:
    """Write predictions without the rows of these keys, and return their URI, or the same where none is in it."""
    found = get(store, uri)
    kept = pc.invert(pc.is_in(found.keys, pa.array([*keys], pa.string()))).to_numpy(zero_copy_only=False)
    return uri if kept.all() else put(store, model, found.part(kept), _of(uri))


def _of(uri: str) -> str:
    return uri.rsplit("/", 2)[1]
