"""What an audit of a registry finds: each kind with its severity and its remedy, and the whole."""

from collections import Counter
from collections.abc import Sequence
from dataclasses import asdict, dataclass, replace
from datetime import datetime
from enum import StrEnum
from typing import Any


class Severity(StrEnum):
    """How much a finding matters, the worst first."""

    FAULT = "fault"
    """What serves is broken, or nobody can say which version serves."""
    WARNING = "warning"
    """It will be a fault when somebody uses the version, or nothing shows that it is right."""
    NOTE = "note"
    """Good to know."""

    @property
    def rank(self) -> int:
        return list(Severity).index(self)


@dataclass(frozen=True)
class Kind:
    name: str
    severity: Severity
    """Where the version is in use: in stage Production or Staging, or the owner of an alias."""
    means: str
    """As a reader of the manual sees it."""
    remedy: str
    elsewhere: Severity | None = None
    """Where nothing uses the version; None for the same."""


_F, _W, _N = Severity

_KINDS = (
    # ── who serves
    Kind(
        "two_in_production",
        _F,
        "two versions or more are in stage Production",
        "decide which one serves, and archive the others; a client that asks for the stage gets the highest number",
    ),
    Kind(
        "stage_and_alias_apart",
        _F,
        "a version is in stage Production, and an alias of Production is on another one",
        "ask which of the two your clients load; give it both the stage and the alias",
    ),
    Kind(
        "aliases_apart",
        _F,
        "two aliases of Production are on two versions",
        "ask which alias your clients load; move the other one to the same version, or delete it",
    ),
    Kind(
        "alias_of_no_version",
        _F,
        "an alias points to a version that is not there",
        "give the alias to a version that is there, or delete it",
    ),
    Kind(
        "same_run",
        _W,
        "Staging and Production are two versions of one run",
        "compare their files: most likely one model was registered twice, and Staging tests nothing",
    ),
    Kind(
        "no_production",
        _N,
        "no version is in stage Production, and none owns an alias of Production",
        "none is needed where nothing serves; where your alias has another name, give it with --alias",
    ),
    # ── what is in it
    Kind(
        "not_ready",
        _F,
        "the registry, or its logged model, is not READY: the registration failed, or never ended",
        "register it again from its run, and delete this version",
        _W,
    ),
    Kind(
        "model_deleted",
        _F,
        "the logged model that the version is made of was deleted",
        "log and register the model again, or put another version in its place: `mlflow gc` erases the files",
        _W,
    ),
    Kind(
        "files_gone",
        _F,
        "all files of the version are gone, or one that its MLmodel names",
        "restore the folder of artifacts from a backup; otherwise put another version in its place and delete this one",
        _W,
    ),
    Kind(
        "files_changed",
        _F,
        "the files are not the ones that were logged: another size, another MLmodel, or another digest",
        "find who writes there; restore the folder from a backup, or register what is there as a new version",
        _W,
    ),
    Kind(
        "unreadable",
        _F,
        "its MLmodel is missing, too large, or not what MLflow writes",
        "restore the folder of artifacts from a backup; otherwise log and register the model again",
        _W,
    ),
    Kind(
        "unloadable",
        _F,
        "its MLmodel names no flavour, so nothing can load it",
        "log and register the model again with one of MLflow's flavours",
        _W,
    ),
    Kind(
        "no_signature",
        _W,
        "the version that serves has no signature: MLflow checks no column of what it is sent",
        "log the next version with a signature: `infer_signature` of some rows, or an input example",
    ),
    Kind(
        "pickle",
        _N,
        "a file is a pickle, or of another format that can run any code when it is loaded",
        "load it only where you trust whoever can write into the store; scikit-learn can be logged as skops",
    ),
    Kind(
        "foreign_types",
        _N,
        "a skops file holds types, or asks to trust types, that Retrain does not know",
        "look at each before you trust it: a spec names it in `trust`",
    ),
    Kind(
        "other_versions",
        _N,
        "it was logged with versions of Python or of libraries that are not here",
        "load it where its requirements.txt is installed",
    ),
    # ── where it comes from
    Kind(
        "run_unknown",
        _W,
        "no run is named, or the one that is named is not there",
        "ask who registered it and from what; without a run nobody can say what it was trained on",
    ),
    Kind(
        "run_deleted",
        _W,
        "its run is deleted",
        "restore the run (`mlflow runs restore --run-id`) before `mlflow gc` erases it, and its files with it",
    ),
    Kind(
        "run_failed",
        _F,
        "its run has failed or was killed",
        "look at the run: the model may be half trained, or not the one that was meant",
        _W,
    ),
    Kind(
        "run_unfinished",
        _W,
        "its run has not ended",
        "end the run if nothing trains there any more: its process may have been killed",
    ),
    Kind(
        "other_run",
        _W,
        "the registry says that one run has made it, and its files or its logged model name another",
        "look at both runs, and find out which one has made these files",
    ),
    Kind(
        "may_be_chance",
        _W,
        "nothing shows that Production is better than the version before it: the difference may be chance",
        "ask both versions about the same labelled rows, more than these, and compare their predictions with "
        "`retrain judge`",
    ),
    Kind(
        "worse",
        _W,
        "Production is worse than the version before it, beyond chance, by what their runs counted",
        "ask both versions about the same labelled rows and compare with `retrain judge`; roll back if it holds",
    ),
    Kind(
        "against_verdict",
        _W,
        "Retrain's gate did not say PROMOTE about the version in Production",
        "read the verdict on its run; roll back if nobody knows why it was promoted all the same",
    ),
    # ── the audit itself
    Kind(
        "not_seen",
        _W,
        "its files or its run cannot be looked at with this login or from this machine",
        "run the audit where the store can be read, with a login that may",
    ),
    Kind(
        "not_audited",
        _F,
        "the model, or one version of it, could not be looked at",
        "do what the message says, and run the audit again for this model",
    ),
)
KINDS = {kind.name: kind for kind in _KINDS}


