"""The records, in the order in which they follow from each other.

    source table ─▶ Snapshot ─▶ Candidate × n ─▶ Verdict ─▶ Promotion ─▶ Announcement

Each is a frozen value. Only these cross a task boundary, as JSON; nothing larger does.
"""

from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from enum import StrEnum
from typing import Any, Literal, NamedTuple, Self

from pydantic import BaseModel, ConfigDict, Field

from retrain.topics import Level, Topic


class Record(BaseModel):
    """A frozen value that goes through XCom, Postgres and HTTP as the same JSON."""

    # NaN is refused where it arises: Postgres would refuse it later, because it is not JSON.
    model_config = ConfigDict(frozen=True, extra="forbid", allow_inf_nan=False)

    def to_json(self) -> dict[str, Any]:
        return self.model_dump(mode="json")

    @classmethod
    def from_json(cls, value: dict[str, Any]) -> Self:
        return cls.model_validate(value)


class Subset(StrEnum):
    """Where a row of a snapshot may be used (DESIGN rule 3).

    `WAITING` rows will be a later round's holdout; `GAP` rows are neither trained nor judged on.
    """

    TRAIN = "train"
    VALIDATION = "validation"
    HOLDOUT = "holdout"
    WAITING = "waiting"
    GAP = "gap"


class Snapshot(Record):
    """The labelled rows as they were at one moment, as a Parquet file with the subset of every row."""

    id: str
    """Content digest: independent of row order, exact under duplicates."""
    model: str
    uri: str
    watermark: datetime | None
    """Greatest label time of its rows; None where the source has no label time."""
    taken_at: datetime | None = None
    """When its rows were read, by the clock of their database."""
    rows: int
    new_rows: int
    """Rows whose (key, label) the last consumed snapshot did not hold."""
    after: str | None = None
    """Id of that snapshot; None before the first."""
    since: datetime | None = None
    """It holds only rows that were labelled after this; None where it holds all."""
    subsets: dict[Subset, int]
    holdout_round: int
    """The holdout round that this snapshot judges in, from 1."""
    split_version: int = 1
    """From 1; a changed split begins the next. Snapshots of one split version share its holdout rounds."""
    span: tuple[datetime, datetime] | None = None
    """First and last label time of the holdout round, as they were when it opened; None unless split by time."""
    content: str | None = None
    """Digest of the file after rows were erased from it; None where it is still the id."""


class Check(Record):
    """What one check found in a snapshot, before anything is trained on it."""

    name: str
    """Its name in the spec's section `checks`."""
    passed: bool
    blocks: bool
    """Whether the cycle ends if it fails."""
    says: str
    """What was found, where, and the limit."""
    count: int
    """Rows at fault, or columns where the check is about columns."""
    keys: tuple[str, ...] = ()
    """Keys of some of these rows, if it failed."""

    @property
    def result(self) -> Literal["passed", "warned", "blocked"]:
        if self.passed:
            return "passed"
        return "blocked" if self.blocks else "warned"


class Candidate(Record):
    """One trained model, not yet a registered version."""

    id: str
    model: str
    name: str
    snapshot: str
    run_id: str
    parent_run_id: str
    metric: str
    train_score: float
    validation_score: float
    train_rows: int
    recipe: str | None = None
    """Digest of how it was made (`models.recipe`), if known."""


@dataclass(frozen=True)
class ModelFile:
    """A model file that Retrain logged or a person adopted, and the digest that proves it."""

    uri: str
    digest: str
    model: str
    name: str
    """Name of the candidate."""
    snapshot: str | None
    """None where nothing is known about the rows that it was trained on."""
    run_id: str | None
    subsets: tuple[Subset, ...]
    """The subsets of the snapshot that it was trained on."""
    made_at: datetime | None = None
    """Set for an adopted one: it was made by then, so it was not trained on rows that were labelled later."""
    recipe: str | None = None
    """Digest of how it was made (`models.recipe`), if known."""
    identity: str = ""
    """What a version that is made of it is known by, beside its number: see `tracker.entities.ModelVersion`."""
    adopted: bool = False
    """Whether a person answers for it: whatever its types are, it is loaded as long as its digest is this one."""
    python: str | None = None
    """Name of the interpreter that it is loaded with (`RETRAIN_PYTHONS`); None for this one."""

    def __post_init__(self) -> None:
        if not self.identity:  # a logged model, whose id is its URI
            object.__setattr__(self, "identity", self.uri.removeprefix("models:/"))


