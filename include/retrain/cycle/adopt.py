"""The verb `adopt`: a Production of somebody else's becomes one that is judged and can be put back."""

import logging
import tempfile
from datetime import datetime
from pathlib import Path

from retrain.cycle.context import Cycle
from retrain.errors import AdoptionError
from retrain.production.adoption import Trust
from retrain.production.registry import Registry
from retrain.source.table import Source

log = logging.getLogger(__name__)


def adopt(
    cycle: Cycle,
    *,
    source: Source,
    version: str | None = None,
    repeated: str | None = None,
    digest: str | None = None,
    trained_before: datetime | None = None,
    python: str | None = None,
    why: str,
    by: str | None = None,
) -> str:
    """Adopt a version, the one named or the one that looks like Production; return what was done as a sentence.

    repeated, digest: the format and the digest of its files, as a person has seen them. Raises AdoptionError without
    them, which says what they are; and as `Registry.take_over` does. Run again, it changes nothing more.
    """
    spec = cycle.spec
    registry = Registry(cycle.ledger, cycle.tracker, cycle.snapshots, spec.trust)
    with tempfile.TemporaryDirectory(prefix="retrain-") as folder:
        found = registry.look(registry.candidate(spec.model, version), Path(folder))
        if not repeated or not digest:
            raise AdoptionError(
                f"nothing was adopted yet. {found}\nIf you trust it, start this again with this format and digest."
            )
        trust = Trust(repeated, digest, cycle.by(by), why, trained_before, python)
        row = registry.take_over(found, trust, spec, source)
    is_there = row is not None and row.to_version == found.version.version
    return f"version {found.version.version} of {spec.model} is adopted{', and is in Production' if is_there else ''}"


def dismiss(cycle: Cycle, *, why: str, by: str | None = None) -> str:
    """Say that what looks like Production is not; return what was found as a sentence."""
    registry = Registry(cycle.ledger, cycle.tracker, cycle.snapshots, cycle.spec.trust)
    found = registry.dismiss(cycle.spec.model, by=cycle.by(by), why=why)
    names = " and ".join(each.standing for each in found)
    return f"{cycle.spec.model}: {names or 'nothing that was found'} does not count as Production"
