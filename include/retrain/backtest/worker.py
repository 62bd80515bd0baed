"""What a process beside the main one does: it goes through timelines, fits candidates, and asks them for predictions.

Fitted models stay in files of this run's own folder, as a later look may ask them for more rows; the folder goes with
the run.
"""

import os
import shutil
import tempfile
import threading
import time
from contextlib import nullcontext
from dataclasses import dataclass
from functools import lru_cache
from multiprocessing import parent_process
from pathlib import Path
from typing import Any

import joblib
import numpy as np
import pandas as pd
import pyarrow as pa
from numpy.typing import NDArray
from threadpoolctl import threadpool_limits

from retrain.backtest import steps
from retrain.backtest.history import History
from retrain.backtest.memory import Turns
from retrain.backtest.replayed import Blocked
from retrain.backtest.timeline import Taken, timeline
from retrain.errors import EstimatorError
from retrain.gate.labels import Floats, Integers
from retrain.gate.predictions import RawPredictions
from retrain.metrics import described
from retrain.models import training
from retrain.models.learning import Options, options_of
from retrain.models.own_train import Context, Given, train
from retrain.spec.candidates import CandidateSpec
from retrain.spec.gate import Gate
from retrain.spec.spec import Spec
from retrain.tracker.aside import aside

_COPIES = 3
"""What a fit takes at least, in sizes of its rows: them, what a library makes of them, and the rest."""


@dataclass(frozen=True, eq=False)
class Predicted:
    """A model's predictions for some rows of the history, small enough to keep for hundreds of models."""

    rows: Integers
    """Places, ascending. Shape (m,)."""
    names: tuple[str, ...]
    """The classes that it predicted for these rows; empty in a regression."""
    values: NDArray[Any]
    """Shape (m,): positions in `names`; in a regression, numbers."""
    classes: tuple[str, ...] = ()
    """As in `RawPredictions`, and the two that follow."""
    probabilities: Floats | None = None
    margins: Floats | None = None

    @staticmethod
    def of(rows: Integers, raw: RawPredictions) -> "Predicted":
        if raw.labels.dtype.kind == "f":
            return Predicted(rows, (), raw.labels)
        names, values = np.unique(raw.labels, return_inverse=True)
        return Predicted(
            rows, tuple(names.tolist()), values.astype(np.int32), raw.classes, raw.probabilities, raw.margins
        )

    def raw(self, rows: Integers) -> RawPredictions:
        """Return the predictions for these rows, all of which it must hold, in their order."""
        at = np.searchsorted(self.rows, rows)
        labels = np.array(self.names, np.str_)[self.values[at]] if self.names else self.values[at]
        return RawPredictions(
            labels,
            self.classes,
            None if self.probabilities is None else self.probabilities[at],
            None if self.margins is None else self.margins[at],
        )

    def missing(self, rows: Integers) -> Integers:
        """Return those of these rows that it does not hold."""
        return rows[~np.isin(rows, self.rows)]

    def joined(self, other: "Predicted") -> "Predicted":
        """Return both. No row may be in both."""
        rows = np.concatenate([self.rows, other.rows])
        order = np.argsort(rows)
        names = tuple(sorted({*self.names, *other.names}))

        def places(each: Predicted) -> NDArray[Any]:
            if not names:
                return each.values
            codes: NDArray[Any] = np.array([names.index(name) for name in each.names], np.int32)[each.values]
            return codes

        def both(one: Floats | None, two: Floats | None) -> Floats | None:
            return None if one is None or two is None else np.concatenate([one, two])[order]

        return Predicted(
            rows[order],
            names,
            np.concatenate([places(self), places(other)])[order],
            self.classes or other.classes,
            both(self.probabilities, other.probabilities),
            both(self.margins, other.margins),
        )


NOTHING = Predicted(np.empty(0, np.int64), (), np.empty(0))
"""Of a model that was asked for no row."""


@dataclass(frozen=True)
class Fit:
    """One model to be fitted."""

    key: str
    """Digest of all that it depends on."""
    candidate: CandidateSpec
    rows: Integers
    """Places of the rows that it learns from, ascending."""
    score_on: Integers | None
    """Places of the validation rows; None where its score decides nothing."""


@dataclass(frozen=True, eq=False)
class Fitted:
    """What is known of a model that was fitted."""

    seconds: float
    """CPU seconds of the fit alone."""
    score: float | None
    predicted: Predicted | None
    fault: str = ""
    """Why it could not be fitted; empty where it was."""


