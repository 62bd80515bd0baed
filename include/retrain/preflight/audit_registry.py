"""What the registry alone tells: which versions serve, and whether stages and aliases say the same."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from retrain.preflight.audit_finding import AuditFinding
from retrain.tracker.entities import ModelVersion, RegisteredModel

PRODUCTION_ALIASES = ("production", "prod", "champion")
"""Aliases by which clients are commonly told to load, in any case."""
_STAGING_ALIASES = ("staging", "challenger")


@dataclass(frozen=True)
class Listed:
    """A registered model and its versions, the oldest first."""

    model: RegisteredModel
    versions: Sequence[ModelVersion]
    aliases: Sequence[str]
    """Of Production, in lower case."""

    @property
    def name(self) -> str:
        return self.model.name

    @property
    def owners(self) -> dict[str, str]:
        """Of each alias of Production that is set, its version."""
        return {alias: owner for alias, owner in self.model.aliases.items() if alias.casefold() in self.aliases}

    @property
    def staged(self) -> list[str]:
        return [each.version for each in self.versions if each.stage == "Production"]

    @property
    def production(self) -> list[ModelVersion]:
        """The versions that look like Production, by stage or alias."""
        named = {*self.staged, *self.owners.values()}
        return [each for each in self.versions if each.version in named]

    @property
    def staging(self) -> list[ModelVersion]:
        owners = {owner for alias, owner in self.model.aliases.items() if alias.casefold() in _STAGING_ALIASES}
        return [each for each in self.versions if each.stage == "Staging" or each.version in owners]


def in_use(version: ModelVersion) -> bool:
    return version.stage in ("Production", "Staging") or bool(version.aliases)


def of_registry(listed: Listed) -> Iterator[AuditFinding]:
    """Yield what is wrong between the versions of one model."""
    name, owners, staged = listed.name, listed.owners, listed.staged
    if len(staged) > 1:
        yield AuditFinding.of("two_in_production", name, None, f"versions {_and(staged)} are in stage Production")
    apart = {alias: owner for alias, owner in owners.items() if staged and owner not in staged}
    if apart:
        subject = f"versions {_and(staged)} are" if len(staged) > 1 else f"version {staged[0]} is"
        what = f"{subject} in stage Production, and {_owned(apart)}"
        yield AuditFinding.of("stage_and_alias_apart", name, None, what)
    if len({*owners.values()}) > 1:
        yield AuditFinding.of("aliases_apart", name, None, _owned(owners))
    there = {each.version for each in listed.versions}
    for alias, owner in listed.model.aliases.items():
        if owner not in there:
            what = f"alias {alias} points to version {owner}, which is not there"
            yield AuditFinding.of("alias_of_no_version", name, owner, what)
    if not staged and not owners:
        some = f"none of {len(listed.versions):,}" if listed.versions else "there is no version"
        yield AuditFinding.of("no_production", name, None, f"no version serves: {some}")
    yield from _same_run(listed)
    for each in listed.versions:
        if each.status != "READY":
            message = f": {each.status_message}" if each.status_message else ""
            what = f"its registration is {each.status}{message}"
            yield AuditFinding.of("not_ready", name, each.version, what, in_use=in_use(each))


def _same_run(listed: Listed) -> Iterator[AuditFinding]:
    for one in listed.production:
        for other in listed.staging:
            if one.run_id and one.run_id == other.run_id and one.version != other.version:
                what = f"version {other.version} in Staging and {one.version} in Production are of run {one.run_id}"
                yield AuditFinding.of("same_run", listed.name, None, what)


def _owned(owners: dict[str, str]) -> str:
    return " and ".join(f"alias {alias} is on version {owner}" for alias, owner in sorted(owners.items()))


def _and(numbers: Sequence[str]) -> str:
    return ", ".join(numbers[:-1]) + f" and {numbers[-1]}" if len(numbers) > 1 else numbers[0]
