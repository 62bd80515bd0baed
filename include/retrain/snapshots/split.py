"""The subset of every row: training, validation, holdout, waiting or gap (DESIGN rules 3 and 4).

Split by hash or by group, a row's subset follows from its *cluster*: the keyed 64-bit hash of its content, or of its
group. Rows of one cluster are in one subset, and a cluster never moves from training to holdout. Split by time, the
newest rows judge. Holdout rows come in rounds: rows of the newest round judge, rows of earlier rounds train, and rows
that have arrived since then wait until there are enough for the next round.

A row that was edited, or deleted and inserted again, may be in another subset than before. Therefore, whenever a model
is judged, the snapshot that it was trained on says which rows it has seen (`SnapshotStore.seen`).
"""

from dataclasses import dataclass
from datetime import UTC, datetime
from functools import cached_property

import numpy as np
from numpy.typing import NDArray

from retrain.records import Subset
from retrain.spec.source import Split

UNASSIGNED = 0
"""The round number of a row without a round: outside the holdout's range, or waiting."""

SUBSETS = (Subset.TRAIN, Subset.VALIDATION, Subset.HOLDOUT, Subset.WAITING, Subset.GAP)
TRAIN, VALIDATION, HOLDOUT, WAITING, GAP = range(5)

SubsetCodes = NDArray[np.int64]
"""For each row the position of its subset in `SUBSETS`, shape (rows,)."""
Times = NDArray[np.datetime64]
Span = tuple[np.datetime64, np.datetime64]


@dataclass(frozen=True)
class SplitVersion:
    """How the snapshots of a model are split. A change of the split in the spec begins the next version."""

    number: int
    """From 1."""
    salt: bytes
    split: Split
    group: str | None
    """The group column, where split by group."""
    after_round: int
    """The last round of the previous split version, or 0. Rounds count on from it; no number occurs twice."""
    columns: tuple[str, ...] = ()
    """The columns whose values are a row's content, in the order of their names: the features when it began, so that a
    feature that is added later moves no row. Without any: the features of each snapshot."""


@dataclass(frozen=True, eq=False)
class Rounds:
    """The clusters of each holdout round, from the last consumed snapshot of the split version."""

    cluster: NDArray[np.int64]
    holdout_round: NDArray[np.int64]
    """Both of shape (clusters,); rounds count from 1."""
    current: int
    """The round that judged. It may be greater than all of `holdout_round`: where its rows were deleted, the previous
    round must not judge again.
    """
    span: Span | None = None
    """Split by time: the first and the last label time of the current round; None before the first one."""

    @cached_property
    def ranked(self) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
        """The sorted clusters and the round of each: sorted once for all batches that are looked up."""
        order = np.argsort(self.cluster, kind="stable")
        return self.cluster[order], self.holdout_round[order]


@dataclass(frozen=True, eq=False)
class Subsets:
    """The subset and the holdout round of each row."""

    code: SubsetCodes
    holdout_round: NDArray[np.int64]
    """Shape (rows,); `UNASSIGNED` where a row has none."""
    current: int
    """The round that judges."""
    span: Span | None = None
    """As in `Rounds`."""

    def part(self, start: int, stop: int) -> "Subsets":
        return Subsets(self.code[start:stop], self.holdout_round[start:stop], self.current, self.span)


def as_datetime(time: np.datetime64) -> datetime:
    """Return a time of `Times`, which are in UTC, as Python knows it."""
    naive: datetime = time.astype("datetime64[us]").astype(datetime)
    return naive.replace(tzinfo=UTC)


def as_time(time: datetime) -> np.datetime64:
    """Return a time with a zone as one of `Times`."""
    return np.datetime64(time.astimezone(UTC).replace(tzinfo=None), "us")


def no_rounds(after: int) -> Rounds:
    """Return the rounds before a split version's first snapshot. after: `SplitVersion.after_round`."""
    return Rounds(np.empty(0, np.int64), np.empty(0, np.int64), after)


def position(cluster: NDArray[np.int64]) -> NDArray[np.float64]:
    """Map each cluster to [0, 1), evenly because it is a hash. Shape (clusters,)."""
    # A double holds 53 bits exactly; with 64 bits some keys would be rounded up to 1.0.
    return (cluster.view(np.uint64) >> np.uint64(11)).astype(np.float64) / 2.0**53


def in_range(cluster: NDArray[np.int64], split: Split) -> NDArray[np.int64]:
    """Return the distinct clusters that may judge, split by hash or by group. Shape (rows,) to (clusters,)."""
    return distinct(cluster[position(cluster) < split.holdout])


def distinct(cluster: NDArray[np.int64]) -> NDArray[np.int64]:
    """Return the sorted distinct clusters. `np.unique` builds a hash table, which takes several times the memory."""
    ranked = np.sort(cluster)
    first = np.ones(len(ranked), np.bool_)
    first[1:] = ranked[1:] != ranked[:-1]
    return ranked[first]


