"""On which side of the split a row falls (DESIGN rules 3 and 4).

Split by hash or by group, a row's side follows from its *cluster*: the keyed 64-bit hash of its content, or of its
group. Rows of one cluster fall on one side, and a cluster never changes from training to holdout. Split by time, the
newest rows judge. Holdout rows come in rounds: those of the newest round judge, those of earlier rounds train, and
those that have arrived since wait until they are enough for the next.

A row that was edited, or deleted and brought back, may fall on another side than before: what a model has trained on
is therefore asked of the snapshot that it saw (`SnapshotStore.seen`), whenever it is judged.
"""

from dataclasses import dataclass
from functools import cached_property

import numpy as np
from numpy.typing import NDArray

from retrain.records import Subset
from retrain.spec.source import Split

UNASSIGNED = 0
"""Round of a row that belongs to none: outside of the holdout's range, or waiting."""

SUBSETS = (Subset.TRAIN, Subset.VALIDATION, Subset.HOLDOUT, Subset.WAITING, Subset.GAP)
TRAIN, VALIDATION, HOLDOUT, WAITING, GAP = range(5)

Times = NDArray[np.datetime64]
Span = tuple[np.datetime64, np.datetime64]


@dataclass(frozen=True)
class SplitVersion:
    """The snapshots of a model that are split in one way. Another split in the spec begins the next one."""

    number: int
    """From 1."""
    salt: bytes
    split: Split
    group: str | None
    """The group column, where split by group."""
    after_round: int
    """The last round of the split version before, 0 for the first one: its own follow on, so that no number is used twice."""


@dataclass(frozen=True, eq=False)
class Rounds:
    """What each holdout round holds, as the last consumed snapshot of the split version says."""

    cluster: NDArray[np.int64]
    holdout_round: NDArray[np.int64]
    """Both of shape (clusters,); rounds count from 1."""
    current: int
    """The round that judged. Not the greatest of `round`: were its rows deleted, an earlier one would judge again."""
    span: Span | None = None
    """Split by time: the first and the last label time of the current round; None before the first one."""

    @cached_property
    def ranked(self) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
        """Clusters in order, and the round of each: sorted once, however many batches of rows are looked up."""
        order = np.argsort(self.cluster, kind="stable")
        return self.cluster[order], self.holdout_round[order]


@dataclass(frozen=True, eq=False)
class Subsets:
    code: NDArray[np.int64]
    """Shape (rows,): position in `SIDES`."""
    holdout_round: NDArray[np.int64]
    """Shape (rows,): holdout round, `UNASSIGNED` where none."""
    current: int
    """The round that judges."""
    span: Span | None = None
    """As in `Rounds`."""

    def part(self, start: int, stop: int) -> "Subsets":
        return Subsets(self.code[start:stop], self.holdout_round[start:stop], self.current, self.span)


def no_rounds(after: int) -> Rounds:
    """What is known before a split version's first snapshot. after: the last round of the split version before, or 0."""
    return Rounds(np.empty(0, np.int64), np.empty(0, np.int64), after)


def position(cluster: NDArray[np.int64]) -> NDArray[np.float64]:
    """Where each cluster lies in [0, 1), evenly spread because it is a hash."""
    # 53 bits, which a double holds exactly: 64 would round some keys up to 1.0
    return (cluster.view(np.uint64) >> np.uint64(11)).astype(np.float64) / 2.0**53


def in_range(cluster: NDArray[np.int64], split: Split) -> NDArray[np.int64]:
    """Which clusters may judge, split by hash or by group. Shape (rows,) to (distinct such clusters,)."""
    return distinct(cluster[position(cluster) < split.holdout])


def distinct(cluster: NDArray[np.int64]) -> NDArray[np.int64]:
    """Each once, in order. NumPy's own keeps a hash table, which takes several times the memory."""
    ranked = np.sort(cluster)
    first = np.ones(len(ranked), np.bool_)
    first[1:] = ranked[1:] != ranked[:-1]
    return ranked[first]


def opened(may_judge: NDArray[np.int64], known: Rounds, round_rows: int) -> Rounds:
    """The rounds that there are, with the next one where enough clusters wait for it.

    may_judge: all that are in the holdout's range, shape (clusters,), each once. round_rows: how many that are in no
    round yet open the next; fewer will do where the current one has no rows.
    """
    holdout_round = _inherited(may_judge, known)
    waits, current = holdout_round == UNASSIGNED, known.current
    if current not in known.holdout_round or np.count_nonzero(waits) >= round_rows:
        current += 1
        holdout_round[waits] = current
    return Rounds(may_judge, holdout_round, current)


def subsets_by_hash(cluster: NDArray[np.int64], split: Split, holdout_rounds: Rounds) -> Subsets:
    """The side and the holdout round of some rows, by their content or by their group.

    cluster: shape (rows,). rounds: what `opened` gives.
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
    """The side of every row, by its label time: training, gap, validation, gap, holdout, waiting.

    An round is a span of time, fixed when it opens: a row that arrives late falls where it would have fallen in time.
    Later rows wait. Validation is the newest share of the rows that do not wait, before the holdout. Rows labelled at
    one moment are never divided, so shares are met only as nearly as that allows. A row without a label time is on no
    side: nothing says that it is older than what it would judge.

    Of equal contents the oldest row has its side and copies elsewhere have none (`GAP`). Were the newest to win
    instead, a copy would take a row that has trained into the holdout; were each to stay where it is, a model would be
    judged on what it has learnt by heart.

    content: shape (rows,), content keys. times: shape (rows,), NaT for none. known: as the last consumed snapshot says.
    round_rows: distinct waiting contents that open the next round; fewer will do where the current one has no rows.
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
        # NaT compares false with everything, so that rows without a time stay where they are.
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
    """For each row, which is the oldest of the same content; those without a time come last. Shape (rows,)."""
    by_age = np.argsort(times, kind="stable")
    distinct, first = np.unique(content[by_age], return_index=True)
    return by_age[first][np.searchsorted(distinct, content)]


def _inherited(cluster: NDArray[np.int64], known: Rounds) -> NDArray[np.int64]:
    ranked, holdout_round = known.ranked
    if not len(ranked):
        return np.full(len(cluster), UNASSIGNED, np.int64)
    slot = np.searchsorted(ranked, cluster).clip(max=len(ranked) - 1)
    return np.where(ranked[slot] == cluster, holdout_round[slot], UNASSIGNED)
