"""Asks versions for their predictions on later rows: in the sandbox, and only for rows that were not asked before."""

import tempfile
from collections.abc import Iterator
from contextlib import ExitStack
from dataclasses import dataclass
from pathlib import Path
from typing import Self

import numpy as np
import pandas as pd
import pyarrow as pa
from numpy.typing import NDArray

from retrain.errors import EstimatorError, SnapshotError
from retrain.gate.labels import Values, spell
from retrain.gate.predictions import RawPredictions
from retrain.gate.slices import in_slice
from retrain.live import predicted as files
from retrain.live.observing import Observing
from retrain.live.predicted import Predicted
from retrain.models.files import trust_in
from retrain.models.sandbox import Sandbox
from retrain.models.training import targets
from retrain.records import ModelFile, VersionId
from retrain.snapshots.content_keys import content_keys
from retrain.snapshots.held import Held
from retrain.snapshots.rows import Rows
from retrain.snapshots.split import position
from retrain.source.layout import Within
from retrain.spec.task import Task


@dataclass(frozen=True)
class _Version:
    file: ModelFile
    folder: Path
    """With its files."""
    held: Held
    """What it was made from, and judged on."""


class Predicting:
    """Versions of one model, each fetched when it is first asked. It lives until its `with` block ends."""

    def __init__(self, observing: Observing) -> None:
        self._of_model, self.spec, self._stack = observing, observing.spec, ExitStack()
        self._sandbox: Sandbox | None = None
        self._versions: dict[VersionId, _Version] = {}

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self._stack.close()

    def predicted(self, version: VersionId, within: Within, labelled: int, before: str) -> Predicted | None:
        """Return the labelled rows of some time that the version does not know, with its predictions; None without any.

        labelled: how many labelled rows there are, of which those of some clusters are taken where that is more than
        `watch.at_most`. before: URI of predictions of the same version, which are used again; empty without.
        """
        asked = self._version(version)
        known = files.get(self._of_model.snapshots, before) if before else None
        parts = list[Predicted]()
        for rows, clusters in self.rows(version, within, labelled):
            parts += self._of(asked, rows, clusters, known)
        return Predicted.joined(parts) if parts else None

    def rows(self, version: VersionId, within: Within, labelled: int) -> Iterator[tuple[pa.Table, NDArray[np.int64]]]:
        """Yield the labelled rows of some time that the version does not know, in batches, each with its clusters.

        labelled: as in `predicted`.
        """
        asked = self._version(version)
        share = self.spec.watch.at_most / max(labelled, 1)
        with self._of_model.source.labelled(self.also(version), within=within) as batches:
            for batch in batches:
                clusters = asked.held.clusters_of(batch)
                counts = ~asked.held.has(batch.column("key"), clusters) & (position(clusters) < share)
                if asked.file.made_at is not None:
                    counts &= _later(batch, asked.file)
                if counts.any():
                    yield pa.Table.from_batches([batch.filter(pa.array(counts))]), clusters[counts]

    def also(self, version: VersionId) -> list[str]:
        """Return the columns that are read beside the features, as the cluster of a row follows from them."""
        held = self._version(version).held
        also = [name for name in held.needs if name not in self.spec.source.features]
        return sorted(self._of_model.source.readable(also)) if also else []

    def clusters(self, version: VersionId, rows: pa.RecordBatch) -> NDArray[np.int64]:
        """Return the cluster of each row, as `Held.clusters_of` does."""
        return self._version(version).held.clusters_of(rows)

    def ask(self, version: VersionId, features: pd.DataFrame, also: pd.DataFrame) -> RawPredictions:
        """Return what a version predicts for some rows."""
        return self._ask(self._version(version), features, also)

    def labels(self, labels: pd.Series) -> Values:
        """Return labels as predictions are compared with them: spelled, or numbers."""
        truth = targets(self.spec.task, labels).to_numpy()
        return spell(truth) if self.spec.task is Task.CLASSIFICATION else truth

    def unasked(self, rows: pa.Table, clusters: NDArray[np.int64]) -> Predicted:
        """Return some rows without predictions."""
        features, also = Rows.inputs(rows)
        return Predicted(
            keys=rows["key"].combine_chunks(),
            rows=content_keys(rows.select([*features.columns, *also.columns]), b""),
            clusters=clusters,
            labels=self.labels(rows["label"].to_pandas()),
            predictions=RawPredictions(np.empty(len(clusters))),
            slices={str(each): in_slice(each, features) for each in self.spec.gate.slices},
        )

    def _of(
        self, asked: _Version, rows: pa.Table, clusters: NDArray[np.int64], known: Predicted | None
    ) -> list[Predicted]:
        """Return the predictions for some rows, in up to two parts: those of before, and new ones."""
        features, also = Rows.inputs(rows)
        found = self.unasked(rows, clusters)
        old = np.isin(found.rows, known.rows) if known else np.zeros(len(found), np.bool_)
        parts = []
        if known is not None and old.any():
            order = np.argsort(known.rows, kind="stable")
            place = order[np.searchsorted(known.rows[order], found.rows[old])]
            parts.append(found.part(old).with_predictions(known.predictions.part(place)))
        if not old.all():
            new = (each[~old] if len(each.columns) else each for each in (features, also))
            parts.append(found.part(~old).with_predictions(self._ask(asked, *new)))
        return parts

    def _ask(self, asked: _Version, features: pd.DataFrame, also: pd.DataFrame) -> RawPredictions:
        if self._sandbox is None:
            self._sandbox = self._stack.enter_context(Sandbox())
        file, spec = asked.file, self.spec
        return self._sandbox.ask(
            file.uri,
            asked.folder,
            file.digest,
            features.reset_index(drop=True),
            trust_in(file, spec.trust),
            also=also.reset_index(drop=True) if len(also.columns) else None,
            task=spec.task,
            python=file.python,
        ).predictions

    def _version(self, version: VersionId) -> _Version:
        if version not in self._versions:
            self._versions[version] = self._fetched(version)
        return self._versions[version]

    def _fetched(self, version: VersionId) -> _Version:
        model, ledger = self.spec.model, self._of_model.ledger
        file = ledger.file_of(model, version)
        if file is None:
            raise EstimatorError("was not logged by Retrain, so nothing proves what it is; adopt it")
        held = Held.nothing()
        if file.snapshot is not None:
            snapshot = ledger.snapshot(model, file.snapshot)
            split_version = ledger.split_version(model, snapshot.split_version)
            if split_version is None:
                raise SnapshotError(f"split version {snapshot.split_version} is not in the ledger; restore it")
            held = Held.of(self._of_model.snapshots, snapshot, split_version)
        folder = Path(self._stack.enter_context(tempfile.TemporaryDirectory(prefix="retrain-")))
        return _Version(file, self._of_model.tracker.download_model(file.uri, folder), held)


def _later(batch: pa.RecordBatch, file: ModelFile) -> NDArray[np.bool_]:
    """Return which rows were labelled after an adopted version was made: nothing more is known of what it has seen."""
    times = batch.column("label_time").to_numpy(zero_copy_only=False)
    made = np.datetime64(file.made_at.replace(tzinfo=None), "us") if file.made_at else np.datetime64("NaT")
    return np.asarray(times > made, np.bool_)
