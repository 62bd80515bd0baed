"""Predictions of a model that needs other versions of its packages: by an interpreter that has these."""

import json
import subprocess
import tempfile
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

from retrain.errors import EndedError, EstimatorError, SettingsError
from retrain.models import environment, other_python_script, pythons, training
from retrain.models import files as model_files
from retrain.models.reply import Reply
from retrain.spec.task import Task
from retrain.text import LONGEST_ERROR, shorten


def ask(
    python: str, name: str, model: Path, rows: pd.DataFrame, task: Task, *, latency: bool = False, seconds: int
) -> Reply:
    """Return what the model in a folder predicts for each row, in a new process of the interpreter of this name.

    The caller has compared the digest of the files, for which a person answers: whatever types they hold, they are
    loaded. rows: the columns that the model takes. Raises as `Sandbox.ask` does, and SettingsError where there is no
    such interpreter.
    """
    stored = model_files.stored_in(name, model)
    with tempfile.TemporaryDirectory(prefix="retrain-") as temporary:
        folder = Path(temporary)
        question = {
            "file": str(stored.file.resolve()),
            "by": "mlflow" if stored.by_mlflow else "skops" if stored.format == model_files.SKOPS else "pickle",
            "probabilities": task is Task.CLASSIFICATION,
            "latency": latency,
        }
        (folder / "question.json").write_text(json.dumps(question), encoding="utf-8")
        (folder / "rows.json").write_text(json.dumps([_column(rows[each]) for each in rows]), encoding="utf-8")
        _run(python, name, folder, seconds)
        answer = json.loads((folder / "answer.json").read_text(encoding="utf-8"))
        with np.load(folder / "arrays.npz", allow_pickle=False) as stored_arrays:
            answered = _Answered(answer["labels"], answer["classes"], dict(stored_arrays))
    predictions = training.predict(answered, rows, task)
    return Reply(predictions, answer["latency_ms"], model_files.size(model), model_files.inputs(model))


def _run(python: str, name: str, folder: Path, seconds: int) -> None:
    # -I: neither the variables nor the folder of this process lead to modules of another version.
    words = [pythons.of_name(python), "-I", other_python_script.__file__, str(folder)]
    try:
        done = subprocess.run(
            words,
            env=environment.clean(str(folder)),
            cwd=folder,
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            timeout=seconds,
            check=False,
        )
    except subprocess.TimeoutExpired:
        raise EstimatorError(f"{name}: has not answered within {seconds} s in the interpreter {python!r}") from None
    except OSError as error:
        raise SettingsError(f"{pythons.VARIABLE}: {python} = {words[0]!r} does not run: {error.strerror}") from error
    if done.returncode < 0 and not done.stdout:
        raise EndedError(f"{name}: the interpreter {python!r} was ended before the model had answered; ask again")
    if done.returncode:
        last = done.stdout.decode("utf-8", "replace").strip().rpartition("\n")[2]
        raise EstimatorError(
            f"{name}: cannot be loaded or cannot predict in the interpreter {python!r}: {shorten(last, LONGEST_ERROR)}"
        )


def _column(column: "pd.Series[Any]") -> tuple[str, str, list[Any]]:
    """Return the name, the kind and the values of a column, null where there is none."""
    values = column.astype(object).where(column.notna(), None).tolist()
    return str(column.name), "number" if column.dtype.kind in "biuf" else "text", values


class _Answered:
    """A model as `training.predict` asks it, whose answers are there already."""

    def __init__(self, labels: list[Any], classes: list[Any] | None, arrays: dict[str, Any]) -> None:
        self._labels = labels
        if classes is not None:
            self.classes_ = classes
        for name, array in arrays.items():  # only what the model can do
            setattr(self, name, lambda _, array=array: array)

    def predict(self, _: pd.DataFrame) -> Any:
        return np.asarray(self._labels)
