"""Measures the challenger and Production on the same rows of the holdout, which neither has trained on."""

from collections.abc import Iterator

import numpy as np
from numpy.typing import NDArray

from retrain import metrics, training
from retrain.cycle import Cycle
from retrain.errors import EstimatorError, NoAnswerError, SnapshotError, TrackerError
from retrain.gate import Scores
from retrain.nouns import Side, Snapshot, Trial
from retrain.snapshot import Rows
from retrain.state import ModelFile


def measure(cycle: Cycle, trial: Trial, snapshot: Snapshot, challenger: ModelFile) -> Scores:
    """The answers of both, as `judge` wants them. What cannot be measured is a fault in them, not an error.

    Rows that one of the two has trained on are left out for both, and counted. Raises NoAnswerError where MLflow does
    not answer: that passes, and says nothing about a model.
    """
    holdout = cycle.snapshots.read(snapshot, [Side.HOLDOUT])
    ours = _Answers.of("the challenger", challenger, holdout, cycle)
    theirs = None
    if trial.production is not None:
        file = cycle.state.model_file_of_version(trial.model, trial.production)
        theirs = _Answers.of(f"version {trial.production}", file, holdout, cycle)
    both = [ours] if theirs is None else [ours, theirs]
    seen = np.any([answers.seen for answers in both], axis=0)
    labels = holdout.labels[~seen]
    classes = metrics.classes(labels)

    def codes(answers: _Answers) -> metrics.Codes:
        return metrics.encode(answers.labels[~seen], classes)

    return Scores(
        trial=trial,
        classes=classes,
        positive=metrics.code(cycle.spec.gate.positive, classes),
        labels=metrics.encode(labels, classes),
        challenger=codes(ours),
        production=None if theirs is None else codes(theirs),
        clusters=holdout.content[~seen],
        overlap=int(seen.sum()),
        faults=(*_cooling(cycle, trial), *(answers.fault for answers in both if answers.fault)),
    )


def _cooling(cycle: Cycle, trial: Trial) -> Iterator[str]:
    """What was rolled back would win again on the rows on which it has won: later ones must say so."""
    version = cycle.state.rolled_back(trial.model, trial.candidate, trial.snapshot)
    if version is not None:
        yield f"the same candidate on the same snapshot is version {version}, which was rolled back"


class _Answers:
    """What one model answers on the holdout; with a fault, nothing."""

    def __init__(self, labels: NDArray[np.str_], seen: NDArray[np.bool_], fault: str = "") -> None:
        self.labels = labels
        self.seen = seen
        """Shape (rows,): whether it has trained on the row, or on one of the same content."""
        self.fault = fault

    @staticmethod
    def of(who: str, file: ModelFile | None, rows: Rows, cycle: Cycle) -> "_Answers":
        try:
            if file is None:
                raise TrackerError(f"{who} was not logged by Retrain, so nothing proves what it is or what it has seen")
            snapshot = cycle.state.snapshot(file.model, file.snapshot)
            seen = cycle.snapshots.seen(rows, snapshot, file.sides)
            model = cycle.tracker.load_model(file.uri, file.digest, cycle.spec.trust)
            return _Answers(training.predict(model, rows.features), seen)
        except NoAnswerError:
            raise
        except (EstimatorError, SnapshotError, TrackerError) as error:
            return _Answers(np.full(len(rows), ""), np.zeros(len(rows), np.bool_), f"{who}: {error}")
