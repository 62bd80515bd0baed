"""Measures the challenger and Production on the same rows of the holdout, which neither has trained on."""

from collections.abc import Iterator

import numpy as np
from numpy.typing import NDArray

from retrain import metrics
from retrain.answering import FreshProcess
from retrain.cycle import Cycle
from retrain.errors import EstimatorError, NoAnswerError, SnapshotError, TrackerError
from retrain.gate import Scores
from retrain.nouns import Side, Snapshot, Trial
from retrain.snapshot import Rows
from retrain.state import ModelFile


def measure(cycle: Cycle, trial: Trial, snapshot: Snapshot, challenger: ModelFile) -> Scores:
    """The answers of both, as `judge` wants them. What cannot be measured is a fault in them, not an error.

    Rows that one of the two has trained on are left out for both, and counted; so are those that one may have trained
    on, because they were labelled before it was made and nothing more is known. Raises NoAnswerError where MLflow does
    not answer: that passes, and says nothing about a model.
    """
    holdout = cycle.snapshots.read(snapshot, [Side.HOLDOUT])
    theirs = None
    with FreshProcess() as process:
        ours = _Answers.of("the challenger", challenger, holdout, cycle, process)
        if trial.production is not None:
            file = cycle.state.model_file_of_version(trial.model, trial.production)
            theirs = _Answers.of(f"version {trial.production}", file, holdout, cycle, process)
    both = [ours] if theirs is None else [ours, theirs]
    unknown = np.any([answers.unknown for answers in both], axis=0)
    seen = np.any([answers.seen for answers in both], axis=0) & ~unknown
    judged = ~seen & ~unknown
    labels = holdout.labels[judged]
    classes = metrics.classes(labels)

    def codes(answers: _Answers) -> metrics.Codes:
        return metrics.encode(answers.labels[judged], classes)

    return Scores(
        trial=trial,
        classes=classes,
        positive=metrics.code(cycle.spec.gate.positive, classes),
        labels=metrics.encode(labels, classes),
        challenger=codes(ours),
        production=None if theirs is None else codes(theirs),
        clusters=holdout.content[judged],
        overlap=int(seen.sum()),
        unknown=int(unknown.sum()),
        faults=(*_cooling(cycle, trial), *(answers.fault for answers in both if answers.fault)),
    )


def _cooling(cycle: Cycle, trial: Trial) -> Iterator[str]:
    """What was rolled back would win again on the rows on which it has won: later ones must say so."""
    version = cycle.state.rolled_back(trial.model, trial.candidate, trial.snapshot)
    if version is not None:
        yield f"the same candidate on the same snapshot is version {version}, which was rolled back"


class _Answers:
    """What one model answers on the holdout; with a fault, nothing."""

    def __init__(
        self, labels: NDArray[np.str_], seen: NDArray[np.bool_], unknown: NDArray[np.bool_], fault: str = ""
    ) -> None:
        self.labels = labels
        self.seen = seen
        """Shape (rows,): whether it has trained on the row, or on one of the same content."""
        self.unknown = unknown
        """Shape (rows,): whether it may have trained on the row, because nothing says that it has not."""
        self.fault = fault

    @staticmethod
    def of(who: str, file: ModelFile | None, rows: Rows, cycle: Cycle, process: FreshProcess) -> "_Answers":
        no_row = np.zeros(len(rows), np.bool_)
        try:
            if file is None:
                raise TrackerError(f"{who} was not logged by Retrain, so nothing proves what it is: adopt it")
            seen, unknown = no_row, no_row
            if file.snapshot is not None:
                seen = cycle.snapshots.seen(rows, cycle.state.snapshot(file.model, file.snapshot), file.sides)
            elif file.made_at is not None:
                unknown = ~rows.labelled_after(file.made_at)
            answers = process.ask(cycle.tracker, file, rows.features, cycle.spec.trust)
            return _Answers(answers.labels, seen, unknown)
        except NoAnswerError:
            raise
        except (EstimatorError, SnapshotError, TrackerError) as error:
            return _Answers(np.full(len(rows), ""), no_row, no_row, f"{who}: {error}")
