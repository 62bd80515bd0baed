"""Bodies about split tests."""

from datetime import datetime
from typing import Literal

from pydantic import BaseModel, ConfigDict

Answer = Literal["promote", "drop", "same", "harm", "invalid", "undecided", "wait"]


class AssignmentOf(BaseModel):
    """What serves a unit now."""

    model_config = ConfigDict(frozen=True)

    model: str
    unit: str
    arm: Literal["production", "staging"]
    version: str | None
    """The version of this arm; None where nothing is in Production."""
    exposed: bool
    """Whether the unit is in a test: then, if `log` was true, its exposure was recorded."""
    split: str | None
    """Id of the test under way; None without one."""
    share: float
    """Staging's share of the units now."""


class SplitEffect(BaseModel):
    """What one metric shows at the last look."""

    model_config = ConfigDict(frozen=True)

    metric: str
    guardrail: bool
    """Else it decides."""
    greater_is_better: bool
    matters: float
    """Of the metric that decides, the smallest effect of interest; of a guardrail, the loss that is accepted."""
    difference: float | None
    """Staging less Production, in the metric's units."""
    error: float | None
    low: float | None
    high: float | None
    """The interval that holds at all looks together; None where it has no end yet."""


class SplitSeen(BaseModel):
    """One look, with what it showed of the metric that decides."""

    model_config = ConfigDict(frozen=True)

    at: datetime
    phase: int
    """Of the ramp, from 0."""
    exposed: int
    matured: int
    mismatch: float
    difference: float | None
    low: float | None
    high: float | None


class SplitState(BaseModel):
    """A split test and what it shows by now."""

    model_config = ConfigDict(frozen=True)

    split: str
    version: str
    production: str
    began: datetime
    ends: datetime
    by: str
    why: str
    share: float
    """Staging's share of the units now."""
    run_id: str | None
    """Its run in MLflow, whose report is at `/runs/{run_id}/report`."""
    seen: tuple[SplitSeen, ...]
    """All looks, the oldest first: one a day."""
    production_units: int
    """Exposed in this arm, by the last look."""
    staging_units: int
    exposed: int
    matured: int
    crossed: int
    """Units that were seen in both arms."""
    mismatch: float | None
    """How sure it is that the arms have other shares than they should: sure below .001."""
    effects: tuple[SplitEffect, ...]
    """Of the last look, the metric that decides first."""
    smallest: float | None
    """Gain of the metric that decides which the test, as it goes, finds by its end in 4 of 5 tests."""
    answer: Answer | None
    says: str
    """The last look in words; empty before it."""
    outcome: str | None
    """How it has ended; None while it goes on."""
    ended: datetime | None
    ended_why: str | None


class SplitNeedOf(BaseModel):
    """What one metric needs to be found out in 4 of 5 tests."""

    model_config = ConfigDict(from_attributes=True, frozen=True)

    metric: str
    mean: float
    """Of one exposed unit now."""
    effect: float
    """That is to be found, or, of a guardrail, ruled out as a loss."""
    days: int | None
    """Whole weeks; None where two years are not enough."""
    units: int | None
    """Exposed by then, in both arms."""
    smallest: float | None
    """What is found within the time of the test; None where nothing is."""


class SplitPlanOf(BaseModel):
    """How long a test would take, as it was asked for last."""

    model_config = ConfigDict(frozen=True)

    at: datetime
    longest: int
    """Days that the test lasts at most."""
    units: int
    """Exposed within them, in both arms."""
    enough: bool
    """Whether that is long enough, for each metric by itself."""
    needs: tuple[SplitNeedOf, ...]


class SplitStates(BaseModel):
    """The newest split tests of a model, the newest first: five at most."""

    model_config = ConfigDict(frozen=True)

    splits: tuple[SplitState, ...]
    plan: SplitPlanOf | None