class Outcome(StrEnum):
    PROMOTE = "PROMOTE"
    HOLD = "HOLD"
    INCONCLUSIVE = "INCONCLUSIVE"


class Proof(StrEnum):
    """What the holdout must show about a challenger, beyond chance."""

    SUPERIORITY = "superiority"
    NON_INFERIORITY = "non_inferiority"
    AUTO = "auto"
    """Non-inferiority for the recipe of Production, superiority for another. A verdict stores which of the two."""


class Cause(StrEnum):
    """Why a verdict is HOLD."""

    WORSE = "worse"
    """The holdout shows that the challenger is worse, by a proof of non-inferiority worse by more than the margin."""
    UNDECIDED = "undecided"
    """Neither that nor what the proof asks for is shown, mostly for want of rows, so Production stays."""
    GUARD = "guard"
    """A condition beside the comparison is not met."""
    ANCHOR = "anchor"
    """Against Production it is good enough, against the gate's anchor it is not shown to be."""


class Matchup(Record):
    """Which version is judged against which: the identity of a verdict, known before any score."""

    id: str
    model: str
    candidate: str
    snapshot: str
    run_id: str
    version: str | None
    """The registered version; None in a dry run, which registers nothing."""
    identity: str | None = None
    """What the version is known by beside its number, which can be given anew."""
    production: str | None
    """The version that it is judged against; None where there was no Production."""
    production_identity: str | None = None
    anchor: str | None = None
    """The version that no chain of promotions may fall behind by more than the margin, if that is not Production:
    see `gate.anchor`."""
    anchor_identity: str | None = None
    same_recipe: bool = False
    """Whether the challenger is made as Production is: `models.recipe`."""
    split_version: int = 1
    """Of the snapshot."""
    holdout_round: int
    test: int
    """How many times the round's holdout has been used, this time included: from 1."""
    dry_run: bool = False


class Guard(Record):
    """One condition beside the comparison. Not computable is failed."""

    name: str
    passed: bool
    says: str
    computed: bool = True
    """False if it failed because it could not be computed: then nothing is known, which is no evidence against it."""


class SliceScore(Record):
    """The scores of both on a part of the holdout that the spec guards."""

    name: str
    rows: int
    score: float | None
    production_score: float | None
    interval: tuple[float, float] | None
    """95% interval of the difference."""


_STANDARD_ERRORS = 3.92
"""In a 95% interval."""


class Verdict(Record):
    """PROMOTE, HOLD or INCONCLUSIVE, with the numbers behind it. Scores are raw, never sign-flipped."""

    matchup: Matchup
    outcome: Outcome
    reason: str
    metric: str
    score: float | None
    production_score: float | None
    difference: float | None
    """Challenger minus Production, in the metric's own direction: below 0 is better where smaller is better."""
    interval: tuple[float, float] | None
    """95% interval of the difference, from the paired bootstrap."""
    score_interval: tuple[float, float] | None = None
    production_interval: tuple[float, float] | None = None
    """95% intervals of the two scores, from the same bootstrap."""
    positive: str | None = None
    """The class that the metric is about, if it is about one."""
    cause: Cause | None = None
    """Set for HOLD alone."""
    anchors: bool = False
    """Whether, promoted, it becomes the gate's anchor."""
    proof: Proof = Proof.SUPERIORITY
    threshold: float = 0.0
    """What the gain must exceed; below 0 in a proof of non-inferiority. A gain is a difference for the better."""
    p_value: float | None
    """One-sided: from the paired permutation test where the threshold is 0, else from the paired bootstrap."""
    alpha: float
    """The bound for p in this test."""
    tests: int
    """How many tests the round's holdout allows."""
    rows: int
    clusters: int
    right_to_wrong: int
    wrong_to_right: int
    smallest_gain: float | None
    """The gain that this holdout would show in 4 of 5 cases."""
    rows_needed: int | None = None
    """Where it is held for want of evidence: rows of a new round's holdout that would show a difference like this one
    in 4 of 5 cases. None where no number of rows would."""
    false_a_year: float | None = None
    """Promotions of what the proof excludes that the gate allows in a year, at most; None where the rate at which rows
    arrive is not known."""
    untrained: dict[str, str] = {}
    """Candidates of this cycle that could not be trained, by name, and why."""
    overlap: int
    """Holdout rows left out because one of the two was trained on them."""
    guards: tuple[Guard, ...] = ()
    slices: tuple[SliceScore, ...] = ()

    @property
    def score_error(self) -> float | None:
        """Standard error of the score, by its interval; None without one."""
        ends = self.score_interval
        return None if ends is None else (ends[1] - ends[0]) / _STANDARD_ERRORS

    @property
    def result(self) -> str:
        """The outcome, and the cause of a HOLD: `HOLD (undecided)`."""
        return self.outcome if self.cause is None else f"{self.outcome} ({self.cause})"


