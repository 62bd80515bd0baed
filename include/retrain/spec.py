"""What to keep good, and how: one strict, frozen value per spec file.

`parse` turns plain data (as YAML gives it) into a `Spec`, or raises one `SpecError` that lists every fault.
Reading the files is `retrain.spec_files`; only structure is checked here, nothing is imported or connected.
"""

import json
import re
from collections.abc import Iterator
from difflib import get_close_matches
from enum import StrEnum
from typing import Annotated, Literal, Self

from pydantic import (
    AfterValidator,
    BaseModel,
    BeforeValidator,
    ConfigDict,
    Field,
    JsonValue,
    StringConstraints,
    ValidationError,
    ValidatorFunctionWrapHandler,
    WrapValidator,
    model_validator,
)
from pydantic_core import ErrorDetails, PydanticCustomError

from retrain.errors import SpecError

Column = Annotated[str, StringConstraints(min_length=1, max_length=63)]
Share = Annotated[float, Field(gt=0, lt=1)]


def _unique(values: tuple[str, ...]) -> tuple[str, ...]:
    twice = sorted({value for value in values if values.count(value) > 1})
    if twice:
        raise PydanticCustomError("twice", "names {twice} more than once; name each once", {"twice": ", ".join(twice)})
    return values


class _Part(BaseModel):
    model_config = ConfigDict(frozen=True, strict=True, extra="forbid", allow_inf_nan=False)


class Mode(StrEnum):
    ENFORCE = "enforce"
    """Promote what the gate lets through."""
    OBSERVE = "observe"
    """Judge and tell, never promote."""


class Source(_Part):
    """Where the labelled rows are. They are only read."""

    connection: str = Field("postgres_default", min_length=1)
    """Id of an Airflow connection to PostgreSQL."""
    table: str | None = Field(None, pattern=r"^[^.\s]+(\.[^.\s]+)?$")
    """`table` or `schema.table`. Either this or `query`."""
    query: str | None = Field(None, pattern=r"^[^/\\]+\.sql$")
    """Name of a file with one SELECT, beside the spec."""
    key: Column
    """Column that identifies a row."""
    label: Column
    """Column with the class; empty until the row has been reviewed."""
    label_time: Column | None = None
    """Column that says when the label was set; makes the count of new rows an index scan."""
    features: Annotated[tuple[Column, ...], Field(min_length=1), AfterValidator(_unique)]
    """Columns that an estimator receives, in this order."""

    @model_validator(mode="after")
    def _can_be_read_and_learnt_from(self) -> Self:
        faults = []
        if (self.table is None) == (self.query is None):
            faults.append("names both or neither of table and query; name one of them")
        faults += [
            f"features hold {column}, which is the {role}; remove it"
            for role, column in (("key", self.key), ("label", self.label), ("label_time", self.label_time))
            if column in self.features
        ]
        if faults:
            raise PydanticCustomError("source", "{faults}", {"faults": "; and ".join(faults)})
        return self


class Threshold(_Part):
    rows: int = Field(1000, ge=1)
    """New labelled rows that start a cycle."""


class Split(_Part):
    """Shares of the content keys, fixed at the model's first snapshot; the rest is for training."""

    validation: Share = 0.2
    holdout: Share = 0.2

    @model_validator(mode="after")
    def _leaves_training_rows(self) -> Self:
        if self.validation + self.holdout >= 1:
            raise PydanticCustomError("no_training_rows", "leaves no rows for training; let the two sum to less than 1")
        return self


class CandidateSpec(_Part):
    name: str = Field(pattern=r"^[A-Za-z0-9][A-Za-z0-9_.-]{0,62}$")
    estimator: str = Field(pattern=r"^[A-Za-z_][\w.]*:[A-Za-z_]\w*$")
    """`module:function`; the function takes `params` and returns an unfitted scikit-learn estimator."""
    params: dict[str, JsonValue] = Field(default_factory=dict)


def _one_message(value: object, validate: ValidatorFunctionWrapHandler) -> object:
    """Of a union, pydantic would tell what each of its types has against the value."""
    try:
        return validate(value)
    except ValidationError:
        raise PydanticCustomError("class", "input should be text or a whole number") from None


Metric = Literal["accuracy", "balanced_accuracy", "f1", "f1_macro"]


class Gate(_Part):
    """When a challenger may replace Production."""

    metric: Metric = "f1_macro"
    positive: Annotated[str | int | None, WrapValidator(_one_message)] = None
    """The class that `f1` is about."""
    floor: float = Field(0.5, ge=0, le=1)
    """What the challenger must reach, with or without a Production to compare with."""
    alpha: Annotated[float, Field(gt=0, le=0.5)] = 0.05
    """Probability of promoting an equal model within one epoch of the holdout, over all its tests together."""
    tests: int = Field(10, ge=1)
    """Tests that one epoch of the holdout allows; each is held at alpha / tests."""
    epoch_rows: int = Field(500, ge=1)
    """New holdout rows that open the next epoch."""
    min_rows: int = Field(100, ge=2)
    """Fewer clusters of holdout rows than this are INCONCLUSIVE."""
    max_overlap: Annotated[float, Field(ge=0, le=1)] = 0.05
    """Greatest share of holdout rows that may have to be left out because one of the two trained on them."""

    @model_validator(mode="after")
    def _f1_needs_its_class(self) -> Self:
        if (self.metric == "f1") != (self.positive is not None):
            raise PydanticCustomError("positive", "positive belongs to metric f1, and f1 needs it; set both or neither")
        return self


