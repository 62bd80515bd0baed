"""Section `candidates`: the models that a cycle trains."""

from enum import StrEnum
from typing import Annotated, Self

from pydantic import (
    AfterValidator,
    BeforeValidator,
    Field,
    JsonValue,
    ValidationInfo,
    field_validator,
    model_validator,
)
from pydantic_core import PydanticCustomError

from retrain.spec.fields import Function, Section, Share, one_or_more, unique
from retrain.spec.search import MaybeSearch

BALANCED = "balanced"
"""In place of a column of weights."""


class Format(StrEnum):
    """How a model is written."""

    SKOPS = "skops"
    ONNX = "onnx"


def _with_skops(formats: tuple[Format, ...]) -> tuple[Format, ...]:
    unique(formats)
    if Format.SKOPS not in formats:
        raise PydanticCustomError("skops", "lacks skops, from which Retrain loads it; write [skops, onnx]")
    return formats


class CandidateSpec(Section):
    """A model that each cycle trains; the best of them on the validation rows meets the gate."""

    name: str = Field(pattern=r"^[A-Za-z0-9][A-Za-z0-9_.-]{0,62}$")
    """Up to 63 letters, digits, `_`, `.` and `-`; reports and messages call it so."""
    estimator: Function | None = None
    """`module:function`; the function takes `params` and returns an unfitted scikit-learn estimator."""
    # The default is validated as well: one of the two must be there.
    train: Function | None = Field(None, validate_default=True)
    """In its place: `module:function`; the function takes the rows, `params` and a context, and returns a fitted
    model."""
    params: dict[str, JsonValue] = Field(default_factory=dict)
    """Arguments of the function."""
    search: MaybeSearch = None
    """Parameters that trials look for, beside `params`."""
    fit: dict[str, JsonValue] = Field(default_factory=dict)
    """Keywords of the last step's `fit`."""
    sample_weight: str | None = Field(None, min_length=1)
    """How much each row counts: a column of the source, from `features` or `also_read`; or `balanced`, for which each
    class counts the same."""
    early_stopping: Share | None = None
    """Share of the training rows that says when a booster has enough trees: it does not learn from them. Rows that
    count as one stay together."""
    passes: int | None = Field(None, ge=1, le=10_000)
    """The last step learns by `partial_fit`, in so many passes over the rows; each is a step on the run."""
    stream: bool = False
    """Rows are read in batches and are never all in memory: the last step learns by `partial_fit`, in one pass or in
    `passes`."""
    # Not strict: after a validator a list does not come from JSON any more, and "strict" would refuse it for a tuple.
    format: Annotated[
        tuple[Format, ...], Field(strict=False), BeforeValidator(one_or_more), AfterValidator(_with_skops)
    ] = (Format.SKOPS,)
    """How the model is written: `skops`, or `[skops, onnx]` for a copy in ONNX beside it, which predicts the same."""

    @field_validator("train")
    @classmethod
    def _is_made_in_one_way(cls, train: str | None, info: ValidationInfo) -> str | None:
        if "estimator" in info.data and (info.data["estimator"] is None) == (train is None):
            raise PydanticCustomError("one", "needs one of estimator and train; write module:function for one of them")
        return train

    @model_validator(mode="after")
    def _does_itself_what_it_can(self) -> Self:
        own = ("fit", "early_stopping", "passes")
        if self.train is not None and (used := [name for name in own if getattr(self, name)]):
            raise PydanticCustomError("train", "{used}: is for estimator; let the function do it", {"used": used[0]})
        if self.early_stopping is not None and (self.passes is not None or self.stream):
            raise PydanticCustomError(
                "stops", "early_stopping is for boosters, which have no passes; remove one of them"
            )
        return self

    @model_validator(mode="after")
    def _searches_what_it_does_not_say(self) -> Self:
        space = (self.search.space if self.search is not None else None) or {}
        if twice := sorted({*space} & {*self.params}):
            raise PydanticCustomError(
                "search", "search: {name} stands in params as well; remove one of them", {"name": twice[0]}
            )
        return self

    @property
    def kind(self) -> str:
        """Which field names its function."""
        return "estimator" if self.train is None else "train"

    @property
    def function(self) -> str:
        """`module:function`."""
        return str(self.estimator or self.train)


def _one_or_more_with_unique_names(candidates: tuple[CandidateSpec, ...]) -> tuple[CandidateSpec, ...]:
    if not candidates:
        raise PydanticCustomError("none", "is empty; add a candidate")
    unique(tuple(candidate.name for candidate in candidates))
    return candidates


Candidates = Annotated[tuple[CandidateSpec, ...], AfterValidator(_one_or_more_with_unique_names)]
"""One or more, each with a name of its own."""
