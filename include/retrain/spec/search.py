"""Section `search` of a candidate: parameters that trials look for."""

from enum import StrEnum
from math import floor
from typing import Annotated, Any, Literal, Self

from pydantic import (
    AfterValidator,
    BeforeValidator,
    Field,
    FiniteFloat,
    StrictBool,
    StrictFloat,
    StrictInt,
    model_validator,
)
from pydantic_core import PydanticCustomError

from retrain.spec.fields import Duration, Function, Section, some_time

Choice = StrictBool | StrictInt | StrictFloat | str | None
Numbers = Annotated[tuple[FiniteFloat, FiniteFloat], Field(strict=False)]
WholeNumbers = Annotated[tuple[StrictInt, StrictInt], Field(strict=False)]
Choices = Annotated[tuple[Choice, ...], Field(min_length=1, max_length=1_000, strict=False)]


def _as_choices(value: object) -> object:
    return value if isinstance(value, list | tuple) else [value]


class Range(Section):
    """Values that one parameter may have: whole numbers, numbers or choices, one of the three."""

    int: WholeNumbers | None = None
    """`[least, greatest]`, both among them."""
    float: Numbers | None = None
    """`[least, greatest]`, both among them."""
    choice: Choices | None = None
    """The values themselves."""
    log: bool = False
    """Whether equal ratios count as equal steps."""
    step: Annotated[FiniteFloat, Field(gt=0)] | None = None
    """Distance between two values; of whole numbers 1 by default."""
    when: dict[str, Annotated[Choices, BeforeValidator(_as_choices)]] = Field(default_factory=dict)
    """Other parameters, above this one, with the values at which this one is used at all."""

    @model_validator(mode="after")
    def _holds_values(self) -> Self:
        kinds = [name for name in ("int", "float", "choice") if getattr(self, name) is not None]
        if len(kinds) != 1:
            raise PydanticCustomError("kind", "needs one of int, float and choice; write for example float: [0.1, 10]")
        if self.choice is not None:
            if self.log or self.step is not None:
                raise PydanticCustomError("choice", "log and step are for numbers; remove them")
            if len({(type(each), each) for each in self.choice}) < len(self.choice):
                raise PydanticCustomError("twice", "names a choice twice; name each once")
            return self
        low, high = self.bounds
        if low > high:
            raise PydanticCustomError(
                "empty", "holds no value, as {low} is above {high}; write the least first", {"low": low, "high": high}
            )
        if self.log and low <= 0:
            raise PydanticCustomError("log", "log needs values above 0, and the least is {low}", {"low": low})
        if self.log and self.step is not None:
            raise PydanticCustomError("log", "log and step exclude each other; remove one")
        if self.int is not None and self.step is not None and self.step != round(self.step):
            raise PydanticCustomError("step", "step of whole numbers must be one; write for example 2")
        return self

    @property
    def bounds(self) -> tuple[Any, Any]:
        """The least and the greatest number."""
        bounds = self.int or self.float
        assert bounds is not None  # noqa: S101 - see `_holds_values`
        return bounds

    @property
    def values(self) -> tuple[Any, ...] | None:
        """All values, in their order; None where there is no end of them."""
        if self.choice is not None:
            return self.choice
        low, high = self.bounds
        if self.int is not None:
            return tuple(range(low, high + 1, round(self.step or 1)))
        if self.step is None:
            return None
        # A step of 0.1 is never exact: the last value may be above by its rounding error.
        return tuple(low + place * self.step for place in range(floor((high - low) / self.step + 1e-9) + 1))


class Sampler(StrEnum):
    """How parameters are chosen."""

    TPE = "tpe"
    """Where good ones were so far (tree-structured Parzen estimators)."""
    RANDOM = "random"
    GRID = "grid"
    """Each point of the space, once."""
    CMA_ES = "cma-es"
    """By a distribution that moves towards good ones; of numbers only, choices are drawn at random."""


