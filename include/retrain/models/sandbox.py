"""Predictions of models in a fresh process.

What was imported or fitted in this process does not help a model there: one that predicts there predicts wherever the
same packages are installed. Nor can it do harm here: a model that takes all memory, or ends its process, is an error.
"""

import json
import signal
import tempfile
from pathlib import Path
from types import TracebackType
from typing import Any, Self

import numpy as np
import pandas as pd

from retrain.errors import EndedError, EstimatorError, RetrainError, UntrustedModelError, packed, unpacked
from retrain.gate.predictions import RawPredictions
from retrain.models import environment, other_python, training
from retrain.models import files as model_files
from retrain.models.forks import FROM_OUTSIDE, Forks, to_file
from retrain.models.other_python_script import time_of_a_row
from retrain.models.reply import Reply
from retrain.spec.task import Task
from retrain.text import LONGEST_ERROR, one_line, shorten

_SECONDS = 600


class Sandbox:
    """A process that has imported scikit-learn, because that takes seconds; each question goes to a new fork of it.

    It lives until the `with` block ends.
    """

    def __enter__(self) -> Self:
        self._home = tempfile.TemporaryDirectory(prefix="retrain-")
        self._forks = Forks("retrain.models.sandbox:prepare", env=environment.clean(self._home.name))
        self._forks.__enter__()
        return self

    def __exit__(
        self, _type: type[BaseException] | None, _error: BaseException | None, _: TracebackType | None
    ) -> None:
        self._forks.__exit__(_type, _error, None)
        self._home.cleanup()

    def ask(
        self,
        name: str,
        model: Path,
        digest: str,
        features: pd.DataFrame,
        trust: tuple[str, ...] = (),
        *,
        also: pd.DataFrame | None = None,
        task: Task = Task.CLASSIFICATION,
        latency: bool = False,
        seconds: int = _SECONDS,
        python: str | None = None,
    ) -> Reply:
        """Return what the model in a folder predicts for each row of `features`, shape (n, columns).

        name: what errors call it. model: the folder with its files. digest: what `retrain.models.files.digest` of them
        must be. also: further columns, which it may take. latency: whether to measure it as well, which takes a hundred
        predictions, or two seconds. seconds: how long the model may take. python: name of another interpreter, for
        files that a person answers for: their types are not looked at there.

        Raises UntrustedModelError if its files do not match the digest or hold types that are not trusted, and
        EstimatorError if it does not load, or does not give one prediction for each row in time. If the process was
        ended from outside, nothing is known about the model: EndedError, ask again.
        """
        every = features if also is None else pd.concat([features, also], axis="columns")
        if python is not None:
            if model_files.digest(model) != digest:
                raise UntrustedModelError(f"{name}: its files are not the ones that were adopted; it is not loaded")
            rows = model_files.columns_taken(name, model, every, list(features.columns))
            return other_python.ask(python, name, model, rows, task, latency=latency, seconds=seconds)
        with tempfile.TemporaryDirectory() as temporary:
            folder = Path(temporary)
            every.to_parquet(folder / "rows.parquet")
            question = {
                "name": name,
                "model": str(model),
                "digest": digest,
                "features": list(features.columns),
                "trust": trust,
                "task": task,
                "latency": latency,
                "seconds": seconds,
            }
            (folder / "question.json").write_text(json.dumps(question), encoding="utf-8")
            ended = self._forks.call("retrain.models.sandbox:write_reply", temporary).wait()
            if ended == -signal.SIGALRM:
                raise EstimatorError(f"{name}: has not answered within {seconds} s in a fresh process")
            if ended in FROM_OUTSIDE:
                raise EndedError(f"{name}: the fresh process was ended before the model had answered; ask again")
            if ended != 0:
                printed = folder / "printed.txt"
                text = printed.read_text(encoding="utf-8", errors="replace") if printed.exists() else ""
                last = shorten(text.strip().rpartition("\n")[2], LONGEST_ERROR)
                raise EstimatorError(f"{name}: a fresh process ended with {ended} before it had answered: {last}")
            reply = json.loads((folder / "reply.json").read_text(encoding="utf-8"))
            if "error" in reply:
                raise unpacked(reply)
            with np.load(folder / "predictions.npz", allow_pickle=False) as stored:
                arrays = dict(stored)
            return Reply(
                RawPredictions(
                    arrays["labels"],
                    tuple(reply["classes"]),
                    arrays.get("probabilities"),
                    arrays.get("margins"),
                ),
                reply["latency_ms"],
                model_files.size(model),
                model_files.inputs(model),
            )


def prepare() -> None:
    """Import what takes seconds: once, and not in each fork."""
    model_files.skops()


def write_reply(path: str) -> None:
    """Write the reply to files, so that nothing that a model prints is taken for it. path: of the question's folder."""
    folder = Path(path)
    to_file(str(folder / "printed.txt"))
    question = json.loads((folder / "question.json").read_text(encoding="utf-8"))
    signal.alarm(question["seconds"])
    try:
        reply = _reply(folder, question)
    except RetrainError as error:
        reply = packed(error)
    (folder / "reply.json").write_text(json.dumps(reply), encoding="utf-8")


def _reply(folder: Path, question: dict[str, Any]) -> dict[str, Any]:
    path, task = Path(question["model"]), Task(question["task"])
    try:
        model = model_files.load(question["name"], path, question["digest"], tuple(question["trust"]))
    except RetrainError:
        raise
    except Exception as error:
        why = f"{type(error).__name__}: {one_line(error)}; {model_files.version_differences(path)}".removesuffix("; ")
        raise EstimatorError(f"{question['name']}: cannot be loaded: {why}") from error
    features = model_files.columns_taken(
        question["name"], path, pd.read_parquet(folder / "rows.parquet"), question["features"]
    )
    predictions = training.predict(model, features, task)
    arrays: dict[str, Any] = {
        "labels": predictions.labels,
        "probabilities": predictions.probabilities,
        "margins": predictions.margins,
    }
    np.savez(folder / "predictions.npz", **{name: values for name, values in arrays.items() if values is not None})
    return {
        "classes": predictions.classes,
        "latency_ms": time_of_a_row(model, features) if question["latency"] else None,
    }
