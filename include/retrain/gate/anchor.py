"""The gate's anchor: the version that no chain of promotions may fall behind by more than the margin.

Under a proof of non-inferiority each version may be a little worse than the one before. Each must also hold against the
anchor, which climbs: a version that is shown to be better than the anchor takes its place.
"""

from collections.abc import Sequence
from dataclasses import dataclass

from retrain.records import Outcome, Proof, Verdict, VersionId
from retrain.spec.gate import Gate


@dataclass(frozen=True)
class Step:
    """One change of Production that was applied."""

    version: VersionId
    """What came."""
    verdict: Verdict | None
    """None where a person put it there."""
    forward: bool
    """Whether it is not a rollback."""


def asks_for_anchor(gate: Gate) -> bool:
    """Return whether a challenger may have to hold against the anchor: by superiority alone, no chain goes downhill."""
    return gate.proof is not Proof.SUPERIORITY


def anchor_of(steps: Sequence[Step], *, metric: str, positive: str | None, split_version: int) -> VersionId | None:
    """Return the anchor of the Production that the last step put there, which may be that version; None without a step.

    It is the last version that came first of all, was shown to be better than the anchor before, or was put there by a
    person. A rollback brings back the anchor that its version came with. What was compared by another metric, about
    another class or under another split does not count: the last version of before is the anchor then. steps: the
    oldest first.
    """
    anchor, came_with = None, dict[str, VersionId]()
    for step in steps:
        name = step.version.identity or step.version.number
        if not step.forward:
            anchor = came_with.get(name, step.version)
            continue
        if anchor is None or not _compared(step.verdict, (metric, positive, split_version)) or _anchors(step.verdict):
            anchor = step.version
        came_with[name] = anchor
    return anchor


def _compared(verdict: Verdict | None, present: tuple[str, str | None, int]) -> bool:
    """Return whether a verdict let the version in, by what decides now."""
    if verdict is None or verdict.outcome is not Outcome.PROMOTE:
        return False
    return (verdict.metric, verdict.positive, verdict.matchup.split_version) == present


def _anchors(verdict: Verdict | None) -> bool:
    return verdict is not None and verdict.anchors
