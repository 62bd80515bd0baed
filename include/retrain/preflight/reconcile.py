"""Where the ledger and MLflow's registry say different things of a model, and what can be mended without guessing.

They part when one of the two is restored to another time, or when the registered model is deleted and made anew.
"""

from collections.abc import Iterator, Sequence
from enum import StrEnum

from retrain.errors import NotFoundError, RetrainError
from retrain.ledger.ledger import Ledger
from retrain.production.registry import Registry
from retrain.records import Move, Record
from retrain.tracker.client import ExperimentTracker
from retrain.tracker.entities import ModelVersion
from retrain.tracker.server import KEY


class Kind(StrEnum):
    RENUMBERED = "renumbered"
    """MLflow has it under another number. Mended: the ledger learns the new one."""
    GONE = "gone"
    """It was in Production, and MLflow has it no more. Mended where its logged model is still there."""
    UNKNOWN = "unknown"
    """Retrain registered it, and the ledger does not know it."""
    PRODUCTION = "production"
    """Another version is in Production than the one that Retrain put there last."""


class Difference(Record):
    model: str
    kind: Kind
    version: str | None
    """By the number that the ledger knows; of `unknown`, by MLflow's."""
    now: str | None = None
    """The number in MLflow, where there is one."""
    uri: str | None = None
    """Of its logged model, as the ledger knows it."""
    says: str
    remedy: str


def look(model: str, ledger: Ledger, tracker: ExperimentTracker) -> list[Difference]:
    """Return where the two differ. Changes nothing. Raises NoAnswerError if MLflow does not answer."""
    try:
        versions = tracker.list_model_versions(model)
    except NotFoundError:
        versions = []
    return [
        *_known(model, versions, ledger),
        *_unknown(model, versions, ledger),
        *_production(model, versions, ledger, tracker.alias("Production")),
    ]


def mend(differences: Sequence[Difference], registry: Registry, *, by: str, why: str) -> Iterator[str]:
    """Mend what can be mended, one after another, and yield what was done or why it was not, as a line each.

    Called again after a kill, it goes on. Production is left to a person: `retrain promote` or `retrain adopt`.
    """
    for each in differences:
        if each.kind is Kind.RENUMBERED and each.uri and each.now:
            registry.ledger.link_version(each.uri, each.now, each.model, instead_of=each.version)
            yield f"{each.model}: version {each.version} is known as version {each.now}"
        elif each.kind is Kind.GONE and each.uri:
            yield _registered_again(each, each.uri, registry, by=by, why=why)


def _registered_again(gone: Difference, uri: str, registry: Registry, *, by: str, why: str) -> str:
    run_id = registry.ledger.model_file(uri).run_id
    if run_id is None:
        return f"{gone.model}: version {gone.version} stays away: no run is known that has logged it"
    try:
        number = registry.register_model(run_id, gone.model, uri, by=by, why=why)
    except RetrainError as error:
        return f"{gone.model}: version {gone.version} stays away: {error.message}"
    return f"{gone.model}: version {gone.version} is registered again, as version {number}"


def _known(model: str, versions: Sequence[ModelVersion], ledger: Ledger) -> Iterator[Difference]:
    there = {each.identity: each.version for each in versions}
    were = {each.came for each in ledger.history(model) if each.applied_at and each.came}
    for known in sorted(ledger.known_versions(model), key=lambda each: int(each.number)):
        now = there.get(known.identity or "")
        if now == known.number or (now is None and known not in were):
            continue
        kind, file = Kind.GONE if now is None else Kind.RENUMBERED, ledger.file_of(model, known)
        yield Difference(
            model=model,
            kind=kind,
            version=known.number,
            now=now,
            uri=file.uri if file else None,
            says=f"version {known.number} ({known.identity}) is "
            + ("not in MLflow any more; it was in Production" if now is None else f"version {now} in MLflow now"),
            remedy="`retrain reconcile` with --why registers it again where its logged model is still there; otherwise "
            "restore MLflow from a later backup, or go on without it"
            if now is None
            else "`retrain reconcile` with --why writes the new number into the ledger",
        )


def _unknown(model: str, versions: Sequence[ModelVersion], ledger: Ledger) -> Iterator[Difference]:
    known = {each.identity for each in ledger.known_versions(model)}
    for each in versions:
        if KEY in each.tags and each.identity not in known:
            yield Difference(
                model=model,
                kind=Kind.UNKNOWN,
                version=each.version,
                now=each.version,
                says=f"version {each.version} was registered by Retrain at {each.registered_at:%Y-%m-%d %H:%M} UTC, "
                "and the ledger does not know it: it was restored to a time before",
                remedy="restore the ledger from a later backup if there is one: it forgot verdicts too, and the rows "
                "behind them would judge again. Otherwise change `split.holdout` a little, which draws other rows to "
                f"judge, and adopt this version if it serves: `retrain adopt {model} {each.version}`",
            )


def _production(model: str, versions: Sequence[ModelVersion], ledger: Ledger, alias: str) -> Iterator[Difference]:
    ours = [each for each in ledger.history(model) if each.applied_at and each.kind is not Move.BY_HAND]
    wanted = ours[-1].came if ours else None
    owner = next((each for each in versions if alias in each.aliases), None)
    if wanted is None or (owner is not None and owner.identity == wanted.identity):
        return
    target = next((each.version for each in versions if each.identity == wanted.identity), None)
    found = f"version {owner.version} owns alias {alias}" if owner else f"no version owns alias {alias}"
    stay = f"; if version {owner.version} is to stay, nothing is to be done" if owner else ""
    yield Difference(
        model=model,
        kind=Kind.PRODUCTION,
        version=wanted.number,
        now=target,
        says=f"Retrain put version {wanted.number} ({wanted.identity}) into Production, and {found}",
        remedy=f"`retrain promote {model} {target} --why …` puts it back{stay}"
        if target
        else f"it is not in MLflow any more: put another one there (`retrain promote {model} VERSION --why …`){stay}",
    )
