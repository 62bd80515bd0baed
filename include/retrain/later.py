"""Records of what comes after promotion: how Production does on rows that are labelled later.

    Cohort score ─▶ Look ─▶ Incident

Values of their own beside `retrain.records`: no step of a cycle hands them to another.
"""

from datetime import datetime
from typing import Literal

from retrain.records import Record, VersionId


class SliceOfCohort(Record):
    """The score on a part of a cohort that the gate guards."""

    name: str
    rows: int
    score: float | None


class CohortScore(Record):
    """How a version did on the rows of a cohort that were predicted while it was in Production.

    A cohort is the rows of some time, such as a week. Where Production changed in it, it has a score for each version.
    """

    model: str
    version: str
    identity: str | None
    begins: datetime
    ends: datetime
    metric: str
    positive: str | None = None
    labelled: int
    """Labelled rows of that time."""
    rows: int
    """Those that are scored: not among the rows that the version was made from, and at most `watch.at_most`."""
    score: float | None
    """None where it is undefined, as with one class alone."""
    error: float | None
    """Standard error of the score, by cluster."""
    interval: tuple[float, float] | None
    """95% interval of the score, from the bootstrap."""
    calibration: float | None = None
    """Expected calibration error; None without probabilities."""
    slices: tuple[SliceOfCohort, ...] = ()
    open: bool
    """Labels of its rows may still come: it has not ended, or not for `watch.maturity`."""
    digest: str
    """Of the keys and labels of all its rows: with another one it is scored again."""
    restated: int = 0
    """How often rows or labels changed after it was closed."""
    uri: str
    """The predictions, row by row; empty without a row."""
    unserved: int = 0
    """Labelled rows of that time for which nothing was served; they do not count."""
    asked: int = 0
    """Rows for which the version was asked what it says now, beside what was served."""
    skewed: int = 0
    """Those of them for which it says something else."""

    @property
    def of(self) -> VersionId:
        return VersionId(self.version, self.identity)


class Seen(Record):
    """The last cohorts, pooled, as one look saw them."""

    cohorts: int
    rows: int
    begins: datetime
    score: float | None
    error: float | None


class LiveLook(Record):
    """One look of an alarm at the cohorts that have closed. It is never changed, so that it can be computed again."""

    model: str
    scan: Literal["version", "anchor"]
    """Version: Production against its own verdict's promise. Anchor: whatever was Production against that of the
    gate's anchor, so that each refit's new promise does not hide a slow decay."""
    identity: str
    """Of the version that promised."""
    place: int
    """From 0."""
    began: datetime
    """When the scan began."""
    cohort: datetime
    """Beginning of the cohort that has closed since the look before; of several with few rows, of the first."""
    ends: datetime
    rows: int
    """Of the cohorts that have closed since the look before."""
    metric: str
    positive: str | None = None
    promised: float
    promised_error: float
    margin: float
    alpha: float
    windows: tuple[Seen, ...]
    z: float | None
    """How far the worst window is below the promise and the margin, in standard errors; None where none is defined."""
    window: int
    """Place of that window; -1 where there is none."""
    bound: float | None
    """What z had to exceed; None where nothing would have done."""
    alarm: bool


class Expected(Record):
    """What the gate's metric may be on rows whose labels are still to come: an estimate, and no ground of a promotion.

    It misses a change of the labels themselves.
    """

    model: str
    version: str
    metric: str
    positive: str | None
    since: datetime
    until: datetime
    """When the rows were predicted."""
    rows: int
    estimate: float
    interval: tuple[float, float]
    """Where the metric will be in 95 of 100 cases, once the labels are there, unless these have changed."""


class Trial(Record):
    """Staging against Production on labels that come after both, look by look, until it concludes by itself."""

    id: str
    """That of the verdict which it follows."""
    model: str
    candidate: str
    version: str
    identity: str | None
    production: str
    production_identity: str | None
    anchor: str | None
    """The version that it must hold against as well; None where that is Production."""
    anchor_identity: str | None
    metric: str
    positive: str | None
    threshold: float
    """What the gain over Production must exceed; below 0 in a proof of non-inferiority."""
    anchor_threshold: float | None
    alpha: float
    draws: int
    max_rows: int
    began: datetime
    """Rows that are labelled later than this count."""
    deadline: datetime

    @property
    def challenger(self) -> VersionId:
        return VersionId(self.version, self.identity)

    @property
    def against(self) -> VersionId:
        return VersionId(self.production, self.production_identity)

    @property
    def anchored(self) -> VersionId | None:
        return None if self.anchor is None else VersionId(self.anchor, self.anchor_identity)


class Sequence(Record):
    """What the looks of a trial until now have left of its draws, in a comparison with one version."""

    rows: int
    time: float
    """Share of the trial that has passed."""
    score: float
    other_score: float
    gain: float
    """A difference for the better, less what it must exceed."""
    worth: float
    """A gain that all of the trial's rows would show in 4 of 5 cases: with less in sight, it is dropped."""
    spent: int
    lost: int
    bound: float | None
    """What the gain had to exceed; None where nothing would have done."""
    floor: float | None
    """Below what it would have been dropped; None where nothing would."""
    alive: str
    able: str
    """Which draws go on: bits, in base 64."""
    answer: Literal["promote", "drop", "hold", "wait"]


class TrialLook(Record):
    """One look of a trial. It is never changed, so that it can be computed again until rows are erased."""

    trial: str
    place: int
    """From 0."""
    at: datetime
    rows: int
    """Later rows by now that none of the models knows."""
    corrected: int
    """Rows of before whose label is another one now; the trial counts the first."""
    uris: tuple[str, ...]
    """The predictions of the challenger, of Production, and of the anchor."""
    production: Sequence | None
    """None where the metric is not defined yet, or rows are too few."""
    anchor: Sequence | None = None


class TrialEnd(Record):
    """How a trial has ended."""

    outcome: Literal["promoted", "dropped", "held", "void"]
    why: str
    at: datetime
