"""What a person does to Production, by way of the ledger (DESIGN rule 1): put a version there, or take one back."""

from dataclasses import dataclass

from retrain.apply import apply
from retrain.errors import RetrainError, StaleVerdictError, TrackerError
from retrain.nouns import Move, Promotion
from retrain.snapshot import SnapshotStore
from retrain.state import Ledger, State
from retrain.tracker import ExperimentTracker, Stage
from retrain.training import predict

_ROWS = 100
"""Rows that a version must score before it goes into Production again."""


@dataclass(frozen=True)
class Registry:
    state: State
    tracker: ExperimentTracker
    snapshots: SnapshotStore
    trust: tuple[str, ...] = ()
    """Types that a model file may hold beyond our own list: the spec's."""

    def transition_model_stage(
        self, model: str, version: str, stage: Stage, *, expects: str | None, by: str, why: str
    ) -> Promotion | None:
        """Set a version's stage. Production goes through the ledger, as a change by that person, and gives its row.

        expects: the version that is in Production, as the caller knows it; None for none. Raises StaleVerdictError
        where another one is, and TrackerError for a version that would leave Production with nothing in its place.
        """
        if stage == "Production":
            return self._move(model, Move.FORWARD, version, expects=expects, by=by, why=why)
        if self.tracker.production(model) == version:
            raise TrackerError(f"{model}: version {version} is in Production; put another one there, or roll back")
        self.tracker.transition_model_stage(model, version, stage)
        return None

    def rollback(self, model: str, *, expects: str, by: str, why: str, to: str | None = None) -> Promotion:
        """Put the version before back into Production, or the one that is named; gives the ledger's row.

        expects: the version to be taken back; where another one is in Production, nothing happens and
        StaleVerdictError is raised. Called twice, the second call gives the row of the first. The target must load and
        score rows first. Raises RetrainError where there is nothing to go back to.
        """
        return self._move(model, Move.ROLLBACK, to, expects=expects, by=by, why=why)

    def prove(self, model: str, version: str) -> None:
        """Raises RetrainError unless the version's files are those that were logged, and it scores rows."""
        file = self.state.model_file_of_version(model, version)
        if file is None:
            raise RetrainError(f"{model}: version {version} was not logged by Retrain, so nothing proves what it is")
        rows = self.snapshots.read(self.state.snapshot(model, file.snapshot), file.sides)
        predict(self.tracker.load_model(file.uri, file.digest, self.trust), rows.features.head(_ROWS))

    def delete_run(self, run_id: str) -> None:
        """Raises TrackerError for a run that has made what is in Production, or what a rollback would put there."""
        for file in self.state.model_files_in_use():
            if file.run_id == run_id:
                raise TrackerError(f"run {run_id} has made a version that {file.model} needs; it is not deleted")
        self.tracker.delete_run(run_id)

    def delete_experiment(self, experiment_id: str) -> None:
        """Raises TrackerError for an experiment with such a run."""
        for file in self.state.model_files_in_use():
            if self.tracker.get_run(file.run_id).experiment_id == experiment_id:
                raise TrackerError(f"experiment {experiment_id} holds a run that {file.model} needs; it is not deleted")
        self.tracker.delete_experiment(experiment_id)

    def _move(self, model: str, kind: Move, wanted: str | None, *, expects: str | None, by: str, why: str) -> Promotion:
        # What was decided before comes first; and a change by hand is known afterwards.
        apply(model, self.state, self.tracker)
        with self.state.ledger(model) as ledger:
            last = ledger.last()
            if last and (last.kind, last.from_version) == (kind, expects) and wanted in (None, last.to_version):
                return last  # this was asked for before
            head = last.to_version if last else None
            if head != expects:
                raise StaleVerdictError(
                    f"{model}: version {head or 'none'} is in Production, not {expects or 'none'}: look again"
                )
            version = wanted or _before(ledger, model, expects)
        if version == expects:
            raise RetrainError(f"{model}: version {version} is in Production already")
        self.prove(model, version)
        with self.state.ledger(model) as ledger:
            if ledger.pending() is not None or ledger.head() != expects:
                raise StaleVerdictError(f"{model}: Production was changed meanwhile: look again")
            row = ledger.append(expects, version, kind=kind, verdict=None, by=by, why=why)
        apply(model, self.state, self.tracker)
        return next(each for each in self.state.history(model) if each.seq == row.seq)


def _before(ledger: Ledger, model: str, version: str | None) -> str:
    forward = ledger.forward_to(version) if version else None
    if forward is None or forward.from_version is None:
        raise RetrainError(f"{model}: nothing was in Production before version {version}; name the one to go back to")
    return forward.from_version