@dataclass(frozen=True)
class AuditFinding:
    severity: Severity
    kind: str
    """One of `KINDS`."""
    model: str
    version: str | None
    """None for what is about the model as a whole."""
    what: str
    remedy: str

    @staticmethod
    def of(
        kind: str,
        model: str,
        version: str | None,
        what: str,
        *,
        in_use: bool = True,
        severity: Severity | None = None,
    ) -> "AuditFinding":
        """in_use: whether the version has a stage or an alias. severity: another one than the kind's."""
        about = KINDS[kind]
        usual = about.severity if in_use else about.elsewhere or about.severity
        return AuditFinding(severity or usual, kind, model, version, what, about.remedy)


@dataclass(frozen=True)
class AuditedModel:
    name: str
    versions: int
    production: tuple[str, ...]
    """The versions that look like Production, by stage or alias."""
    findings: tuple[AuditFinding, ...]

    def count(self, severity: Severity) -> int:
        return sum(each.severity == severity for each in self.findings)

    @property
    def badness(self) -> tuple[int, int, int, str]:
        """What models are sorted by: those with most faults first, then warnings and notes."""
        faults, warnings, notes = (-self.count(severity) for severity in Severity)
        return faults, warnings, notes, self.name


@dataclass(frozen=True)
class Audit:
    server: str
    at: datetime
    aliases: tuple[str, ...]
    """Those that were taken for aliases of Production."""
    models: tuple[AuditedModel, ...]
    """Those with faults first."""

    @property
    def findings(self) -> tuple[AuditFinding, ...]:
        return tuple(each for model in self.models for each in model.findings)

    @property
    def versions(self) -> int:
        return sum(model.versions for model in self.models)

    def count(self, severity: Severity) -> int:
        return sum(model.count(severity) for model in self.models)

    @property
    def of_kinds(self) -> tuple[tuple[Severity, Kind, int], ...]:
        """Each kind that was found, by severity, and how often; the worst first."""
        found = Counter((each.severity, each.kind) for each in self.findings)
        return tuple(
            (severity, kind, found[severity, kind.name])
            for severity in Severity
            for kind in _KINDS
            if found[severity, kind.name]
        )

    @property
    def has_faults(self) -> bool:
        return self.count(Severity.FAULT) > 0

    def to_json(self) -> dict[str, Any]:
        models = [
            {
                "name": model.name,
                "versions": model.versions,
                "production": list(model.production),
                **{f"{severity}s": model.count(severity) for severity in Severity},
            }
            for model in self.models
        ]
        return {
            "server": self.server,
            "at": self.at.isoformat(),
            "aliases": list(self.aliases),
            "versions": self.versions,
            **{f"{severity}s": self.count(severity) for severity in Severity},
            "models": models,
            "findings": [asdict(each) for each in self.findings],
        }


@dataclass(frozen=True)
class Together:
    """Findings that differ in nothing but their version."""

    finding: AuditFinding
    versions: tuple[str, ...]

    @property
    def subject(self) -> str:
        if not self.versions:
            return "model"
        return f"version{'s' if len(self.versions) > 1 else ''} {', '.join(self.versions)}"


def together(findings: Sequence[AuditFinding]) -> list[Together]:
    """Return the findings of one model, the worst first, with those that say the same as one."""
    groups: dict[AuditFinding, list[str]] = {}
    for each in sorted(findings, key=lambda each: each.severity.rank):
        versions = groups.setdefault(replace(each, version=None), [])
        versions += [each.version] if each.version is not None else []
    return [Together(finding, tuple(versions)) for finding, versions in groups.items()]