class Channels(_Part):
    webhook: str | None = Field(None, min_length=1)
    """Id of an Airflow connection of type http; announcements are posted to it as JSON."""


def _one_or_more(value: object) -> object:
    return [value] if isinstance(value, str) else value


def _some_of_different_names(candidates: "tuple[CandidateSpec, ...]") -> "tuple[CandidateSpec, ...]":
    if not candidates:
        raise PydanticCustomError("none", "names none; add one")
    _unique(tuple(candidate.name for candidate in candidates))
    return candidates


class Spec(_Part):
    """One model to keep good. With a model, a source and one candidate it runs; the rest has defaults."""

    model: str = Field(pattern=r"^[^/:\s][^/:]{0,199}$")
    """Name in the registry."""
    description: str = ""
    source: Source
    threshold: Threshold = Threshold()
    split: Split = Split()
    candidates: Annotated[tuple[CandidateSpec, ...], AfterValidator(_some_of_different_names)]
    gate: Gate = Gate()
    # Not strict: behind a validator, a list is no longer JSON's, and "strict" would refuse it for a tuple.
    trust: Annotated[tuple[str, ...], Field(strict=False), BeforeValidator(_one_or_more)] = ()
    """Types that a model file may hold beyond our own list, as `package.module.Class`; `pickle` for any at all."""
    mode: Mode = Mode.ENFORCE
    schedule: str | None = None
    """Cron expression or preset (`@hourly`); None runs by hand only."""
    channels: Channels = Channels()

    def candidate(self, name: str) -> CandidateSpec:
        """The candidate of that name; raises SpecError where the spec has none."""
        for candidate in self.candidates:
            if candidate.name == name:
                return candidate
        names = ", ".join(candidate.name for candidate in self.candidates)
        raise SpecError(f"{self.model}: there is no candidate {name!r}; the spec names {names}")


def parse(data: object, file: str) -> Spec:
    """The spec that `data` says. Raises SpecError with one line for each fault: file, field, value, remedy."""
    if not isinstance(data, dict):
        raise SpecError(f"{file}: holds {type(data).__name__}, not fields; begin with `model:`")
    if faults := list(_not_json(data)):
        raise SpecError("\n".join(f"{file}: {fault}" for fault in faults))
    try:
        # Through JSON, so that "strict" refuses "3" for 3 but takes a YAML list for a tuple.
        return Spec.model_validate_json(json.dumps(data))
    except ValidationError as error:
        raise SpecError("\n".join(f"{file}: {_line(fault)}" for fault in error.errors())) from None


def _not_json(value: object, where: str = "", above: tuple[int, ...] = ()) -> Iterator[str]:
    """What YAML can say and JSON cannot: dates, sets, names that are no text, a list that holds itself."""
    if id(value) in above:
        yield f"{where}: holds itself; write it out"
    elif isinstance(value, dict):
        for name, each in value.items():
            place = f"{where}.{name}".lstrip(".")
            if not isinstance(name, str):
                yield f"{place}: {name!s} is no text; put it in quotes"
            yield from _not_json(each, place, (*above, id(value)))
    elif isinstance(value, list):
        for position, each in enumerate(value):
            yield from _not_json(each, f"{where}[{position}]", (*above, id(value)))
    elif value is not None and not isinstance(value, str | int | float):
        text = json.dumps(str(value), ensure_ascii=False)
        yield f"{where} = {text}: is a {type(value).__name__}; put it in quotes"


def _line(fault: ErrorDetails) -> str:
    field = re.sub(r"\.(\d+)", r"[\1]", ".".join(str(part) for part in fault["loc"])) or "the spec"
    if fault["type"] == "missing":
        return f"{field}: is missing; add it"
    value = json.dumps(fault["input"], ensure_ascii=False, default=str)
    value = value if len(value) <= 80 else value[:77] + "..."
    if fault["type"] == "extra_forbidden":
        return f"{field} = {value}: is not a field; {_did_you_mean(fault['loc'])}"
    return f"{field} = {value}: {fault['msg'][0].lower()}{fault['msg'][1:]}"


def _did_you_mean(loc: tuple[str | int, ...]) -> str:
    parts: dict[str | int, type[_Part]] = {
        "source": Source,
        "threshold": Threshold,
        "split": Split,
        "candidates": CandidateSpec,
        "gate": Gate,
        "channels": Channels,
    }
    known = list((parts[loc[0]] if len(loc) > 1 else Spec).model_fields)
    close = get_close_matches(str(loc[-1]), known, n=1)
    return f"did you mean {close[0]}?" if close else f"remove it, or use one of {', '.join(known)}"
