"""The kinds of field that several sections of a spec share."""

import re
from datetime import timedelta
from functools import partial
from typing import Annotated
from unicodedata import normalize

from pydantic import AfterValidator, BaseModel, BeforeValidator, ConfigDict, Field, PlainSerializer, StringConstraints
from pydantic_core import PydanticCustomError

Column = Annotated[str, StringConstraints(min_length=1, max_length=63), AfterValidator(partial(normalize, "NFC"))]

Function = Annotated[str, StringConstraints(pattern=r"^[A-Za-z_][\w.]*:[A-Za-z_]\w*$")]
"""`module:function`."""

Share = Annotated[float, Field(gt=0, lt=1)]

_UNITS = {"d": timedelta(days=1), "h": timedelta(hours=1), "m": timedelta(minutes=1), "s": timedelta(seconds=1)}


def duration(value: object) -> timedelta:
    """Return the duration that a spec writes so. Raises PydanticCustomError, a ValueError, for anything else."""
    match = re.fullmatch(r"(\d{1,5})([dhms])", value) if isinstance(value, str) else None
    if match is None:
        raise PydanticCustomError("duration", "is not a duration; write a whole number and d, h, m or s, as in 7d")
    return int(match[1]) * _UNITS[match[2]]


def duration_text(value: timedelta) -> str:
    """Return the duration as a spec writes it."""
    unit, length = next((unit, length) for unit, length in _UNITS.items() if not value % length)
    return f"{value // length}{unit}"


def some_time(length: timedelta) -> timedelta:
    """Return the duration. Raises PydanticCustomError for none."""
    if not length:
        raise PydanticCustomError("time", "leaves no time; write more, as in 3d")
    return length


Duration = Annotated[timedelta, BeforeValidator(duration), PlainSerializer(duration_text)]
"""`7d`, `12h`, `30m` or `90s`: days, hours, minutes, seconds."""


def one_or_more(value: object) -> object:
    """Return a list of one for a text; anything else as it is."""
    return [value] if isinstance(value, str) else value


def unique(values: tuple[str, ...]) -> tuple[str, ...]:
    """Return the values. Raises PydanticCustomError if one occurs twice."""
    twice = sorted({value for value in values if values.count(value) > 1})
    if twice:
        raise PydanticCustomError("twice", "names {twice} more than once; name each once", {"twice": ", ".join(twice)})
    return values


class Section(BaseModel):
    """A part of a spec: strict, frozen, without unknown fields."""

    model_config = ConfigDict(frozen=True, strict=True, extra="forbid", allow_inf_nan=False)
