"""Versions of a model without its cycles: registered, in the ledger, and good enough to be loaded and scored."""

from typing import Any
from uuid import uuid4

import pandas as pd
import pyarrow as pa

from retrain.nouns import Side
from retrain.snapshot import SnapshotStore
from retrain.spec import Split
from retrain.state import ModelFile, State
from tests.core import toys

_ROWS = 40
_FEATURES = pd.DataFrame({"a": [0.0, 1.0, 2.0, 3.0]})


def register(model: str, versions: tuple[str, ...], state: State, tracker: Any, snapshots: SnapshotStore) -> None:
    lineage = state.begin_model(model, Split())
    rows = pa.table(
        {
            "key": [str(i) for i in range(_ROWS)],
            "label": ["yes", "no"] * (_ROWS // 2),
            "label_time": pa.array([None] * _ROWS, pa.timestamp("us", "UTC")),
            "a": [float(i % 7) for i in range(_ROWS)],
        }
    )
    snapshot = snapshots.write(
        model, rows.sort_by("key").to_reader(), lineage=lineage, epoch_rows=1, last=None, inherits=None
    )
    state.save_snapshot(snapshot)
    fitted = toys.logistic(["a"]).fit(_FEATURES, ["yes", "no", "yes", "no"])
    run = tracker.start_run(tracker.create_experiment(model), "test")
    for version in versions:
        logged = tracker.log_model(run, version, fitted, _FEATURES, key=uuid4().hex)
        state.save_model_file(ModelFile(logged.uri, logged.digest, model, version, snapshot.id, run, (Side.TRAIN,)))
        assert tracker.register_model(run, model, logged.uri) == version
        state.save_version(logged.uri, version)
