"""What a backtest gives: for each policy its decisions, and what its Production predicted for every row that counts."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime
from enum import StrEnum
from typing import Any

import numpy as np
from numpy.typing import NDArray

from retrain.gate.labels import Integers, Values
from retrain.gate.predictions import Predictions
from retrain.records import Record, Verdict
from retrain.spec.spec import Spec

Times = NDArray[np.datetime64]


class Rule(StrEnum):
    """What decides whether a challenger goes into Production."""

    GATE = "gate"
    """The spec's gate."""
    NEVER = "never"
    """Nothing: the first model stays."""
    ALWAYS = "always"
    """Every challenger goes."""
    GREATER = "greater"
    """A challenger with the greater metric on the holdout goes; where smaller is better, the smaller one."""


@dataclass(frozen=True)
class Policy:
    """The spec with some fields changed, and what decides."""

    name: str
    spec: Spec
    changes: Mapping[str, Any] = field(default_factory=dict)
    """The fields that differ from the spec, as in the file of `--vary`; empty for the spec as it is."""
    rule: Rule = Rule.GATE

    @property
    def shipped(self) -> bool:
        """Whether it is the spec as it is."""
        return self.rule is Rule.GATE and not self.changes


class Following(Record):
    """Challenger against the Production of that time, on the rows that came after the verdict."""

    rows: int
    difference: float | None
    """Challenger minus Production, raw; None where the metric is undefined on one of them."""
    interval: tuple[float, float] | None
    """95% interval from a paired bootstrap of whole weeks."""
    surely: int
    """1: surely better, -1: surely worse, 0: neither. Surely: the interval excludes 0."""


class Decision(Record):
    """One cycle of a policy: what was judged, and what became of it."""

    at: datetime
    snapshot_rows: int
    candidate: str
    """Name of the candidate."""
    challenger: str
    """Short digest of the recipe and the rows that it was trained on."""
    production: str | None
    """The same of what was in Production; None before the first."""
    promoted: bool
    verdict: Verdict | None
    """None for a policy without a gate."""
    following: Following | None = None
    """None where there was no Production, or no row has followed."""


class Blocked(Record):
    """A cycle that a check of the rows has ended before training."""

    at: datetime
    checks: tuple[str, ...]


@dataclass(frozen=True, eq=False)
class Replayed:
    """One policy, replayed."""

    policy: Policy
    decisions: tuple[Decision, ...]
    """In the order of time. A cycle has two where a refit of Production's own recipe was judged as well."""
    blocked: tuple[Blocked, ...]
    served: Integers
    """Shape (n,): for each row that counts, the place in `decisions` of the promotion that made the Production which
    scored it."""
    predictions: Predictions
    """Of n rows: what that Production predicted."""
    trainings: int
    """Fits that this policy would have needed by itself."""
    rows_fitted: int
    """Rows that these fits learnt from, together: the cost that does not depend on the machine."""
    cpu_seconds: float
    """CPU seconds of these fits, each counted as a policy that shares nothing would pay for it."""

    @property
    def promotions(self) -> int:
        return sum(each.promoted for each in self.decisions)


@dataclass(frozen=True, eq=False)
class Aged:
    """What one Production of the spec as it is predicts for rows that came after its training, while it served and
    later. `aging.wanted` says for which."""

    decision: int
    """The place in `decisions` of the promotion that made it Production."""
    rows: Integers
    """Shape (m,): places among the n rows, ascending."""
    predictions: Predictions
    """Of m rows."""


@dataclass(frozen=True, eq=False)
class Backtest:
    """All policies over one history. n rows count: those that every policy had a Production for."""

    spec: Spec
    first: datetime
    """When the first model was trained."""
    times: Times
    """Shape (n,): label times in UTC, ascending."""
    labels: Values
    """Shape (n,): label codes, or numbers."""
    classes: tuple[str, ...]
    """The class of each code; empty in a regression."""
    replays: tuple[Replayed, ...]
    """The spec as it is comes first."""
    remarks: tuple[str, ...] = ()
    """What of the spec was not replayed."""
    aged: tuple[Aged, ...] = ()
    """For the picture of models by time; empty where only what served is known."""
