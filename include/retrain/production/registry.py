"""Changes that people make to Production, through the ledger (DESIGN rule 1): put a version there, or roll back."""

from retrain.errors import (
    AdoptionError,
    LedgerError,
    NoAnswerError,
    NotFoundError,
    RetrainError,
    RollbackError,
    StaleVerdictError,
    TrackerError,
)
from retrain.ledger.promotions import before, were_in_production
from retrain.production.adoption import Adoption, Found, Trust
from retrain.production.apply import apply
from retrain.production.deletions import person_tags
from retrain.production.known import foreign, is_there, refuse_foreign
from retrain.records import Move, Promotion, VersionId
from retrain.source.table import Source
from retrain.spec.spec import Spec
from retrain.text import shorten
from retrain.tracker import validation
from retrain.tracker.entities import ModelVersion, Stage
from retrain.tracker.server import model_id

_LONGEST = 300
"""Characters of an error that a row of the ledger repeats."""


class Registry(Adoption):
    """Changes that people make to versions. Those of Production go through the ledger."""

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
        left empty, or if the registry has no such stage.
        """
        validation.stage(stage, archive_existing_versions)
        if stage == "Production":
            return self.promote(model, version, expects=expects, by=by, why=why)
        if self.tracker.production(model) == version:
            raise TrackerError(f"{model}: version {version} is in Production; put another one there, or roll back")
        self.tracker.set_version_tags(model, version, person_tags("stage_", by, why))
        has_stages = self.tracker.transition_model_stage(model, version, stage, archive_existing_versions)
        if not has_stages and stage != "Staging":
            raise TrackerError(
                f"{model}: this registry has no stages, so version {version} cannot be {stage}; it has no alias of "
                "Retrain's now"
            )
        return None

    def take_over(self, found: Found, trust: Trust, spec: Spec, source: Source) -> Promotion | None:
        """Adopt a version, and let it be Production where nothing is. Returns the ledger's row of the latter.

        Raises as `adopt` does, and ForeignProductionError where another version looks like Production as well.
        """
        self.adopt(found, trust, spec, source)
        version = found.version.version
        proved = VersionId(version, found.version.identity)  # on rows of the source, when it was adopted
        apply(spec.model, self.ledger, self.tracker, adopted=(proved, trust.by, trust.why))
        if self.ledger.production(spec.model) is None:
            return self._move(
                spec.model, Move.FORWARD, version, expects=None, by=trust.by, why=trust.why, proved=proved
            )
        last = self.ledger.history(spec.model)[-1]
        return last if last.to_version == version else None

    def dismiss(self, model: str, *, by: str, why: str) -> list[ModelVersion]:
        """Say that no version that looks like Production is it. Returns those that were found.

        Raises AdoptionError where one owns the spec's alias: that is Production by the spec's own word.
        """
        owner = self.tracker.in_production(model)
        if owner is not None:
            raise AdoptionError(
                f"{model}: {owner.standing} owns the alias of Production; delete the alias in MLflow, or name another "
                "one in the spec's `aliases`"
            )
        found = foreign(model, self.ledger, self.tracker)
        for each in found:
            self.ledger.dismiss(model, each.identity, each.standing, by=by, why=why)
        return found

    def promote(self, model: str, version: str, *, expects: str | None, by: str, why: str) -> Promotion:
        """Put a version into Production that the ledger knows, and that scores rows. Returns the ledger's row.

        expects: the version in Production as the caller knows it; None if it is empty. Raises StaleVerdictError if
        another version is in Production, and FrozenError while it is frozen.
        """
        return self._move(model, Move.FORWARD, version, expects=expects, by=by, why=why)

    def rollback(self, model: str, *, expects: str, by: str, why: str, to: str | None = None) -> Promotion:
        """Put the version before, or version `to`, back into Production. Returns the ledger's row.

        The version before is the nearest that loads and scores rows; why others were passed over is added to `why`.
        expects: the version to be taken back. Raises StaleVerdictError if another version is in Production,
        RollbackError if there is no version to go back to, or not `to`, and RetrainError if `to` does not load or does
        not score rows. A second call returns the row of the first.
        """
        return self._move(model, Move.ROLLBACK, to, expects=expects, by=by, why=why)

    def choice(self, model: str, but: str | None) -> str:
        """Return which versions may go back into Production, and why others that were there may not, as a clause."""
        ours, were = self.ledger.known_versions(model), were_in_production(self.ledger.history(model), but=but)
        possible = ", ".join(each.number for each in were if each in ours) or "none"
        others = [each.number for each in were if each not in ours]
        not_ours = f"; not {', '.join(others)}: not logged by Retrain, and not adopted" if others else ""
        return f"choose from {possible}{not_ours}"

    def register_model(
        self, run_id: str, model: str, uri: str | None = None, *, key: str | None = None, by: str, why: str = ""
    ) -> str:
        """Register a model that the run has logged as a version of `model`, once. Returns its number.

        uri: None for the run's only model. key: as in `ExperimentTracker.register_model`. If Retrain logged the file,
        the ledger records that it is this version, so that it can be put into Production.
        """
        uri = uri or self.tracker.model_of_run(run_id)
        known = version = self.ledger.version_of(uri, model)
        if version is None or not is_there(model, VersionId(version, model_id(uri)), self.tracker):
            version = self.tracker.register_model(run_id, model, uri, key=key)
        self.tracker.set_version_tags(model, version, person_tags("", by, why))
        self.ledger.link_version(uri, version, model, instead_of=known)
        return version

    def _move(
        self,
        model: str,
        kind: Move,
        wanted: str | None,
        *,
        expects: str | None,
        by: str,
        why: str,
        proved: VersionId | None = None,
    ) -> Promotion:
        # First carry out what was decided before, and record changes by hand.
        apply(model, self.ledger, self.tracker)
        with self.ledger.lock_production(model) as production:
            last = production.last()
        if last and (last.kind, last.from_version) == (kind, expects) and wanted in (None, last.to_version):
            return last  # this is a repeated call
        head = last.came if last else None
        if (head.number if head else None) != expects:
            raise StaleVerdictError(
                f"{model}: version {head.number if head else 'none'} is in Production, not {expects or 'none'}: look "
                "again"
            )
        if wanted == expects:
            raise RetrainError(f"{model}: version {wanted} is in Production already")
        if kind is Move.ROLLBACK:
            target, why = self._back(model, head, wanted, why)
        else:
            if head is None:
                refuse_foreign(model, self.ledger, self.tracker, but=wanted)
            target = proved or self._proved(self.tracker.get_model_version(model, wanted))
        if target == head:
            raise RetrainError(f"{model}: that is version {target.number}, which is in Production already")
        tested = self.ledger.open_split(model)
        # A split test holds back every other version.
        split = tested.id if tested is not None and tested.challenger == target else None
        with self.ledger.lock_production(model) as production:
            now = production.last()
            if production.pending() is not None or (now.came if now else None) != head:
                raise StaleVerdictError(f"{model}: Production was changed meanwhile: look again")
            row = production.append(head, target, kind=kind, verdict=None, by=by, why=why, split=split)
        apply(model, self.ledger, self.tracker)
        return next(each for each in self.ledger.history(model) if each.seq == row.seq)

    def _proved(self, version: ModelVersion) -> VersionId:
        self.prove(version)
        return VersionId(version.version, version.identity)

    def _back(self, model: str, head: VersionId | None, wanted: str | None, why: str) -> tuple[VersionId, str]:
        """Return the version that goes back into Production, and why it is that one."""
        history = self.ledger.history(model)
        if wanted is not None:
            but = head.number if head else None
            target = next((each for each in were_in_production(history, but) if each.number == wanted), None)
            if target is None:
                raise RollbackError(
                    f"{model}: version {wanted} cannot go back into Production; {self.choice(model, but)}"
                )
            return self._proved(self._as_it_was(model, target)), why
        passed = list[str]()
        for each in before(history, head) if head else ():
            try:
                target = self._proved(self._as_it_was(model, each))
            except (NoAnswerError, LedgerError):
                raise  # says nothing about the version
            except RetrainError as error:
                passed.append(f"version {each.number}: {shorten(error.message, _LONGEST)}")
            else:
                return target, f"{why} (passed over: {'; '.join(passed)})" if passed else why
        number = head.number if head else "none"
        if not passed:
            raise RollbackError(
                f"{model}: nothing was in Production before version {number}; name the one to go back to"
            )
        raise RollbackError(f"{model}: no version before {number} can go back into Production: {'; '.join(passed)}")

    def _as_it_was(self, model: str, wanted: VersionId) -> ModelVersion:
        """Return this version as MLflow has it, which may be by another number than before.

        Raises RollbackError if it is gone.
        """
        try:
            versions = self.tracker.list_model_versions(model)
        except NotFoundError:
            versions = []
        same = next((each for each in versions if each.identity == wanted.identity), None)
        if same is not None:
            return same
        found = next((each for each in versions if each.version == wanted.number), None)
        if found is None:
            raise RollbackError(f"{model}: version {wanted.number} was deleted in MLflow")
        raise RollbackError(
            f"{model}: version {wanted.number} is not the one that was in Production: it is made of {found.identity}, "
            f"and that one was made of {wanted.identity}. The registered model was deleted in MLflow, and its numbers "
            "began again; name another version, or let a cycle judge this one"
        )
