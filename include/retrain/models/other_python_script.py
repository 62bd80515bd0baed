"""Asks a model in an interpreter of another version: this file is run there by its path, and needs nothing of ours.

It needs Python 3.8, NumPy and pandas, and what the model itself needs. The caller has compared the files with their
digest, and a person answers for them: whatever types they hold, they are loaded.
"""

from __future__ import annotations

import json
import pickle
import sys
import time
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

_LATENCY_ROWS, _LATENCY_SECONDS = 100, 2.0


def time_of_a_row(model: Any, features: pd.DataFrame) -> float:
    """Return the 95th percentile of the time for one row in ms, from a hundred rows or as many as two seconds allow."""
    taken = []
    for place in range(min(len(features), _LATENCY_ROWS)):
        row, begin = features.iloc[[place]], time.perf_counter()
        model.predict(row)
        taken.append(time.perf_counter() - begin)
        if sum(taken) > _LATENCY_SECONDS:
            break
    return float(np.quantile(taken, 0.95) * 1000) if taken else 0.0


def _load(path: str, by: str) -> Any:
    if by == "mlflow":  # the file is a folder
        import mlflow.pyfunc

        return mlflow.pyfunc.load_model(path, suppress_warnings=True)
    if by == "skops":
        import skops.io

        return skops.io.load(path, trusted=skops.io.get_untrusted_types(file=path))
    with open(path, "rb") as file:  # noqa: PTH123 - of Python 3.8
        return pickle.load(file)  # noqa: S301 - see above


def _main(folder: Path) -> None:
    question = json.loads((folder / "question.json").read_text(encoding="utf-8"))
    columns = json.loads((folder / "rows.json").read_text(encoding="utf-8"))
    features = pd.DataFrame(
        {name: pd.Series(values, dtype="float64" if kind == "number" else "object") for name, kind, values in columns}
    )
    model = _load(question["file"], question["by"])
    arrays: dict[str, Any] = {}
    labels = np.asarray(model.predict(features))
    if question["by"] == "mlflow" and labels.ndim == 2 and labels.shape[1] == 1:  # a table of one column
        labels = labels[:, 0]
    classes = getattr(model, "classes_", None)
    for name in ("predict_proba", "decision_function"):
        if question["probabilities"] and hasattr(model, name) and classes is not None:
            arrays[name] = np.asarray(getattr(model, name)(features), dtype="float64")
            break
    np.savez(str(folder / "arrays.npz"), **arrays)
    answer = {
        "labels": labels.tolist(),
        "classes": None if classes is None else np.asarray(classes).tolist(),
        "latency_ms": time_of_a_row(model, features) if question["latency"] else None,
    }
    (folder / "answer.json").write_text(json.dumps(answer), encoding="utf-8")


if __name__ == "__main__":
    _main(Path(sys.argv[1]))