class Pruner(Section):
    """Ends a trial that does worse, step by step, than those before it."""

    kind: Literal["median", "halving", "hyperband"] = "median"
    """Median: worse than half of the trials before at the same step. Halving, hyperband: in rounds, from which a third
    goes on."""
    metric: str = Field(pattern=r"^validation_[\w.-]{1,200}$")
    """Which metric by step, as the run in MLflow shows it, such as `validation_binary_logloss`."""
    goal: Literal["min", "max"] = "min"
    """Whether a small or a great value is good."""
    every: int = Field(10, ge=1)
    """Steps between two looks: with those of other trials only equal steps are compared."""
    after_steps: int = Field(5, ge=0)
    """Steps of a trial before it may be ended."""
    after_trials: int = Field(5, ge=1)
    """Trials before one may be ended; of `median`."""


Space = dict[str, Range]


def _conditions_stand_above(space: Space) -> Space:
    if not space:
        raise PydanticCustomError("empty", "is empty; name a parameter, or remove search")
    above = dict[str, Range]()
    for name, range_ in space.items():
        for other, wanted in range_.when.items():
            if other not in above:
                raise PydanticCustomError(
                    "when",
                    "{name}.when: {other} does not stand above it; name a parameter of this space before it",
                    {"name": name, "other": other},
                )
            known = above[other].values
            if known is None or (strange := [each for each in wanted if each not in known]):
                raise PydanticCustomError(
                    "when",
                    "{name}.when: {other} never is {what}; name one of its values",
                    {"name": name, "other": other, "what": repr(wanted[0] if known is None else strange[0])},
                )
        above[name] = range_
    return space


class Search(Section):
    """Trials that look for a candidate's parameters; the best ones meet the other candidates on validation rows."""

    space: Annotated[Space, AfterValidator(_conditions_stand_above)] | None = None
    """The parameters and their ranges."""
    function: Function | None = None
    """In its place: `module:function`; the function takes a trial of Optuna's and returns parameters."""
    trials: int = Field(20, ge=1, le=10_000)
    """Greatest number of trials of a cycle."""
    time: Annotated[Duration, AfterValidator(some_time)] | None = None
    """After so long no trial begins."""
    stop_after: int | None = Field(None, ge=1)
    """Trials without a better one after which none begins."""
    parallel: int = Field(2, ge=1, le=1_000)
    """Greatest number of trials at the same time."""
    per_task: int = Field(1, ge=1, le=100)
    """Trials that one task makes, one after the other: more where a trial takes less than a task's start."""
    sampler: Sampler = Sampler.TPE
    """How the next parameters are chosen."""
    seed: int = Field(0, ge=0, le=2**31 - 1)
    """What chance begins with."""
    pruner: Pruner | None = None
    cv: int | None = Field(None, ge=2, le=20)
    """Folds of training and validation rows together, by cluster, or by time where the split is; default: a trial is
    fitted on training rows and scored on validation rows."""
    keep: int = Field(1, ge=1, le=10)
    """How many of the best go on as candidates."""
    warm_start: bool = True
    """Whether the best parameters of the last cycle are tried first."""

    @model_validator(mode="after")
    def _can_be_sampled(self) -> Self:
        if (self.space is None) == (self.function is None):
            raise PydanticCustomError("one", "needs one of space and function; write a range for a parameter")
        if self.sampler is Sampler.GRID:
            if self.space is None:
                raise PydanticCustomError("grid", "sampler: grid needs space; write it, or another sampler")
            endless = [name for name, each in self.space.items() if each.values is None]
            if endless:
                raise PydanticCustomError(
                    "grid", "sampler: grid needs a step, and {name} has none; write one", {"name": endless[0]}
                )
        if self.pruner is not None and self.cv is not None:
            raise PydanticCustomError("pruner", "pruner and cv exclude each other: a fold has no steps of the trial")
        return self


def _or_function(value: object) -> object:
    return {"function": value} if isinstance(value, str) else value


MaybeSearch = Annotated[Search | None, BeforeValidator(_or_function)]
"""`search: module:function` is `search: {function: module:function}`."""
