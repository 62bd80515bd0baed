"""Section `gate`: when a challenger may replace Production."""

from difflib import get_close_matches
from enum import StrEnum
from typing import Annotated, Literal, Self

from pydantic import AfterValidator, BeforeValidator, Field, model_validator
from pydantic_core import PydanticCustomError

from retrain.labels import spelled
from retrain.metrics import METRICS, SCORER, described
from retrain.records import Proof
from retrain.spec.fields import Column, Section


def _a_class(value: object) -> str | None:
    """Take a class as YAML writes it: text, a number, true or false."""
    if value is None:
        return None
    if not isinstance(value, str | int | float):
        raise PydanticCustomError("class", "input should be text, a number, true or false")
    return spelled(value)


def _a_metric(name: str) -> str:
    if name in METRICS or (name.removeprefix(SCORER).isidentifier() and name.startswith(SCORER)):
        return name
    close = get_close_matches(name, METRICS, n=1)
    hint = f"did you mean {close[0]}?" if close else f"use one of {', '.join(METRICS)}"
    raise PydanticCustomError(
        "metric", "is not a metric; {hint} or {scorer}<name> for a scorer", {"hint": hint, "scorer": SCORER}
    )


MetricName = Annotated[str, AfterValidator(_a_metric)]

Class = Annotated[str | None, BeforeValidator(_a_class)]
"""A class by its spelling (`retrain.labels`)."""


class Measured(Section):
    """A metric, and the class that it is about, if it is about one."""

    metric: MetricName
    """One of the metrics that docs/gate.md lists, or `sklearn:<name>` for a scorer of scikit-learn."""
    positive: Class = None
    """The class, for a metric of one class."""

    @model_validator(mode="after")
    def _about_a_class(self) -> Self:
        of_class = described(self.metric).of_class
        if of_class and self.positive is None:
            raise PydanticCustomError(
                "positive", "{metric} is about one class; name it as positive", {"metric": self.metric}
            )
        if not of_class and self.positive is not None and not self.metric.startswith(SCORER):
            raise PydanticCustomError(
                "positive",
                "positive is not for {metric}, which is about all classes; remove it",
                {"metric": self.metric},
            )
        return self


class Limit(Measured):
    """A floor, a ceiling or both for a further metric."""

    floor: float | None = None
    """The challenger must reach it."""
    ceiling: float | None = None
    """The challenger must not exceed it."""

    @model_validator(mode="after")
    def _limits_something(self) -> Self:
        if self.floor is None and self.ceiling is None:
            raise PydanticCustomError("limit", "limits nothing; set floor or ceiling")
        return self


class Slice(Section):
    """A part of the holdout on which the challenger must not be worse."""

    column: Column
    """A feature."""
    value: str | int | float | bool | None = None
    """The rows with this value. Without it, the rows from `least` up to, but without, `below`."""
    least: float | None = None
    """Of a range: the least value in it; without it there is no least."""
    below: float | None = None
    """Of a range: all its values are below this; without it there is no greatest."""
    margin: Annotated[float, Field(ge=0)]
    """How much worse than Production it may be, in units of the gate's metric."""
    min_rows: int = Field(30, ge=2)
    """Fewer clusters than this are INCONCLUSIVE."""

    @model_validator(mode="after")
    def _selects_rows(self) -> Self:
        if (self.value is None) == (self.least is None and self.below is None):
            raise PydanticCustomError(
                "slice", "needs either a value or a range; set value, or one or both of least and below"
            )
        return self

    def __str__(self) -> str:
        if self.value is not None:
            return f"{self.column} = {spelled(self.value)}"
        least = "" if self.least is None else f"{self.least:g} <= "
        return f"{least}{self.column}" + ("" if self.below is None else f" < {self.below:g}")


class Spending(StrEnum):
    """How the tests of a round share its alpha."""

    EARLY = "early"
    EVEN = "even"


