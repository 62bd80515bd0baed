"""Which version was in Production when, or served which rows: these belong to it."""

import logging
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from datetime import datetime
from itertools import pairwise

from retrain.records import Promotion, VersionId

log = logging.getLogger(__name__)


@dataclass(frozen=True)
class Piece:
    """A part of a cohort, in which one version was in Production, or which it served."""

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


def served(history: Sequence[Promotion], versions: Iterable[str], begins: datetime, ends: datetime) -> Iterator[Piece]:
    """Yield a part for each version that served rows of a cohort. versions: as their log calls them.

    What was in Production under none of these names is left out, with a warning.
    """
    were = {each.came.number: each.came for each in history if each.came is not None and each.applied_at is not None}
    for name in sorted(versions):
        if name in were:
            yield Piece(were[name], begins, ends)
        else:
            log.warning(
                "Cohort of %s: %r served rows, and no version of this number was in Production: they do not count.",
                begins.date(),
                name,
            )
