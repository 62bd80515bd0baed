"""Records of split tests: what units did that Staging served, and what those did that Production served.

    Split ─▶ Split look ─▶ Split end

Values of their own beside `retrain.records`: no step of a cycle hands them to another.
"""

from datetime import datetime
from typing import Any, Literal

from pydantic import Field

from retrain.records import Record, VersionId

SURE = 0.001
"""Below this p-value of the mismatch, the arms' shares are wrong."""


class Baseline(Record):
    """What is fixed of a metric when a test begins, by the rows of before."""

    metric: str
    units: int
    """First exposed in a time as long as the metric's window; else, with an outcome: see `exposed`."""
    mean: float
    deviation: float
    """Of the metric of one unit, once capped and adjusted; of a ratio, of its linear form."""
    cap: float | None
    """Greater values count as this."""
    weight: float
    """Of the value of before in the estimate (CUPED); 0 without."""
    weight_per: float = 0.0
    """The same for a ratio's denominator."""
    before: float = 0.0
    """Mean of the value of before. The estimate takes that of the test's own units, both arms of a phase together."""
    before_per: float = 0.0
    exposed: bool = False
    """Whether the units were exposed. Else there were no exposures, and these are the units with an outcome alone: the
    mean is not that of units who are shown something, most of whom may have none."""


class PlannedPhase(Record):
    """A phase of the ramp, before the test begins."""

    share: float
    """Of the units, in Staging."""
    begins: int
    """Its first day, from 0."""
    units: int
    """First exposed in it, in both arms."""


class SplitNeed(Record):
    """What one metric needs to be found out."""

    metric: str
    mean: float
    deviation: float
    """Of one exposed unit, by the rows of before."""
    effect: float
    """That is to be found, in the metric's units: of the primary metric the effect of interest, of a guardrail its
    margin, which is to be ruled out where nothing has changed."""
    days: int | None
    """Until it is in 4 of 5 tests, whole weeks; None where two years are not enough."""
    units: int | None
    """Exposed by then, in both arms."""
    smallest: float | None
    """What is found within `longest` in 4 of 5 tests; None where nothing is."""


class SplitPlan(Record):
    """What a test needs, and finds, by the rows of before."""

    phases: tuple[PlannedPhase, ...]
    needs: tuple[SplitNeed, ...]
    """One a metric, the primary one's first."""
    longest: int
    """Days that the test lasts at most."""
    units: int
    """Exposed within them, in both arms."""
    enough: bool
    """Whether that is long enough, for each metric by itself."""


class Split(Record):
    """A test, as it was when it began."""

    id: str
    """Which assignment follows from."""
    model: str
    version: str
    identity: str | None
    """Of Staging."""
    production: str
    production_identity: str | None
    began: datetime
    ends: datetime
    """At the latest."""
    by: str
    why: str
    """The person who began it, and the reason."""
    baselines: tuple[Baseline, ...]
    """One a metric, the primary one first."""
    section: dict[str, Any] = Field(default_factory=dict)
    """The spec's `ab` when it began."""
    run_id: str | None = None
    """The test's run in MLflow, which has its numbers and its report."""
    plan: SplitPlan | None = None
    """None where it was not known how many units come."""

    @property
    def challenger(self) -> VersionId:
        return VersionId(self.version, self.identity)

    @property
    def against(self) -> VersionId:
        return VersionId(self.production, self.production_identity)


class SplitStep(Record):
    """A change of a test while it runs: its next phase, or another end."""

    phase: int
    """From 0; the one that is under way after it."""
    began: datetime
    """When that phase began."""
    ends: datetime
    by: str | None = None
    """A person, where one asked for it."""
    why: str = ""
    key: str = ""
    """Of the call that asked for it."""


class Sums(Record):
    """Sums over the matured units of one arm, phase and metric, each unit's values capped and adjusted.

    y is a unit's value, d its denominator: 1 but in a ratio.
    """

    units: int
    y: float
    d: float
    yy: float
    dd: float
    yd: float


class Pair(Record):
    """Both arms in one phase."""

    production: Sums
    staging: Sums


class Exposed(Record):
    """Units that were first exposed on one day."""

    day: datetime
    phase: int
    production: int
    staging: int


class Effect(Record):
    """What one metric shows at a look."""

    metric: str
    phases: tuple[Pair, ...]
    difference: float | None
    """Staging less Production, in the metric's units; None where nothing can be computed yet."""
    error: float | None
    """Its standard error."""
    low: float | None
    high: float | None
    """The interval that holds at all looks together."""


class Counts(Record):
    """Rows that do not count as they are, or are strange."""

    exposed: int
    matured: int
    crossed: int
    """Units that were seen in both arms: each counts in its first one."""
    before: int
    """Outcomes before a unit's first exposure."""
    late: int
    """Outcomes after its window. `matured`, `before` and `late` are of the primary metric."""
    incomplete: int = 0
    """Exposures without a unit, an arm or a time: they are not used."""


class SplitLook(Record):
    """One look at a test. It is never changed, so that it can be computed again."""

    split: str
    place: int
    """From 0."""
    at: datetime
    ends: datetime
    """When the test was to end, as it was at the look: how much of alpha was spent follows from it."""
    phase: int
    """Of the ramp, from 0, as it was at the look."""
    days: tuple[Exposed, ...]
    counts: Counts
    mismatch: float
    """How sure it is that the arms have other shares than they should, over all looks: sure below .001."""
    effects: tuple[Effect, ...]
    """The primary metric's first."""
    answer: Literal["promote", "drop", "same", "harm", "invalid", "undecided", "wait"]
    why: str
    smallest: float | None = None
    """Gain of the primary metric, in its units, that the test as it goes shows by its end in 4 of 5 tests; None where
    there is no interval yet."""


class SplitEnd(Record):
    """How a test has ended."""

    outcome: Literal["promoted", "dropped", "same", "harm", "invalid", "undecided", "stopped", "void"]
    why: str
    at: datetime
    by: str | None = None
    """A person, where one stopped it."""
    key: str = ""
    """Of the call that stopped it."""