class Gate(Measured):
    """When a challenger may replace Production."""

    metric: MetricName = "f1_macro"
    floor: float | None = Field(None, le=1)
    """The challenger must reach it, with or without a Production to compare with; 0.5 if greater is better."""
    ceiling: float | None = Field(None, gt=0)
    """The challenger must not exceed it, if smaller is better."""
    proof: Proof = Proof.AUTO
    """Superiority: a gain of more than `min_gain`. Non-inferiority: a loss of less than `margin`, against Production
    and against the anchor. Auto: non-inferiority for the recipe of Production, superiority for another."""
    min_gain: float = Field(0, ge=0)
    """For superiority: the gain that must be exceeded, in units of the metric."""
    margin: Annotated[float | None, Field(gt=0)] = None
    """For non-inferiority: the loss that must be excluded, in units of the metric. Default: 0.01 where 1 is the best
    score, or else a hundredth of Production's score."""
    alpha: Annotated[float, Field(gt=0, le=0.5)] = 0.05
    """Probability of promoting what the proof excludes within one round of the holdout, over all its tests together."""
    tests: int = Field(5, ge=1)
    """Tests that one round of the holdout allows."""
    spending: Spending = Spending.EARLY
    """Which part of alpha each test gets. Early: a half, a quarter and so on; the last two get the same. Even: equal
    parts."""
    round_rows: int = Field(500, ge=1)
    """New holdout rows that open the next round; split by group, new groups."""
    min_rows: int = Field(100, ge=2)
    """Fewer clusters of holdout rows than this are INCONCLUSIVE."""
    min_positives: int = Field(100, ge=1)
    """For a metric of one class, fewer clusters with a row of `positive` are INCONCLUSIVE, too: a test on so few
    promotes more often than alpha allows."""
    max_overlap: Annotated[float, Field(ge=0, le=1)] = 0.05
    """Greatest share of holdout rows left out because one of the two was trained on them."""
    limits: tuple[Limit, ...] = ()
    """Further metrics that the challenger must reach, or not exceed."""
    slices: tuple[Slice, ...] = ()
    """Parts of the holdout on which the challenger must not be worse."""
    max_ece: Annotated[float | None, Field(gt=0, le=1)] = None
    """Greatest expected calibration error of the challenger's probabilities."""
    max_share_shift: Annotated[float | None, Field(gt=0, le=1)] = None
    """Greatest difference between the share of a class among the predictions and among the labels."""
    max_latency_ms: Annotated[float | None, Field(gt=0)] = None
    """Greatest 95th percentile of the time for one row."""
    max_slowdown: Annotated[float | None, Field(gt=0)] = None
    """Greatest time for one row, as a multiple of Production's."""
    max_growth: Annotated[float | None, Field(gt=0)] = None
    """Greatest size of the model's files, as a multiple of Production's."""
    min_train_share: float = Field(0.5, ge=0)
    """Fewest rows that it may be trained on, as a share of Production's."""
    signature: Literal["widened", "any"] = "widened"
    """Widened: it takes every column that Production takes, as a number or as text as that does."""

    @property
    def needs_latency(self) -> bool:
        return self.max_latency_ms is not None or self.max_slowdown is not None

    @property
    def limit(self) -> Limit:
        """The limit of the gate's own metric."""
        floor = 0.5 if self.floor is None and self.ceiling is None else self.floor
        return Limit(metric=self.metric, positive=self.positive, floor=floor, ceiling=self.ceiling)

    @model_validator(mode="after")
    def _can_be_passed(self) -> Self:
        faults = []
        greater, name = described(self.metric).greater_is_better, self.metric
        if not greater and self.floor is not None:
            faults.append(f"{name} is better when smaller, so it has no floor; set a ceiling")
        if not greater and self.ceiling is None:
            faults.append(f"{name} needs a ceiling: a first model must stay below it")
        if name.startswith(SCORER) and self.floor is None:
            faults.append(f"{name} needs a floor: a first model must reach it")
        if greater and self.ceiling is not None:
            faults.append(f"{name} is better when greater, so it has no ceiling; set a floor")
        if self.proof is Proof.SUPERIORITY and self.margin is not None:
            faults.append("margin has no use with proof: superiority; remove it, or set proof: auto")
        if faults:
            raise PydanticCustomError("gate", "{faults}", {"faults": "; and ".join(faults)})
        return self
