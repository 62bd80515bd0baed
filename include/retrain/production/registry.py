"""Changes that people make to Production, through the ledger (DESIGN rule 1): put a version there, or roll back."""

from retrain.errors import RetrainError, RollbackError, StaleVerdictError, TrackerError
from retrain.ledger.promotions import LockedProduction
from retrain.production.adoption import Adoption
from retrain.production.apply import apply
from retrain.records import Move, Promotion
from retrain.tracker import validation
from retrain.tracker.entities import Stage


class Registry(Adoption):
    """Changes that people make to versions, runs and experiments. Those of Production go through the ledger."""

    def transition_model_stage(
        self,
        model: str,
        version: str,
        stage: Stage,
        archive_existing_versions: bool = True,
        *,
        expects: str | None,
        by: str,
        why: str,
    ) -> Promotion | None:
        """Set a version's stage, as the tracker does. Returns the ledger's row if the stage is Production, else None.

        expects: the version in Production as the caller knows it; None if it is empty. by, why: the person, and the
        reason. Raises StaleVerdictError if another version is in Production, and TrackerError if Production would be
        left empty.
        """
        validation.stage(stage, archive_existing_versions)
        if stage == "Production":
            return self._move(model, Move.FORWARD, version, expects=expects, by=by, why=why)
        if self.tracker.production(model) == version:
            raise TrackerError(f"{model}: version {version} is in Production; put another one there, or roll back")
        self.tracker.set_version_tags(model, version, _person_tags("stage_", by, why))
        self.tracker.transition_model_stage(model, version, stage, archive_existing_versions)
        return None

    def rollback(self, model: str, *, expects: str, by: str, why: str, to: str | None = None) -> Promotion:
        """Put the version before, or version `to`, back into Production. Returns the ledger's row.

        expects: the version to be taken back. Raises StaleVerdictError if another version is in Production,
        RollbackError if there is no version to go back to, and RetrainError if the target does not load or does not
        score rows. A second call returns the row of the first.
        """
        return self._move(model, Move.ROLLBACK, to, expects=expects, by=by, why=why)

    def register_model(
        self, run_id: str, model: str, uri: str | None = None, *, key: str | None = None, by: str, why: str = ""
    ) -> str:
        """Register a model that the run has logged as a version of `model`, once. Returns its number.

        uri: None for the run's only model. key: as in `ExperimentTracker.register_model`. If Retrain logged the file,
        the ledger records that it is this version, so that it can be put into Production.
        """
        uri = uri or self.tracker.model_of_run(run_id)
        version = self.ledger.version_of(uri, model) or self.tracker.register_model(run_id, model, uri, key=key)
        self.tracker.set_version_tags(model, version, _person_tags("", by, why))
        self.ledger.link_version(uri, version, model)
        return version

    def delete_run(self, run_id: str, *, by: str, why: str) -> None:
        """Delete a run. MLflow keeps it as deleted, with tags that name the person and the reason.

        A run that is deleted already stays as it is. Raises TrackerError for a run that has made the version in
        Production, or the one that a rollback would put there.
        """
        if self.tracker.get_run(run_id).deleted:
            return
        for file in self.ledger.model_files_in_use():
            if file.run_id == run_id:
                raise TrackerError(f"run {run_id} has made a version that {file.model} needs; it is not deleted")
        self.tracker.set_tags(run_id, _person_tags("deleted_", by, why))
        self.tracker.delete_run(run_id)

    def delete_experiment(self, experiment_id: str, *, by: str, why: str) -> None:
        """Delete an experiment, as `delete_run` does. Raises TrackerError if it holds such a run."""
        found = self.tracker.get_experiment(experiment_id)
        if found.deleted:
            return
        for file in self.ledger.model_files_in_use():
            # Compared by the id that MLflow returns, as it takes 007 for 7.
            if file.run_id and self.tracker.get_run(file.run_id).experiment_id == found.id:
                raise TrackerError(f"experiment {experiment_id} holds a run that {file.model} needs; it is not deleted")
        self.tracker.set_experiment_tags(experiment_id, _person_tags("deleted_", by, why))
        self.tracker.delete_experiment(experiment_id)

    def _move(self, model: str, kind: Move, wanted: str | None, *, expects: str | None, by: str, why: str) -> Promotion:
        # First carry out what was decided before, and record changes by hand.
        apply(model, self.ledger, self.tracker)
        with self.ledger.lock_production(model) as production:
            last = production.last()
            if last and (last.kind, last.from_version) == (kind, expects) and wanted in (None, last.to_version):
                return last  # this is a repeated call
            head = last.to_version if last else None
            if head != expects:
                raise StaleVerdictError(
                    f"{model}: version {head or 'none'} is in Production, not {expects or 'none'}: look again"
                )
            version = wanted or _before(production, model, expects)
        if version == expects:
            raise RetrainError(f"{model}: version {version} is in Production already")
        self.prove(model, version)
        with self.ledger.lock_production(model) as production:
            if production.pending() is not None or production.head() != expects:
                raise StaleVerdictError(f"{model}: Production was changed meanwhile: look again")
            row = production.append(expects, version, kind=kind, verdict=None, by=by, why=why)
        apply(model, self.ledger, self.tracker)
        return next(each for each in self.ledger.history(model) if each.seq == row.seq)


def _person_tags(prefix: str, by: str, why: str) -> dict[str, str]:
    """Return the tags that record who has made a change, and why."""
    return {f"retrain.{prefix}by": by, f"retrain.{prefix}why": why}


def _before(production: LockedProduction, model: str, version: str | None) -> str:
    forward = production.forward_to(version) if version else None
    if forward is None or forward.from_version is None:
        raise RollbackError(f"{model}: nothing was in Production before version {version}; name the one to go back to")
    return forward.from_version
