"""Is what looks like Production known? Asked before anything is trained, judged or promoted (DESIGN rule 2).

A version is its number and its identity: when a registered model is deleted, MLflow gives its numbers anew.
"""

import hashlib

from retrain.errors import ForeignProductionError, NotFoundError, OtherVersionError, ToldError
from retrain.ledger.ledger import Ledger
from retrain.messages import texts
from retrain.records import Incident, ModelFile, VersionId
from retrain.spec.files import ADOPT_DAG
from retrain.topics import Topic
from retrain.tracker.client import ExperimentTracker
from retrain.tracker.entities import ModelVersion


def refuse_unknown(model: str, ledger: Ledger, tracker: ExperimentTracker) -> None:
    """Raises ForeignProductionError if somebody else's version is Production, or looks like it, and OtherVersionError
    if the one in Production has only the number of a version that the ledger knows. The team is told, once for each.
    """
    owner = tracker.in_production(model)
    if owner is None:
        refuse_foreign(model, ledger, tracker)
    elif file_of(owner, ledger) is None:
        if ledger.model_files_of_version(model, owner.version):
            refuse_other(owner, ledger)
        incident = texts.unadopted_production(model, tracker.alias("Production"), owner)
        raise _told(ledger, ForeignProductionError, incident, "unadopted", owner.version, owner.identity)


def refuse_foreign(model: str, ledger: Ledger, tracker: ExperimentTracker, but: str | None = None) -> None:
    """Raises ForeignProductionError if a version is in stage Production, or owns an alias that is not the spec's,
    while none owns the alias of Production. but: a version that a person has named, and so has not overlooked.
    """
    production, staging = tracker.alias("Production"), tracker.alias("Staging")
    found = [each for each in foreign(model, ledger, tracker) if each.version != but]
    if found:
        key = ("foreign", *(f"{each.standing} {each.identity}" for each in found))
        raise _told(ledger, ForeignProductionError, texts.foreign_production(model, production, staging, found), *key)


def foreign(model: str, ledger: Ledger, tracker: ExperimentTracker) -> list[ModelVersion]:
    """Return the versions that look like Production while none owns its alias, without those that were dismissed."""
    try:
        versions = tracker.list_model_versions(model)
    except NotFoundError:
        return []
    if any(tracker.alias("Production") in each.aliases for each in versions):
        return []
    staging = tracker.alias("Staging")
    found = [each for each in versions if each.stage == "Production" or {*each.aliases} - {staging}]
    dismissed = ledger.dismissed(model) if found else set()
    return [each for each in found if (each.identity, each.standing) not in dismissed]


def refuse_other(version: ModelVersion, ledger: Ledger) -> None:
    """Raises OtherVersionError: the ledger knows another version by this number."""
    incident = Incident(
        model=version.model,
        topic=Topic.ANOTHER_VERSION,
        what=f"{why_unknown(version, ledger)}.",
        remedy="Nothing is loaded, judged or promoted by its number alone, and the history keeps the old one. If this "
        f"version is to stay, adopt it anew (`retrain adopt {version.model} {version.version}`, or DAG "
        f"{ADOPT_DAG}); else give the alias of Production to another version.",
        facts={"version": version.version, "identity": version.identity},
    )
    raise _told(ledger, OtherVersionError, incident, "other", version.version, version.identity)


def file_of(version: ModelVersion, ledger: Ledger) -> ModelFile | None:
    """Return the file of a version as MLflow has it now; None if Retrain did not log it and nobody adopted it."""
    files = ledger.model_files_of_version(version.model, version.version)
    return next((file for file in files if file.identity == version.identity), None)


def why_unknown(version: ModelVersion, ledger: Ledger) -> str:
    """Return why the ledger has no file of this version, as a clause."""
    others = ledger.model_files_of_version(version.model, version.version)
    if not others:
        return f"version {version.version} was not logged by Retrain, so nothing proves what it is: adopt it"
    return (
        f"version {version.version} is made of {version.identity}, and the ledger knows version {version.version} as "
        f"{others[0].identity}: the registered model was deleted in MLflow, and its numbers began again"
    )


def is_there(model: str, version: VersionId, tracker: ExperimentTracker) -> bool:
    """Return whether MLflow has this version: the number, and under it what the identity says."""
    try:
        return tracker.get_model_version(model, version.number).identity == version.identity
    except NotFoundError:
        return False


def _told(ledger: Ledger, kind: type[ToldError], incident: Incident, *key: str) -> ToldError:
    """Tell the team, once for this key, and return the error."""
    digest = hashlib.sha256("\n".join(key).encode()).hexdigest()[:32]
    ledger.announce(f"production/{incident.model}/{digest}", texts.of_incident(incident))
    return kind(f"{incident.model}: {incident.what} {incident.remedy}")