class VersionId(NamedTuple):
    """What names a version: MLflow gives the numbers of a deleted model anew, so a number alone does not."""

    number: str
    identity: str | None
    """See `tracker.entities.ModelVersion`."""


class Move(StrEnum):
    """What kind of change of Production a promotion is."""

    FORWARD = "forward"
    ROLLBACK = "rollback"
    BY_HAND = "by_hand"
    """Made outside of Retrain, and noticed afterwards."""


class Promotion(Record):
    """One row of the ledger: Production changed from one version to another, on a verdict or by a person."""

    model: str
    seq: int
    kind: Move = Move.FORWARD
    from_version: str | None
    to_version: str | None
    """None where a person removed Production."""
    from_identity: str | None = None
    to_identity: str | None = None
    """What the two versions are known by beside their numbers: MLflow gives numbers anew when a model is deleted."""
    verdict: str | None
    """Id of the verdict; None for a change made by a person."""
    by: str
    why: str
    at: datetime
    applied_at: datetime | None = None
    superseded_at: datetime | None = None

    @property
    def went(self) -> VersionId | None:
        return None if self.from_version is None else VersionId(self.from_version, self.from_identity)

    @property
    def came(self) -> VersionId | None:
        return None if self.to_version is None else VersionId(self.to_version, self.to_identity)


LONGEST_FREEZE = 365  # days that one may last


class Freeze(Record):
    """A time in which no version goes forward into Production; a rollback may."""

    model: str | None
    """None for every model."""
    why: str
    by: str
    until: datetime
    split: str | None = None
    """Id of the split test that holds other versions back until it ends; no person ends it as a freeze."""

    def __str__(self) -> str:
        """Return the freeze as a clause."""
        return f"{self.subject} is frozen until {self.until.astimezone(UTC):%F %H:%M} UTC by {self.by}: {self.why}"

    @property
    def subject(self) -> str:
        """Return what is frozen, as the subject of a sentence."""
        return "Production of every model" if self.model is None else "Production"


def _level_of_topic(given: dict[str, Any]) -> Level:
    topic: Topic | None = given.get("topic")
    return Level.ERROR if topic is None else topic.level


class Incident(Record):
    """Something that went wrong or was done by hand, and that the team must know."""

    model: str
    topic: Topic | None = None
    """None where a version of Retrain stored it that knew no topics."""
    level: Level = Field(default_factory=_level_of_topic)
    what: str
    remedy: str
    facts: dict[str, Any] = {}


class Fault(Record):
    """An incident that lasts until its cause is gone."""

    name: str
    """Stays the same while the fault lasts."""
    incident: Incident
    after: timedelta = timedelta(0)
    """How long it must last before the team is told."""


class Announcement(Record):
    """A message to the team: made from a Verdict, a Promotion or an Incident, and from nothing else."""

    model: str
    kind: Literal["verdict", "promotion", "incident"]
    topic: Topic | None = None
    """None where a version of Retrain stored it that knew no topics."""
    level: Level = Field(default_factory=_level_of_topic)
    headline: str
    numbers: tuple[tuple[str, str], ...] = ()
    """The numbers that matter: the name and the value of each."""
    act: str = ""
    """What the team should do; empty where there is nothing to do."""
    links: tuple[tuple[str, str], ...] = ()
    """Where to look: a name and an address each."""
    facts: dict[str, Any]
    """The record that it was made from."""
