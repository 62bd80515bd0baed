"""Which version was in Production when: the rows of some time belong to it."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from datetime import datetime
from itertools import pairwise

from retrain.records import Promotion, VersionId


@dataclass(frozen=True)
class Piece:
    """A part of a cohort, in which one version was in Production."""

    version: VersionId
    since: datetime
    until: datetime


def pieces(history: Sequence[Promotion], begins: datetime, ends: datetime) -> Iterator[Piece]:
    """Yield the parts of a cohort, the oldest first; none of a time without a Production.

    history: the changes of Production, the oldest first. A version that came, went and came again within the cohort has
    one part, from its first time to the end of its last.
    """
    applied = [each for each in history if each.applied_at is not None]
    found: dict[VersionId, Piece] = {}
    for change, following in pairwise([*applied, None]):
        if change is None or change.applied_at is None or change.came is None:
            continue
        since = max(begins, change.applied_at)
        until = ends if following is None or following.applied_at is None else min(ends, following.applied_at)
        if since < until:
            before = found.get(change.came)
            found[change.came] = Piece(change.came, before.since if before else since, until)
    yield from found.values()
