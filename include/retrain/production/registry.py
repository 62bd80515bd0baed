"""What a person does to Production, by way of the ledger (DESIGN rule 1): put a version there, or take one back."""

from retrain.errors import RetrainError, RollbackError, StaleVerdictError, TrackerError
from retrain.ledger.promotions import LockedProduction
from retrain.production.adoption import Adoption
from retrain.production.apply import apply
from retrain.records import Move, Promotion
from retrain.tracker import validation
from retrain.tracker.entities import Stage


class Registry(Adoption):
    """What a person does to versions. Production goes through the ledger."""

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
        """Set a version's stage, as the tracker does. Production goes through the ledger, as a change by that person,
        and gives its row.

        expects: the version that is in Production, as the caller knows it; None for none. Raises StaleVerdictError
        where another one is, and TrackerError for a version that would leave Production with nothing in its place.
        """
        validation.stage(stage, archive_existing_versions)
        if stage == "Production":
            return self._move(model, Move.FORWARD, version, expects=expects, by=by, why=why)
        if self.tracker.production(model) == version:
            raise TrackerError(f"{model}: version {version} is in Production; put another one there, or roll back")
        self.tracker.set_version_tags(model, version, _said("stage_", by, why))
        self.tracker.transition_model_stage(model, version, stage, archive_existing_versions)
        return None

    def rollback(self, model: str, *, expects: str, by: str, why: str, to: str | None = None) -> Promotion:
        """Put the version before back into Production, or the one that is named; gives the ledger's row.

        expects: the version to be taken back; where another one is in Production, nothing happens and
        StaleVerdictError is raised. Called twice, the second call gives the row of the first. The target must load and
        score rows first. Raises RollbackError where there is nothing to go back to.
        """
        return self._move(model, Move.ROLLBACK, to, expects=expects, by=by, why=why)

    def register_model(
        self, run_id: str, model: str, uri: str | None = None, *, key: str | None = None, by: str, why: str = ""
    ) -> str:
        """Make a model that the run has logged a version of `model`, once; gives its number.

        uri: None for the run's only one. key: as in `ExperimentTracker.register_model`. A file that Retrain logged is
        from then on known as this version, so that it can be put into Production.
        """
        uri = uri or self.tracker.model_of_run(run_id)
        version = self.ledger.version_of(uri, model) or self.tracker.register_model(run_id, model, uri, key=key)
        self.tracker.set_version_tags(model, version, _said("", by, why))
        self.ledger.link_version(uri, version, model)
        return version

    def delete_run(self, run_id: str, *, by: str, why: str) -> None:
        """MLflow keeps it as deleted, with tags that say by whom and why; one that is deleted stays as it is.

        Raises TrackerError for a run that has made what is in Production, or what a rollback would put there.
        """
        if self.tracker.get_run(run_id).deleted:
            return
        for file in self.ledger.model_files_in_use():
            if file.run_id == run_id:
                raise TrackerError(f"run {run_id} has made a version that {file.model} needs; it is not deleted")
        self.tracker.set_tags(run_id, _said("deleted_", by, why))
        self.tracker.delete_run(run_id)

    def delete_experiment(self, experiment_id: str, *, by: str, why: str) -> None:
        """The same. Raises TrackerError for an experiment with such a run."""
        found = self.tracker.get_experiment(experiment_id)
        if found.deleted:
            return
        for file in self.ledger.model_files_in_use():
            # Not the id that was given: MLflow takes 007 for 7.
            if file.run_id and self.tracker.get_run(file.run_id).experiment_id == found.id:
                raise TrackerError(f"experiment {experiment_id} holds a run that {file.model} needs; it is not deleted")
        self.tracker.set_experiment_tags(experiment_id, _said("deleted_", by, why))
        self.tracker.delete_experiment(experiment_id)

    def _move(self, model: str, kind: Move, wanted: str | None, *, expects: str | None, by: str, why: str) -> Promotion:
        # What was decided before comes first; and a change by hand is known afterwards.
        apply(model, self.ledger, self.tracker)
        with self.ledger.lock_production(model) as production:
            last = production.last()
            if last and (last.kind, last.from_version) == (kind, expects) and wanted in (None, last.to_version):
                return last  # this was asked for before
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


def _said(what: str, by: str, why: str) -> dict[str, str]:
    """Tags that say who has done something, and why."""
    return {f"retrain.{what}by": by, f"retrain.{what}why": why}


def _before(production: LockedProduction, model: str, version: str | None) -> str:
    forward = production.forward_to(version) if version else None
    if forward is None or forward.from_version is None:
        raise RollbackError(f"{model}: nothing was in Production before version {version}; name the one to go back to")
    return forward.from_version
