"""Versions of a model without cycles: registered, in the ledger, and good enough to be loaded and scored."""

from typing import Any
from uuid import uuid4

import pandas as pd
import pyarrow as pa

from retrain.ledger.ledger import Ledger
from retrain.messages import texts
from retrain.records import ModelFile, Subset
from retrain.snapshots.store import SnapshotStore
from retrain.spec.source import Split
from tests.core import toys

_ROWS = 40
_FEATURES = pd.DataFrame({"a": [0.0, 1.0, 2.0, 3.0]})


def register(model: str, versions: tuple[str, ...], ledger: Ledger, tracker: Any, snapshots: SnapshotStore) -> None:
    split_version = ledger.begin_model(model, Split(), announcement=texts.of_split_version)
    rows = pa.table(
        {
            "key": [str(i) for i in range(_ROWS)],
            "label": ["yes", "no"] * (_ROWS // 2),
            "label_time": pa.array([None] * _ROWS, pa.timestamp("us", "UTC")),
            "a": [float(i % 7) for i in range(_ROWS)],
        }
    )
    snapshot = snapshots.write(
        model, rows.sort_by("key").to_reader(), split_version=split_version, round_rows=1, last=None, inherits=None
    )
    ledger.save_snapshot(snapshot)
    fitted = toys.logistic(["a"]).fit(_FEATURES, ["yes", "no", "yes", "no"])
    run = tracker.start_run(tracker.create_experiment(model), "test")
    for version in versions:
        logged = tracker.log_model(run, version, fitted, _FEATURES, key=uuid4().hex)
        ledger.save_model_file(ModelFile(logged.uri, logged.digest, model, version, snapshot.id, run, (Subset.TRAIN,)))
        assert tracker.register_model(run, model, logged.uri) == version
        ledger.save_version(logged.uri, version)
