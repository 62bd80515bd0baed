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

    model_config = ConfigDict(from_attributes=True, frozen=True)

    metric: str
    difference: float | None
    """Staging less Production, in the metric's units."""
    error: float | None
    low: float | None
    high: float | None
    """The interval that holds at all looks together; None where it has no end yet."""


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
    looks: int
    looked_at: datetime | None
    exposed: int
    matured: int
    crossed: int
    """Units that were seen in both arms."""
    mismatch: float | None
    """How sure it is that the arms have other shares than they should: sure below .001."""
    effects: tuple[SplitEffect, ...]
    answer: Answer | None
    says: str
    """The last look in words; empty before it."""
    outcome: str | None
    """How it has ended; None while it goes on."""
    ended: datetime | None
    ended_why: str | None


class SplitStates(BaseModel):
    """The newest split tests of a model, the newest first: five at most."""

    model_config = ConfigDict(frozen=True)

    splits: tuple[SplitState, ...]
