"""What the runs of versions tell: does one explain the version, and did it end well."""

from collections.abc import Iterator, Mapping
from datetime import datetime, timedelta

from retrain.errors import NotFoundError, TrackerError
from retrain.preflight.audit_finding import AuditFinding, Severity
from retrain.preflight.audit_registry import in_use
from retrain.tracker.entities import ModelVersion
from retrain.tracker.inspection import StoredRun

_MAY_TRAIN = timedelta(days=1)
"""So long a run may last before it is taken for one that was killed."""

Runs = Mapping[str, StoredRun | TrackerError]
"""By id; in the place of one that could not be read, why."""


def of_run(version: ModelVersion, runs: Runs, *, serves: bool, now: datetime) -> Iterator[AuditFinding]:
    """Yield why no run explains the version."""

    def found(kind: str, what: str, severity: Severity | None = None) -> AuditFinding:
        return AuditFinding.of(kind, version.model, version.version, what, in_use=serves, severity=severity)

    if version.run_id is None:
        yield found("run_unknown", "no run is named")
        return
    stored = runs[version.run_id]
    if isinstance(stored, NotFoundError):
        yield found("run_unknown", f"run {version.run_id} is not there")
    elif isinstance(stored, TrackerError):
        yield AuditFinding.of("not_seen", version.model, version.version, stored.message, in_use=in_use(version))
    elif stored.run.deleted:
        yield found("run_deleted", f"run {version.run_id} is deleted")
    elif stored.run.status in ("FAILED", "KILLED"):
        yield found("run_failed", f"run {version.run_id} is {stored.run.status}")
    elif stored.run.status != "FINISHED":
        is_young = now - stored.run.started_at < _MAY_TRAIN and not serves
        what = f"run {version.run_id} is {stored.run.status} since {stored.run.started_at:%Y-%m-%d %H:%M} UTC"
        yield found("run_unfinished", what, Severity.NOTE if is_young else None)


def run_of(version: ModelVersion, runs: Runs) -> StoredRun | None:
    """Return the version's run; None where it could not be read."""
    stored = runs.get(version.run_id or "")
    return None if isinstance(stored, TrackerError) else stored