def opened(may_judge: NDArray[np.int64], known: Rounds, round_rows: int) -> Rounds:
    """Return the rounds, with the next one where enough clusters wait for it.

    may_judge: all distinct clusters in the holdout's range, shape (clusters,). round_rows: the number of clusters
    without a round that opens the next one; where the current round has no rows, fewer are enough.
    """
    holdout_round = _inherited(may_judge, known)
    waits, current = holdout_round == UNASSIGNED, known.current
    if current not in known.holdout_round or np.count_nonzero(waits) >= round_rows:
        current += 1
        holdout_round[waits] = current
    return Rounds(may_judge, holdout_round, current)


def subsets_of(cluster: NDArray[np.int64], times: Times, split: Split, known: Rounds, round_rows: int) -> Subsets:
    """Return the subset of every row of a snapshot whose rows are all in memory; `Draft` does it in batches.

    cluster: content keys, or group keys where split by group, shape (rows,). Else as in `subsets_by_time`.
    """
    if split.by == "time":
        return subsets_by_time(cluster, times, split, known, round_rows)
    return subsets_by_hash(cluster, split, opened(in_range(cluster, split), known, round_rows))


def subsets_by_hash(cluster: NDArray[np.int64], split: Split, holdout_rounds: Rounds) -> Subsets:
    """Return the subset and the holdout round of some rows, split by content or by group.

    cluster: shape (rows,). holdout_rounds: the result of `opened`.
    """
    where = position(cluster)
    in_holdout = where < split.holdout
    holdout_round = np.where(in_holdout, _inherited(cluster, holdout_rounds), UNASSIGNED)
    code = np.full(len(cluster), TRAIN, np.int64)
    code[~in_holdout & (where < split.holdout + split.validation)] = VALIDATION
    code[in_holdout & (holdout_round == holdout_rounds.current)] = HOLDOUT
    code[in_holdout & (holdout_round == UNASSIGNED)] = WAITING
    return Subsets(code, holdout_round, holdout_rounds.current)


def subsets_by_time(content: NDArray[np.int64], times: Times, split: Split, known: Rounds, round_rows: int) -> Subsets:
    """Return the subset of every row by its label time: training, gap, validation, gap, holdout, waiting.

    A round is a span of time, fixed when it opens: a row that arrives late gets the subset that it would have had in
    time. Later rows wait. Validation is the newest share of the rows that do not wait, before the holdout. Rows with
    equal label times are never divided, so the shares are approximate. A row without a label time trains and judges
    nothing (`GAP`): it might be newer than the rows that would judge it.

    Where several rows have equal content, the oldest keeps its subset, and copies in other subsets are left out
    (`GAP`). If the newest won instead, a copy would move a row that has trained into the holdout; if each stayed where
    it is, a model would be judged on rows that it has memorised.

    content: content keys, shape (rows,). times: label times, shape (rows,), NaT where a row has none. known: the rounds
    of the last consumed snapshot. round_rows: the number of distinct waiting contents that opens the next round; where
    the current round has no rows, fewer are enough.
    """
    oldest = _oldest_copy(content, times)
    dated = np.sort(times[~np.isnat(times)])
    current, span = known.current, known.span
    if span is None:
        current, span = current + 1, _span(dated[-max(1, round(split.holdout * len(dated))) :])
    else:
        waiting = len(np.unique(content[times[oldest] > span[1]]))
        if waiting >= round_rows or (waiting and not _within(times, span).any()):
            current, span = current + 1, _span(dated[dated > span[1]])
    code = np.full(len(content), GAP, np.int64)
    if span is not None:
        since, until = span
        gap = np.timedelta64(split.gap)
        older = dated[dated < since - gap]
        due = round(split.validation * np.count_nonzero(dated <= until))
        begin = older[-due:][0] if due and len(older) else since - gap
        # Every comparison with NaT is false, so rows without a label time stay in the gap.
        code[times < begin - gap] = TRAIN
        code[(times >= begin) & (times < since - gap)] = VALIDATION
        code[_within(times, span)] = HOLDOUT
        code[times > until] = WAITING
        code[code != code[oldest]] = GAP
    return Subsets(code, np.where(code == HOLDOUT, current, UNASSIGNED), current, span)


def _span(dated: Times) -> Span | None:
    return (dated[0], dated[-1]) if len(dated) else None


def _within(times: Times, span: Span) -> NDArray[np.bool_]:
    return (times >= span[0]) & (times <= span[1])


def _oldest_copy(content: NDArray[np.int64], times: Times) -> NDArray[np.int64]:
    """Return for each row the position of the oldest row with the same content, shape (rows,). NaT counts as newest."""
    by_age = np.argsort(times, kind="stable")
    distinct, first = np.unique(content[by_age], return_index=True)
    return by_age[first][np.searchsorted(distinct, content)]


def _inherited(cluster: NDArray[np.int64], known: Rounds) -> NDArray[np.int64]:
    ranked, holdout_round = known.ranked
    if not len(ranked):
        return np.full(len(cluster), UNASSIGNED, np.int64)
    slot = np.searchsorted(ranked, cluster).clip(max=len(ranked) - 1)
    return np.where(ranked[slot] == cluster, holdout_round[slot], UNASSIGNED)
