"""What a backtest says, as records: all that its table, its JSON and its page show."""

from datetime import datetime
from enum import StrEnum
from typing import Any

from retrain.backtest.replayed import Rule
from retrain.backtest.weeks import Interval, Unit
from retrain.records import Record


class Score(Record):
    """A policy's score: its metric on rows before they are learnt from."""

    value: float | None
    """Raw; None where there are no rows, or the metric is undefined on them."""
    interval: Interval
    """95%, from resampling whole weeks; None where they are too few."""


class Difference(Record):
    """A policy against another one, paired: on the same rows, in the same resampled weeks."""

    difference: float | None
    """Its score minus the other's, raw."""
    interval: Interval
    """95%."""
    surely: int
    """1: surely better, -1: surely worse, 0: not distinguishable. Surely: the interval excludes 0."""


class Block(Record):
    """A part of the time, of whole weeks."""

    begins: datetime
    ends: datetime
    first_row: int
    after_row: int

    @property
    def rows(self) -> int:
        return self.after_row - self.first_row


class What(StrEnum):
    """What became of a cycle."""

    PROMOTED = "promoted"
    HELD = "held"
    """Production stayed."""
    BLOCKED = "blocked"
    """A check of the rows ended it before training."""


class Event(Record):
    """One cycle of a policy."""

    at: datetime
    what: What
    surely: int = 0
    """1: the challenger was surely better than Production on the rows that followed, -1: surely worse, 0: neither."""


class Counts(Record):
    trainings: int
    rows_fitted: int
    """Rows that the trainings learnt from, together: the cost, as it does not depend on the machine."""
    cpu_seconds: float
    promoted: int
    """The first Production is one of them."""
    promoted_worse: int
    """Promoted, though surely worse on the rows that followed."""
    held: int
    held_better: int
    """Held, though surely better on the rows that followed."""
    blocked: int


class Standing(Record):
    """A policy among those that may be recommended, on the rows of the choice."""

    score: Score
    may_be_best: bool
    """Whether it cannot be told apart from the best."""
    behind: tuple[float, float] | None
    """Simultaneous 95% interval of its score minus that of the best of the others, in the direction of better; None
    where the weeks are too few."""


class ComparedPolicy(Record):
    name: str
    rule: Rule
    changes: dict[str, Any]
    """The fields in which it differs from the spec as it is."""
    shipped: bool
    """Whether it is the spec as it is."""
    score: Score
    against_shipped: Difference | None
    """None for the spec as it is."""
    over_time: tuple[Score, ...]
    """One for each block."""
    difference_over_time: tuple[Difference, ...]
    """To the spec as it is, for each block; empty for the spec as it is."""
    counts: Counts
    standing: Standing | None
    """None for a policy without a gate, which is never recommended, and where there is nothing to choose by."""
    events: tuple[Event, ...]


class Choice(Record):
    """One policy is chosen on the first part of the time, and tested once on the rest."""

    until: datetime
    """When the first part ends."""
    rows: int
    """Of the first part."""
    best: tuple[str, ...]
    """The policies that cannot be told apart from the best there."""
    chosen: str | None
    """The cheapest of these; None where there is nothing to choose by."""
    test_rows: int
    """Of the rest."""
    test: Difference | None
    """The chosen policy against the spec as it is, on the rest; None where the chosen one is the spec as it is, or
    where no row is left."""
    recommended: str | None
    reason: str
    """Why, in a sentence or two."""


class AgedModel(Record):
    """One model of the spec as it is."""

    at: datetime
    """When it was promoted."""
    model: str
    scores: tuple[float | None, ...]
    """For each period; None where it has too few rows, or the model was not asked."""
    served: tuple[bool, ...]
    """Whether it was Production in some of the period."""


class Compared(Record):
    """A whole backtest."""

    model: str
    metric: str
    positive: str | None
    first: datetime
    """When the first model was trained."""
    begins: datetime
    ends: datetime
    """Label times of the first and the last row that counts."""
    rows: int
    unit: Unit
    """What was resampled as a whole."""
    blocks: tuple[Block, ...]
    policies: tuple[ComparedPolicy, ...]
    """The spec as it is comes first."""
    choice: Choice
    periods: tuple[Block, ...]
    models: tuple[AgedModel, ...]
    """The models of the spec as it is, by period."""
    remarks: tuple[str, ...]
    """What of the spec was not replayed."""

    @property
    def shipped(self) -> ComparedPolicy:
        return self.policies[0]

    def policy(self, name: str) -> ComparedPolicy:
        return next(each for each in self.policies if each.name == name)
