"""Section `ab`: a split test of Staging against Production, where the prediction changes the outcome."""

import json
from datetime import timedelta
from enum import StrEnum
from itertools import pairwise
from typing import Annotated, Any, Self

from pydantic import AfterValidator, Field, model_validator
from pydantic_core import PydanticCustomError

from retrain.spec.fields import Column, Duration, Section, Share, some_time, unique
from retrain.spec.table import Table

EXPOSURES = "ab.exposures"
"""What the table of exposures is called in messages."""
_WEEK = timedelta(days=7)


class Kind(StrEnum):
    """What a unit's outcome is."""

    BINARY = "binary"
    """Whether the unit has a row, or one whose value is not 0."""
    COUNT = "count"
    """How many rows it has, or the sum of their values."""
    AMOUNT = "amount"
    """A sum with heavy tails, such as revenue: values above `cap` count as that."""
    RATIO = "ratio"
    """The sum of one column over that of another, such as clicks a view."""


class Better(StrEnum):
    HIGHER = "higher"
    LOWER = "lower"


class Method(StrEnum):
    """How often the test may be looked at."""

    ALWAYS_VALID = "always_valid"
    """At any time: an asymptotic confidence sequence."""
    GROUP_SEQUENTIAL = "group_sequential"
    """Once a day until `longest`: alpha is spent over that time."""


class UnitTable(Table):
    """Rows about units."""

    unit: Column = "unit"
    """Column with what is split, such as a user's id; compared as text."""
    at: Column = "at"
    """Its time."""

    @property
    def columns(self) -> tuple[str, ...]:
        """Columns that are read, each once."""
        return tuple(dict.fromkeys((self.unit, self.at)))


class Exposures(UnitTable):
    """Which unit was shown the predictions of which arm, and when: a row each time, or the first time."""

    arm: Column = "arm"
    """Column with the arm that served the unit."""
    production: str = Field("production", min_length=1)
    """Value of `arm` for Production."""
    staging: str = Field("staging", min_length=1)
    """Value of `arm` for Staging."""

    @property
    def columns(self) -> tuple[str, ...]:
        return tuple(dict.fromkeys((self.unit, self.at, self.arm)))

    @model_validator(mode="after")
    def _has_two_arms(self) -> Self:
        if self.production == self.staging:
            raise PydanticCustomError("arms", "production and staging are one value; write the two that `arm` holds")
        return self


class OutcomeTable(UnitTable):
    """What units did, and when."""

    value: Column | None = None
    """Column with a number; without it, a row counts as 1."""
    per: Column | None = None
    """Column of which a ratio's denominator is the sum."""

    @property
    def columns(self) -> tuple[str, ...]:
        named = (self.unit, self.at, self.value, self.per)
        return tuple(dict.fromkeys(each for each in named if each is not None))


class Measured(Section):
    """A metric of a unit's outcomes after it was first exposed."""

    name: str = Field(pattern=r"^[a-z][a-z0-9_]{0,39}$")
    """In messages and reports."""
    kind: Kind = Kind.BINARY
    outcome: OutcomeTable
    window: Annotated[Duration, AfterValidator(some_time)] = _WEEK
    """Outcomes count within this time after a unit's first exposure. When it has passed, the unit has matured."""
    better: Better = Better.HIGHER
    """Which direction is a gain."""
    cap: Share | None = None
    """Share of the units of before the test, among those with an outcome, whose amounts are not cut: greater amounts
    count as the amount that is reached there. Default: 0.99 of an amount, and none of the others."""
    before: Annotated[Duration, AfterValidator(some_time)] | None = None
    """What the unit did within this time before its first exposure makes the estimate sharper (CUPED); its weight is
    fixed when the test begins."""

    @model_validator(mode="after")
    def _has_its_columns(self) -> Self:
        if (self.kind is Kind.RATIO) != (self.outcome.per is not None):
            raise PydanticCustomError("per", "a ratio needs outcome.per, and no other kind has it; add or remove it")
        if self.kind in (Kind.RATIO, Kind.AMOUNT) and self.outcome.value is None:
            raise PydanticCustomError("value", "needs outcome.value, the column with the number; name it")
        if self.cap is not None and self.kind not in (Kind.AMOUNT, Kind.COUNT):
            raise PydanticCustomError("cap", "cap is for amounts and counts; remove it")
        return self

    @property
    def quantile(self) -> float | None:
        """The share of `cap`, with its default."""
        return 0.99 if self.cap is None and self.kind is Kind.AMOUNT else self.cap

    @property
    def use(self) -> str:
        """What its table is read for, in messages."""
        return f"metric {self.name}"

    @property
    def sign(self) -> int:
        return 1 if self.better is Better.HIGHER else -1


