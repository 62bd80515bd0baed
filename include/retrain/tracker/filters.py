"""Searches are built from values: MLflow's filters are text without escaping, and a value pasted in adds clauses.

    [Condition("metric", "f1", ">", 0.8), Condition("attribute", "status", "=", "FINISHED")]

A list means all of them: MLflow has no OR. What cannot be said safely is refused with a TrackerError.
"""

import re
import sys
from collections.abc import Sequence
from dataclasses import dataclass
from numbers import Integral, Real
from typing import Literal

from retrain.errors import TrackerError

Kind = Literal["metric", "param", "tag", "attribute"]
Comparison = Literal["=", "!=", "<", "<=", ">", ">="]

_TEXTS, _NUMBERS = ("run_id", "run_name", "status"), ("start_time", "end_time")
_NAME = re.compile(r"[\w\-.:/][\w\-. :/]*(?<! )")
"""What may stand between back-ticks: what MLflow takes as a name, and no blank at either end."""


@dataclass(frozen=True)
class Order:
    """By what runs are sorted; those without it come last."""

    kind: Kind
    name: str
    ascending: bool = True

    def __post_init__(self) -> None:
        _field(self.kind, self.name)

    def to_text(self) -> str:
        return f"{_field(self.kind, self.name)} {'ASC' if self.ascending else 'DESC'}"


@dataclass(frozen=True)
class Condition:
    """What a run must be like. Texts are equal or not; only metrics and times are less or greater."""

    kind: Kind
    name: str
    comparison: Comparison
    value: str | float

    def __post_init__(self) -> None:
        self.to_text()

    def to_text(self) -> str:
        field = _field(self.kind, self.name)
        if self.kind == "metric" or (self.name in _NUMBERS and self.kind == "attribute"):
            return f"{field} {_comparison(self.comparison)} {_number(self.name, self.value)}"
        if self.comparison not in ("=", "!="):
            raise TrackerError(f"{self.name} is text: it is equal or not, and neither less nor greater")
        if not isinstance(self.value, str):
            raise TrackerError(f"{self.name} is text: it cannot be compared with {self.value!r}")
        return f"{field} {self.comparison} {quoted(self.value)}"


def to_text(conditions: Sequence[Condition]) -> str:
    return " AND ".join(condition.to_text() for condition in conditions)


def quoted(value: str) -> str:
    """Refuses a backslash, a NUL and both kinds of quotes in one text: nothing says how MLflow would read those."""
    if "\\" in value or "\0" in value or ("'" in value and '"' in value):
        raise TrackerError(f"{value!r}: MLflow cannot search for a text with a backslash, or with both kinds of quotes")
    return f'"{value}"' if "'" in value else f"'{value}'"


def _field(kind: Kind, name: str) -> str:
    if kind not in ("metric", "param", "tag", "attribute"):
        raise TrackerError(f"{kind!r}: a run has a metric, a param, a tag or an attribute")
    if kind == "attribute" and name not in (*_TEXTS, *_NUMBERS):
        raise TrackerError(f"a run has no {name!r} to search for; it has {', '.join((*_TEXTS, *_NUMBERS))}")
    if not _NAME.fullmatch(name):
        raise TrackerError(f"{name!r} cannot be the name of a {kind}")
    return f"attributes.{name}" if kind == "attribute" else f"{kind}s.`{name}`"


def _comparison(text: str) -> str:
    if text not in ("=", "!=", "<", "<=", ">", ">="):
        raise TrackerError(f"{text!r} is no comparison: use =, !=, <, <=, > or >=")
    return text


def _number(name: str, value: object) -> str:
    refusal = TrackerError(f"{name} is a number: it cannot be compared with {value!r}")
    if isinstance(value, bool) or not isinstance(value, Real):
        raise refusal
    number = int(value) if isinstance(value, Integral) else float(value)
    # Neither NaN nor infinity is at most the greatest number.
    if not abs(number) <= sys.float_info.max:
        raise refusal
    # MLflow's grammar knows no plus sign.
    return repr(number).replace("e+", "e")


FINISHED = Condition("attribute", "status", "=", "FINISHED")
