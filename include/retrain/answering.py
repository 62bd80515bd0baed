"""Asks models what they say to rows, in a fresh process.

What was imported or fitted in this process does not help a model there: one that answers there answers wherever the
same packages are. Nor can it do harm here: one that takes all memory, or ends its process, is told as an error.
"""

import json
import os
import signal
import subprocess
import sys
import tempfile
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from types import TracebackType
from typing import IO, TYPE_CHECKING, Self, cast

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from retrain import errors, model_files, training
from retrain.errors import EstimatorError, RetrainError

if TYPE_CHECKING:  # the fresh process has no use for them, and MLflow takes two seconds to import
    from retrain.state import ModelFile
    from retrain.tracker import ExperimentTracker

_SECONDS = 600


@dataclass(frozen=True, eq=False)
class Answers:
    """What one model says to n rows."""

    labels: NDArray[np.str_]
    """Shape (n,)."""


class FreshProcess:
    """A process that has imported scikit-learn, as that takes seconds; each question goes to a new fork of it.

    It lives until the block ends.
    """

    def __enter__(self) -> Self:
        # -P: a file of the user's in the working directory, random.py say, is no module. The path is ours: Airflow has
        # folders of its own on it, and the user's modules may be in one of these.
        self._process = subprocess.Popen(
            [sys.executable, "-P", "-m", "retrain.answering"],
            env=os.environ | {"PYTHONPATH": os.pathsep.join(path for path in sys.path if path)},
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
        )
        return self

    def __exit__(
        self, _type: type[BaseException] | None, _error: BaseException | None, _: TracebackType | None
    ) -> None:
        self._process.kill()
        self._process.communicate()

    def ask(
        self,
        tracker: "ExperimentTracker",
        file: "ModelFile",
        features: pd.DataFrame,
        trust: tuple[str, ...] = (),
        seconds: int = _SECONDS,
    ) -> Answers:
        """What the model says to each row of `features`, shape (n, columns).

        Raises UntrustedModelError where its files are not the ones in the ledger or hold types that are not trusted,
        and EstimatorError where it does not load, or has not given one answer for each row within so many seconds.
        """
        with tempfile.TemporaryDirectory() as name:
            folder = Path(name)
            model = tracker.download_model(file.uri, folder)
            features.to_parquet(folder / "rows.parquet")
            asked = {"name": file.uri, "model": str(model), "digest": file.digest, "trust": trust, "seconds": seconds}
            (folder / "asked.json").write_text(json.dumps(asked), encoding="utf-8")
            ended = self._end_of(folder)
            if ended == str(-signal.SIGALRM):
                raise EstimatorError(f"{file.uri}: has not answered within {seconds} s in a fresh process")
            if ended != "0":
                printed = folder / "printed.txt"
                text = printed.read_text(encoding="utf-8", errors="replace") if printed.exists() else ""
                last = text.strip().rpartition("\n")[2]
                raise EstimatorError(f"{file.uri}: a fresh process ended with {ended} before it had answered: {last}")
            said = json.loads((folder / "said.json").read_text(encoding="utf-8"))
            if said:
                raise getattr(errors, said["error"])(said["message"])
            return Answers(np.load(folder / "labels.npy", allow_pickle=False))

    def _end_of(self, folder: Path) -> str:
        """How the fork that was to answer has ended; of a process that is gone itself, nothing."""
        questions, ends = cast(IO[str], self._process.stdin), cast(IO[str], self._process.stdout)
        with suppress(BrokenPipeError):
            questions.write(f"{folder}\n")
            questions.flush()
        return ends.readline().strip()


def main() -> None:
    """The fresh process: a line is a folder with a question; how its fork has ended is the answer."""
    for line in sys.stdin:
        fork = os.fork()
        if fork == 0:
            _answer(Path(line.removesuffix("\n")))
            os._exit(0)
        _, status = os.waitpid(fork, 0)
        sys.stdout.write(f"{os.waitstatus_to_exitcode(status)}\n")
        sys.stdout.flush()


def _answer(folder: Path) -> None:
    """Answers into files, so that nothing that a model prints is taken for an answer."""
    with (folder / "printed.txt").open("wb") as printed:
        os.dup2(printed.fileno(), sys.stdout.fileno())
        os.dup2(printed.fileno(), sys.stderr.fileno())
    asked = json.loads((folder / "asked.json").read_text(encoding="utf-8"))
    signal.alarm(asked["seconds"])
    said = {}
    try:
        model = model_files.load(asked["name"], Path(asked["model"]), asked["digest"], tuple(asked["trust"]))
        np.save(folder / "labels.npy", training.predict(model, pd.read_parquet(folder / "rows.parquet")))
    except RetrainError as error:
        said = {"error": type(error).__name__, "message": str(error)}
    (folder / "said.json").write_text(json.dumps(said), encoding="utf-8")


if __name__ == "__main__":
    main()