class Guardrail(Measured):
    """A metric that must not suffer."""

    margin: float = Field(gt=0)
    """Loss that is accepted, in the metric's own units: Staging must be shown not worse than Production by more."""


class Phase(Section):
    """A step of the ramp."""

    share: Annotated[float, Field(gt=0, le=0.5)]
    """Share of the units that Staging serves; as many others are its control group."""
    at_least: Annotated[Duration, AfterValidator(some_time)] = _WEEK
    """How long the phase lasts before the next one may begin."""


class Holdout(Section):
    """Units that are in no test."""

    name: str = Field("holdout", pattern=r"^[A-Za-z0-9_.-]{1,40}$")
    """The same name in several specs keeps the same units out."""
    share: Share
    """How many of all units these are."""


class SplitTest(Section):
    """Units are split between Staging and Production; the test ends by itself, through the ledger."""

    # Not strict: see `trust`.
    ramp: Annotated[tuple[Phase, ...], Field(strict=False, min_length=1, max_length=10)] = (
        Phase(share=0.01),
        Phase(share=0.1),
        Phase(share=0.5),
    )
    """Staging's share, phase by phase: the next one begins after `at_least` without harm or mismatch."""
    exposures: Exposures | None = None
    """A table of your own; without it, what `GET …/assignment` answered with `log=true`."""
    primary: Measured
    """What decides."""
    guardrails: Annotated[tuple[Guardrail, ...], Field(strict=False, max_length=20)] = ()
    """Each must be shown not worse than its margin before anything is promoted; harm to one ends the test."""
    effect: float = Field(gt=0)
    """Smallest effect of interest, in the units of `primary`."""
    shortest: Annotated[Duration, AfterValidator(some_time)] = timedelta(days=14)
    """Before it, the test ends for harm or mismatch alone; whole weeks."""
    longest: Annotated[Duration, AfterValidator(some_time)] = timedelta(days=56)
    """After it, it ends undecided; whole weeks."""
    alpha: Annotated[float, Field(gt=0, le=0.2)] = 0.05
    """False conclusions among tests of equal models, over all looks: half of it for promotion, half for harm."""
    method: Method = Method.ALWAYS_VALID
    holdout: Holdout | None = None

    @model_validator(mode="after")
    def _is_possible(self) -> Self:
        faults = []
        for name in ("shortest", "longest"):
            if getattr(self, name) % _WEEK:
                faults.append(f"{name} is not whole weeks, and weekdays differ; write 14d, 21d or so")
        if self.longest < self.shortest:
            faults.append("longest is less than shortest; set it to at least that")
        if sum((each.at_least for each in self.ramp[:-1]), timedelta()) >= self.longest:
            faults.append("the phases before the last one take all of longest; shorten at_least")
        shares = [each.share for each in self.ramp]
        if any(one >= other for one, other in pairwise(shares)):
            faults.append("the ramp's shares do not rise; write them from the least to the greatest")
        if faults:
            raise PydanticCustomError("ab", "{faults}", {"faults": "; and ".join(faults)})
        unique(tuple(each.name for each in (self.primary, *self.guardrails)))
        return self

    @classmethod
    def stored(cls, section: dict[str, Any]) -> Self:
        """Read a section that was stored as JSON."""
        return cls.model_validate_json(json.dumps(section))

    @property
    def metrics(self) -> tuple[Measured, ...]:
        return (self.primary, *self.guardrails)

    def interest(self, metric: Measured) -> float:
        """Return the smallest change of a metric that matters, in its units."""
        return metric.margin if isinstance(metric, Guardrail) else self.effect

    @property
    def tables(self) -> dict[str, UnitTable]:
        """Each table that is read, by the field that names it."""
        own = {} if self.exposures is None else {EXPOSURES: self.exposures}
        guardrails = {f"ab.guardrails.{place}.outcome": each.outcome for place, each in enumerate(self.guardrails)}
        return {**own, "ab.primary.outcome": self.primary.outcome, **guardrails}

    @property
    def uses(self) -> dict[str, UnitTable]:
        """Each table that is read, by what it is read for."""
        own = {} if self.exposures is None else {EXPOSURES: self.exposures}
        return {**own, **{each.use: each.outcome for each in self.metrics}}
