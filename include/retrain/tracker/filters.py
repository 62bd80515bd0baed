"""Filters of searches, built from values: MLflow's filters are text without escaping, and a pasted value adds clauses.

    [Condition("metric", "f1", ">", 0.8), Condition("attribute", "status", "=", "FINISHED")]

A list means all of its conditions: MLflow has no OR. A value that cannot be quoted safely raises TrackerError.
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
"""Names that are safe between back-ticks: MLflow's own rule, without a blank at either end."""


@dataclass(frozen=True)
class Order:
    """The field by which runs are sorted; runs without it come last."""

    kind: Kind
    name: str
    ascending: bool = True

    def __post_init__(self) -> None:
        _field(self.kind, self.name)

    def to_text(self) -> str:
        return f"{_field(self.kind, self.name)} {'ASC' if self.ascending else 'DESC'}"


@dataclass(frozen=True)
class Condition:
    """A condition on runs. Only metrics and times can be less or greater; texts are equal or not."""

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
            raise TrackerError(f"{self.name} is text: compare it with = or !=, not with {self.comparison}")
        if not isinstance(self.value, str):
            raise TrackerError(f"{self.name} is text: it cannot be compared with {self.value!r}")
        return f"{field} {self.comparison} {quoted(self.value)}"


def to_text(conditions: Sequence[Condition]) -> str:
    return " AND ".join(condition.to_text() for condition in conditions)


def quoted(value: str) -> str:
    """Return a text in quotes.

    Raises TrackerError for a backslash, a NUL and both kinds of quotes in one text: MLflow does not document how it
    reads those.
    """
    if "\\" in value or "\0" in value or ("'" in value and '"' in value):
        raise TrackerError(f"{value!r}: MLflow cannot search for a text with a backslash, or with both kinds of quotes")
    return f'"{value}"' if "'" in value else f"'{value}'"


def _field(kind: Kind, name: str) -> str:
    if kind not in ("metric", "param", "tag", "attribute"):
        raise TrackerError(f"{kind!r} is not a kind of field; use metric, param, tag or attribute")
    if kind == "attribute" and name not in (*_TEXTS, *_NUMBERS):
        raise TrackerError(f"runs cannot be searched by attribute {name!r}; use {', '.join((*_TEXTS, *_NUMBERS))}")
    if not _NAME.fullmatch(name):
        raise TrackerError(f"{name!r} cannot be the name of a {kind}")
    return f"attributes.{name}" if kind == "attribute" else f"{kind}s.`{name}`"


def _comparison(text: str) -> str:
    if text not in ("=", "!=", "<", "<=", ">", ">="):
        raise TrackerError(f"{text!r} is not a comparison; use =, !=, <, <=, > or >=")
    return text


def _number(name: str, value: object) -> str:
    refusal = TrackerError(f"{name} is a number: it cannot be compared with {value!r}")
    if isinstance(value, bool) or not isinstance(value, Real):
        raise refusal
    number = int(value) if isinstance(value, Integral) else float(value)
    # False for NaN and infinity.
    if not abs(number) <= sys.float_info.max:
        raise refusal
    # MLflow's grammar does not have a plus sign.
    return repr(number).replace("e+", "e")


FINISHED = Condition("attribute", "status", "=", "FINISHED")
