"""Bodies about how Production does on rows that are labelled later."""

from datetime import datetime
from typing import Literal

from pydantic import BaseModel, ConfigDict

from retrain.later import Expected, LiveLook, SliceOfCohort


class LaterCohort(BaseModel):
    """How a version did on the rows of a cohort that were predicted while it was in Production."""

    # Not the ledger's own record: that holds an address in the snapshot store, which is not for callers.
    model_config = ConfigDict(from_attributes=True, frozen=True)

    version: str
    begins: datetime
    ends: datetime
    labelled: int
    """Labelled rows of that time."""
    rows: int
    """Those that are scored: the version was not made from them."""
    score: float | None
    """None where it is undefined, as with one class alone."""
    error: float | None
    """Standard error, by cluster."""
    interval: tuple[float, float] | None
    """95% interval."""
    calibration: float | None
    """Expected calibration error; None without probabilities."""
    slices: tuple[SliceOfCohort, ...]
    open: bool
    """Labels of its rows may still come."""
    restated: int
    """How often rows or labels changed after it was closed."""
    unserved: int
    """Labelled rows for which nothing was served; 0 where nothing says what was."""
    asked: int
    """Rows for which the version was asked what it says now, beside what was served."""
    skewed: int
    """Those of them for which it says something else."""


class Promised(BaseModel):
    """What a version promised, and from when to when it was in Production."""

    version: str
    since: datetime
    until: datetime | None
    """None for the version that is there now."""
    score: float | None
    """None where nothing promises yet."""
    error: float | None
    """Its standard error."""
    by: Literal["verdict", "first cohorts"] | None


class Now(BaseModel):
    """The last cohorts that have closed, pooled: four, or all of fewer."""

    begins: datetime
    ends: datetime
    rows: int
    score: float | None
    interval: tuple[float, float] | None
    """95% interval."""


class LaterTrend(BaseModel):
    """The mean score of the last four cohorts less that of the first four since a time."""

    since: datetime
    change: float
    interval: tuple[float, float]
    """95% interval of the change."""


class Alarm(BaseModel):
    """Production does worse than was promised, beyond chance and the margin."""

    scan: Literal["version", "anchor"]
    """Whose promise: that of the version in Production, or of the gate's anchor."""
    since: datetime
    until: datetime
    rows: int
    """Labelled between the two."""
    score: float
    promised: float
    lost: float
    """Above 0, also where a smaller score is better."""
    margin: float


class TrialStep(BaseModel):
    """One look of a trial: a difference for the better, and what would have ended it."""

    at: datetime
    rows: int
    gain: float
    promotes: float | None
    """Above this it is promoted; None where nothing would do."""
    drops: float | None
    """Below this it is dropped; None where nothing would."""


class TrialState(BaseModel):
    """A version in Staging that is held against Production on labels that come later."""

    version: str
    candidate: str
    production: str
    metric: str
    threshold: float
    """What the gain must exceed; below 0 for a margin."""
    alpha: float
    began: datetime
    deadline: datetime
    max_rows: int
    rows: int
    corrected: int
    """Labels that were corrected after they had been counted."""
    score: float | None
    production_score: float | None
    waits: bool
    """For its turn: trials of a model come one after the other."""
    outcome: Literal["promoted", "dropped", "held", "void"] | None
    """None while it goes on."""
    why: str | None
    ended: datetime | None
    steps: list[TrialStep]


class LaterRows(BaseModel):
    """Everything is empty until a first look, which `retrain-watch` makes once rows are labelled later."""

    model: str
    metric: str
    positive: str | None
    greater_is_better: bool
    cohort: str | None
    """Length of a cohort, as a spec writes it; None where the spec wants no scores of later rows."""
    looked_at: datetime | None
    """When `retrain-watch` last looked at the rows."""
    promised: float | None
    """What the version in Production promised."""
    promised_error: float | None
    now: Now | None
    """None before the first look at the version in Production."""
    trend: LaterTrend | None
    """Of the version in Production; None with fewer than eight cohorts, as few points show no trend."""
    expected: Expected | None
    """An estimate for rows whose labels are still to come."""
    alarms: list[Alarm]
    promises: list[Promised]
    """Of the versions that were in Production in the time of these cohorts, the oldest first."""
    cohorts: list[LaterCohort]
    """Of the last 60 cohorts, the oldest first: one for each version that was in Production in it."""
    looks: list[LiveLook]
    """The last look of each scan that goes on."""
    trials: list[TrialState]
    """The last five, the oldest first."""