class Worker:
    """Holds the history; the same work gives the same result in every process."""

    def __init__(self, folder: Path, turns: Turns | None = None) -> None:
        """folder: where `share` has put the history, and where models go. turns: of its fits."""
        self._folder, self._turns = folder, turns
        with pa.memory_map(str(folder / "history.arrow")) as file:
            table = pa.ipc.open_file(file).read_all()
        self._history = History(table, np.load(folder / "times.npy"))
        self._loaded = lru_cache(maxsize=3)(self._load)

    def timeline(self, spec: Spec, first: int) -> list[Taken | Blocked]:
        return list(timeline(spec, self._history, first))

    def fit(self, spec: Spec, fit: Fit, ask: Integers) -> Fitted:
        """Fit a candidate, keep the model, and return its score and its predictions for the rows `ask`."""
        try:
            with aside():
                return self._fit(spec, fit, ask)
        except EstimatorError as error:
            return Fitted(0.0, None, None, str(error))

    def _fit(self, spec: Spec, fit: Fit, ask: Integers) -> Fitted:
        """Raises EstimatorError where it cannot be fitted."""
        own = fit.candidate.train is not None
        stateless, rest = (None, None) if own else steps.cut(training.build(fit.candidate))
        inputs = steps.inputs_of(stateless, self._history, self._folder)
        labels = training.targets(spec.task, self._history.labels.iloc[fit.rows].reset_index(drop=True))
        turn = nullcontext() if self._turns is None else self._turns.of(len(labels), _COPIES * inputs.row_bytes)
        with turn:
            began = time.process_time()
            options, features = self._options(fit, labels), inputs.of(fit.rows)
            if own:
                model = train(fit.candidate, Given(features, labels), Context(self._own_folder(), options.weights))
            else:
                model = training.fit(rest, features, labels, options)
            seconds = time.process_time() - began
        score = None if fit.score_on is None else self._score(spec, model, inputs, fit.score_on)
        joblib.dump((stateless, model), self._path(fit.key), compress=1)
        return Fitted(seconds, score, self._ask(spec, model, inputs, ask) if len(ask) else None)

    def _own_folder(self) -> Path:
        """Return an empty folder, which goes with the run's."""
        return Path(tempfile.mkdtemp(dir=self._folder))

    def _options(self, fit: Fit, labels: pd.Series) -> Options:
        history = self._history
        columns = history.columns(fit.candidate.sample_weight, fit.rows)
        return options_of(fit.candidate, labels, columns, history.clusters[fit.rows])

    def predict(self, spec: Spec, key: str, ask: Integers) -> Predicted:
        """Return the predictions of a model that was fitted in this run."""
        stateless, model = self._loaded(key)
        return self._ask(spec, model, steps.inputs_of(stateless, self._history, self._folder), ask)

    def _ask(self, spec: Spec, model: Any, inputs: steps.Inputs, rows: Integers) -> Predicted:
        return Predicted.of(rows, _predict(spec, model, inputs, rows))

    def _score(self, spec: Spec, model: Any, inputs: steps.Inputs, rows: Integers) -> float:
        raw = _predict(spec, model, inputs, rows)
        labels = self._history.labels.iloc[rows].reset_index(drop=True)
        return training.scores(spec.gate, spec.task, labels, raw)[spec.gate.metric]

    def _path(self, key: str) -> Path:
        return self._folder / f"{key}.model"

    def _load(self, key: str) -> Any:
        return joblib.load(self._path(key))


def _predict(spec: Spec, model: Any, inputs: steps.Inputs, rows: Integers) -> RawPredictions:
    return training.predict(model, inputs.of(rows), spec.task, probabilities=needs_probabilities(spec.gate))


def share(history: History, folder: Path) -> None:
    """Put the history where every process reads it from the same memory."""
    with pa.OSFile(str(folder / "history.arrow"), "wb") as file, pa.ipc.new_file(file, history.table.schema) as writer:
        writer.write_table(history.table)
    np.save(folder / "times.npy", history.times)


def needs_probabilities(gate: Gate) -> bool:
    """Return whether anything that the gate measures needs more than the predicted classes."""
    needs = [described(each.metric).needs for each in (gate, *gate.limits)]
    return gate.max_ece is not None or any(each not in ("labels", "numbers") for each in needs)


def forget(key: str, folder: Path) -> None:
    """Delete the file of a model that nothing will ask again."""
    (folder / f"{key}.model").unlink(missing_ok=True)


_workers: list[Worker] = []
"""This process's own, once it has begun."""


def begin(folder: Path, turns: Turns) -> None:
    """Make this process a worker, of one thread: there is one for each core, and sums come out the same everywhere."""
    threadpool_limits(limits=1)
    threading.Thread(target=_end_with_parent, args=(folder,), daemon=True).start()
    _workers.append(Worker(folder, turns))


def _end_with_parent(folder: Path) -> None:
    """End this process when the main one has ended, however it did: a pool's own processes would wait for ever."""
    parent = parent_process()
    if parent is not None:
        parent.join()
        shutil.rmtree(folder, ignore_errors=True)  # the main one removes it, unless it was killed
        os._exit(1)


def work(name: str, *given: Any) -> Any:
    """Call a method of this process's worker."""
    return getattr(_workers[-1], name)(*given)
