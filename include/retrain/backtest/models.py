"""The models of a backtest: each is fitted once, whatever number of policies need it, and asked for no row twice.

What a cache holds of a model is its score and its predictions, never the model: a later run that needs a row which
nobody has asked for fits it again.
"""

import json
import tempfile
from collections.abc import Iterable
from concurrent.futures import Executor, Future
from dataclasses import replace
from hashlib import blake2b
from pathlib import Path
from typing import Any

import numpy as np
import sklearn

from retrain.backtest.history import History
from retrain.backtest.worker import NOTHING, Fit, Fitted, Predicted, Worker, forget, needs_probabilities, work
from retrain.errors import EstimatorError
from retrain.gate.labels import Integers
from retrain.spec.spec import Spec

FORMAT = 1
"""Of the cache: what was written by another is made anew."""


class Models:
    """Fits in the background what is wanted soon, and waits for what is wanted now."""

    def __init__(self, history: History, pool: Executor, folder: Path, cache: Path | None) -> None:
        """folder: of this run, where models are until nobody needs them. cache: kept from run to run, if given."""
        self._history, self._pool, self._folder, self._cache = history, pool, folder, cache
        self._own = Worker(folder)
        self._fits = dict[str, tuple[Spec, Fit]]()
        self._running = dict[str, Future[Fitted]]()
        self._known = dict[str, Fitted]()
        self._wanted = dict[str, np.datetime64]()
        """The time of the last cycle that wants each model."""
        self._there = set[str]()
        """Keys of the models whose file is in the folder."""
        self.fitted = 0
        """How many were fitted in this run."""

    def key(self, spec: Spec, recipe: str, rows: Integers, score_on: Integers | None = None) -> str:
        """Return what a model is known by: its recipe, what it learns from, and what it is asked for."""
        about = [FORMAT, sklearn.__version__, recipe, str(spec.task), needs_probabilities(spec.gate)]
        scored = [] if score_on is None else [spec.gate.metric, spec.gate.positive, self._history.digest_of(score_on)]
        text = json.dumps([*about, self._history.digest_of(rows), scored], sort_keys=True)
        return blake2b(text.encode(), digest_size=12).hexdigest()

    def want(self, spec: Spec, fit: Fit, ask: Integers, at: np.datetime64) -> None:
        """Fit a model in the background, and ask it for the predictions of these rows, if nothing has done it yet.

        at: the time of the cycle that wants it.
        """
        self._wanted[fit.key] = max(at, self._wanted.get(fit.key, at))
        if fit.key in self._known or fit.key in self._running:
            return
        self._fits[fit.key] = (spec, fit)
        if (cached := self._read(fit)) is not None:
            self._known[fit.key] = cached
        else:
            self._running[fit.key] = self._submit(spec, fit, ask)

    def rows_of(self, key: str) -> int:
        """Return how many rows a model learns from."""
        return len(self._fits[key][1].rows)

    def ready(self, key: str) -> bool:
        """Return whether a model that was wanted is fitted."""
        return key in self._known or self._running[key].done()

    def fitted_as(self, key: str) -> Fitted:
        """Wait for a model that was wanted. Raises EstimatorError where it could not be fitted."""
        if (running := self._running.pop(key, None)) is not None:
            self._known[key] = running.result()
            self.fitted += 1
            self._there.add(key)
            self._write(key)
        found = self._known[key]
        if found.fault:
            raise EstimatorError(found.fault)
        return found

    def predictions(self, key: str, rows: Integers) -> Predicted:
        """Return the predictions of a model that was wanted, for these rows at least. rows: places."""
        found = self.fitted_as(key)
        missing = rows if found.predicted is None else found.predicted.missing(rows)
        if len(missing):
            missing = np.sort(missing)
            spec, fit = self._fits[key]
            if key in self._there:
                # Here, as it would wait behind all fits that are in the queue.
                more = self._own.predict(spec, key, missing)
            else:
                again = self._submit(spec, fit, missing).result()
                if again.predicted is None:
                    raise EstimatorError(again.fault)
                more = again.predicted
                self.fitted += 1
                self._there.add(key)
            joined = more if found.predicted is None else found.predicted.joined(more)
            self._known[key] = found = replace(found, predicted=joined)
            self._write(key)
        return found.predicted or NOTHING

    def keep(self, keys: Iterable[str], since: np.datetime64) -> None:
        """Forget all other models that no cycle since this time wants, so that memory and files stay bounded."""
        kept = {*keys} | {key for key, at in self._wanted.items() if at >= since}
        for key in self._there - kept:
            forget(key, self._folder)
            self._there.discard(key)
        for key in self._known.keys() - kept:
            del self._known[key], self._fits[key], self._wanted[key]

    def _submit(self, spec: Spec, fit: Fit, ask: Integers) -> "Future[Fitted]":
        return self._pool.submit(work, "fit", spec, fit, ask)

    # ── cache

    def _path(self, key: str) -> Path | None:
        return None if self._cache is None else self._cache / key[:2] / f"{key}.npz"

    def _read(self, fit: Fit) -> Fitted | None:
        """Return what the cache has of a model; None where it has nothing, or less than is wanted."""
        path = self._path(fit.key)
        if path is None or not path.is_file():
            return None
        try:
            with np.load(path, allow_pickle=False) as file:
                held = {name: file[name] for name in file.files}
        except (OSError, ValueError, EOFError):  # a damaged one is made anew
            return None
        score = None if np.isnan(held["score"]) else float(held["score"])
        if fit.score_on is not None and score is None:
            return None
        return Fitted(float(held["seconds"]), score, self._placed(held))

    def _placed(self, held: dict[str, Any]) -> Predicted:
        """Return cached predictions by the places of their rows in this history; those of no row here are left out."""
        order, ids = self._history.by_id
        # Every place of a row: equal ids are equal rows.
        begin = np.searchsorted(ids, held["rows"], side="left")
        end = np.searchsorted(ids, held["rows"], side="right")
        count = end - begin
        cached = np.repeat(np.arange(len(held["rows"])), count)
        offset = np.arange(count.sum()) - np.repeat(np.cumsum(count) - count, count)
        rows = order[np.repeat(begin, count) + offset]
        rank = np.argsort(rows)
        rows, cached = rows[rank], cached[rank]

        def part(name: str) -> Any:
            return held[name][cached] if name in held else None

        return Predicted(
            rows,
            tuple(held["names"].tolist()),
            part("values"),
            tuple(held["classes"].tolist()),
            part("probabilities"),
            part("margins"),
        )

    def _write(self, key: str) -> None:
        path, found = self._path(key), self._known[key]
        if path is None or found.fault:
            return
        predicted = found.predicted or NOTHING
        held: dict[str, Any] = {
            "seconds": np.float64(found.seconds),
            "score": np.float64(np.nan if found.score is None else found.score),
            "rows": self._history.row_ids[predicted.rows],
            "names": np.array(predicted.names, np.str_),
            "values": predicted.values,
            "classes": np.array(predicted.classes, np.str_),
        }
        for name in ("probabilities", "margins"):
            if (values := getattr(predicted, name)) is not None:
                held[name] = values
        path.parent.mkdir(parents=True, exist_ok=True)
        # Under another name first: a file with the final name is whole.
        with tempfile.NamedTemporaryFile(dir=path.parent, suffix=".draft", delete=False) as file:
            np.savez(file, allow_pickle=False, **held)
        Path(file.name).replace(path)
