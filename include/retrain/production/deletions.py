"""What people delete through Retrain: never what Production or its rollback target needs (DESIGN rule 11)."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from retrain.errors import NotFoundError, TrackerError
from retrain.ledger.ledger import Ledger
from retrain.records import ModelFile
from retrain.tracker.client import ExperimentTracker


@dataclass(frozen=True)
class Deletions:
    """Deletes runs and experiments of one MLflow server."""

    tracker: ExperimentTracker
    ledgers: Sequence[Ledger]
    """Those of all models on this server."""

    def delete_run(self, run_id: str, *, by: str, why: str) -> None:
        """Delete a run. MLflow keeps it as deleted, with tags that name the person and the reason.

        A run that is deleted already stays as it is. Raises TrackerError for a run that has made the version in
        Production, or the one that a rollback would put there.
        """
        if self.tracker.get_run(run_id).deleted:
            return
        for file in self._in_use():
            if file.run_id == run_id:
                raise TrackerError(f"run {run_id} has made a version that {file.model} needs; it is not deleted")
        self.tracker.set_tags(run_id, person_tags("deleted_", by, why))
        self.tracker.delete_run(run_id)

    def delete_experiment(self, experiment_id: str, *, by: str, why: str) -> None:
        """Delete an experiment, as `delete_run` does. Raises TrackerError if it holds such a run."""
        found = self.tracker.get_experiment(experiment_id)
        if found.deleted:
            return
        for file in self._in_use():
            # Compared by the id that MLflow returns, as it takes 007 for 7.
            if file.run_id and self._experiment_of(file.run_id) == found.id:
                raise TrackerError(f"experiment {experiment_id} holds a run that {file.model} needs; it is not deleted")
        self.tracker.set_experiment_tags(experiment_id, person_tags("deleted_", by, why))
        self.tracker.delete_experiment(experiment_id)

    def _in_use(self) -> Iterator[ModelFile]:
        for ledger in self.ledgers:
            yield from ledger.model_files_in_use()

    def _experiment_of(self, run_id: str) -> str | None:
        """Return the experiment of a run; None if another server has it: a ledger may be that of models on several."""
        try:
            return self.tracker.get_run(run_id).experiment_id
        except NotFoundError:
            return None


def person_tags(prefix: str, by: str, why: str) -> dict[str, str]:
    """Return the tags that record who has made a change, and why."""
    return {f"retrain.{prefix}by": by, f"retrain.{prefix}why": why}
