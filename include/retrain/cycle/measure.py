"""Measures the challenger and Production on the same rows of the holdout, which neither has trained on."""

import tempfile
from collections.abc import Iterator
from dataclasses import dataclass, field, replace
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from retrain.cycle.context import Cycle
from retrain.errors import EstimatorError, NoAnswerError, SnapshotError, SpecError, TrackerError
from retrain.gate.labels import encode
from retrain.gate.predictions import Evidence, Predictions, classes_of
from retrain.gate.scorers import scorers_for
from retrain.metrics import described
from retrain.models import training
from retrain.models.sandbox import Reply, Sandbox
from retrain.records import Matchup, ModelFile, Snapshot, Subset
from retrain.snapshots.store import Rows
from retrain.spec.gate import Slice
from retrain.spec.task import Task


def measure(cycle: Cycle, matchup: Matchup, snapshot: Snapshot, challenger: ModelFile) -> tuple[Evidence, Rows]:
    """What the models say, as `judge` wants it, and the rows. What cannot be measured is a fault in it, not an error.

    Rows that one of them has trained on are left out for all, and counted; so are those that one may have trained on,
    because they were labelled before it was made and nothing more is known. Raises NoAnswerError where MLflow does not
    answer: that passes, and says nothing about a model.
    """
    gate, task = cycle.spec.gate, cycle.spec.task
    holdout = cycle.snapshots.read(snapshot, [Subset.HOLDOUT])
    with Sandbox() as process:
        asked = _Asking(cycle, holdout, process)
        ours = asked.model("the challenger", challenger)
        others = {version: asked.version(version) for version in (matchup.production, matchup.anchor) if version}
    both = [ours, *others.values()]
    unknown = np.any([each.unknown for each in both], axis=0)
    seen = np.any([each.seen for each in both], axis=0) & ~unknown
    judged = ~seen & ~unknown
    rows = holdout.part(judged)
    labels = training.targets(task, rows.labels)
    joined = any(described(each.metric).needs == "probabilities" for each in (gate, *gate.limits)) or bool(gate.max_ece)
    said = [each.asked.predictions for each in both if each.asked]
    classes = classes_of(labels, said, joined=joined) if task is Task.CLASSIFICATION else ()

    def answers(each: _Model) -> Predictions | None:
        if each.asked is None:
            return None
        return replace(
            each.asked.predictions.among(classes, gate.positive).part(judged),
            latency_ms=each.asked.latency_ms,
            size=each.asked.size,
            inputs=each.asked.inputs,
            train_rows=each.train_rows,
        )

    scores = Evidence(
        matchup=matchup,
        classes=classes,
        labels=encode(labels, classes) if classes else labels.to_numpy(np.float64),
        challenger=answers(ours),
        production=answers(others[matchup.production]) if matchup.production else None,
        anchor=answers(others[matchup.anchor]) if matchup.anchor else None,
        clusters=rows.clusters,
        slices={str(each): _of_slice(each, rows) for each in gate.slices},
        overlap=int(seen.sum()),
        unknown=int(unknown.sum()),
        twin=matchup.production is not None and _are_twins(challenger, others[matchup.production].file),
        faults=(*_cooling(cycle, matchup, challenger), *(each.fault for each in both if each.fault)),
        scorers=scorers_for((gate, *gate.limits), task, classes),
    )
    return scores, rows


def _are_twins(one: ModelFile, other: ModelFile | None) -> bool:
    if other is None or other.recipe is None:
        return False
    return (other.recipe, other.snapshot) == (one.recipe, one.snapshot)


def _cooling(cycle: Cycle, matchup: Matchup, challenger: ModelFile) -> Iterator[str]:
    """What was rolled back would win again on the rows on which it has won: later ones must say so."""
    version = cycle.ledger.rolled_back(matchup.model, challenger.recipe or "", matchup.snapshot)
    if version is not None:
        yield f"the same candidate on the same snapshot is version {version}, which was rolled back"


def _of_slice(each: Slice, rows: Rows) -> NDArray[np.bool_]:
    """Which rows are of the slice, shape (rows,)."""
    column = rows.features[each.column]
    if each.value is not None:
        wanted = str(each.value) if column.dtype == object or isinstance(each.value, str) else float(each.value)
        return np.asarray(column == wanted, np.bool_)
    if column.dtype.kind != "f":
        raise SpecError(f"gate.slices: {each} is a range, and column {each.column} holds no numbers; set value instead")
    least = column >= each.least if each.least is not None else column.notna()
    below = column < each.below if each.below is not None else column.notna()
    return np.asarray(least & below, np.bool_)


@dataclass(frozen=True, eq=False)
class _Model:
    """What one model says to the holdout, and which rows it knows."""

    seen: NDArray[np.bool_]
    """Shape (rows,): whether it has trained on the row, or on one of the same content or group."""
    unknown: NDArray[np.bool_]
    """Shape (rows,): whether it may have trained on the row, because nothing says that it has not."""
    file: ModelFile | None
    """None of a version that is not in the ledger."""
    asked: Reply | None = None
    train_rows: int | None = None
    fault: str = ""


@dataclass
class _Asking:
    cycle: Cycle
    rows: Rows
    process: Sandbox
    _none: NDArray[np.bool_] = field(init=False)

    def __post_init__(self) -> None:
        self._none = np.zeros(len(self.rows), np.bool_)

    def version(self, version: str) -> _Model:
        who, file = f"version {version}", self.cycle.ledger.model_file_of_version(self.cycle.spec.model, version)
        if file is None:
            fault = f"{who} was not logged by Retrain, so nothing proves what it is: adopt it"
            return _Model(self._none, self._none, None, fault=fault)
        return self.model(who, file)

    def model(self, who: str, file: ModelFile) -> _Model:
        cycle, rows = self.cycle, self.rows
        seen, unknown, train_rows = self._none, self._none, None
        try:
            if file.snapshot is not None:
                snapshot = cycle.ledger.snapshot(file.model, file.snapshot)
                seen = cycle.snapshots.seen(rows, snapshot, file.subsets)
                train_rows = sum(snapshot.subsets.get(subset, 0) for subset in file.subsets)
            elif file.made_at is not None:
                unknown = ~rows.labelled_after(file.made_at)
            spec = cycle.spec
            with tempfile.TemporaryDirectory() as folder:
                asked = self.process.ask(
                    file.uri,
                    cycle.tracker.download_model(file.uri, Path(folder)),
                    file.digest,
                    rows.features,
                    spec.trust,
                    task=spec.task,
                    latency=spec.gate.needs_latency,
                )
            return _Model(seen, unknown, file, asked, train_rows)
        except NoAnswerError:
            raise
        except (EstimatorError, SnapshotError, TrackerError) as error:
            return _Model(self._none, self._none, file, fault=f"{who}: {error}")
