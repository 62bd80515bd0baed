"""What a person asks `retrain init` for, and what the columns of the table turn out to be."""

from dataclasses import dataclass
from enum import StrEnum
from functools import cached_property
from typing import Any
from unicodedata import normalize

from retrain.source.catalogue import Column
from retrain.spec.task import Task


@dataclass(frozen=True)
class Wish:
    """The options of the command. What is None is decided from the table."""

    table: str
    label: str
    model: str | None = None
    features: tuple[str, ...] = ()
    key: str | None = None
    label_time: str | None = None
    connection: str | None = None
    task: Task | None = None


class Use(StrEnum):
    """How the estimators take a feature."""

    NUMBER = "number"
    BOOLEAN = "boolean"
    CODE = "code"
    """A number that names something."""
    CATEGORY = "category"
    """A text of few values."""
    TEXT = "text"


@dataclass(frozen=True)
class Feature:
    name: str
    use: Use
    missing: float
    """Share of the rows in which it is NULL or NaN."""
    analyzer: str = ""
    """Of a text, for scikit-learn's vectorizer."""


@dataclass(frozen=True)
class LeftOut:
    """A column that is not a feature."""

    name: str
    why: str


@dataclass(frozen=True, eq=False)
class Values:
    """A column and what the rows of the sample hold in it."""

    column: Column
    all: tuple[Any, ...]

    @property
    def name(self) -> str:
        """As a spec writes it: Unicode has two forms of many letters."""
        return normalize("NFC", self.column.name)

    @cached_property
    def held(self) -> list[Any]:
        """Those that are neither NULL nor NaN."""
        return [each for each in self.all if each is not None and each == each]  # noqa: PLR0124 - NaN

    @cached_property
    def distinct(self) -> int:
        """How many different values it holds."""
        return len(set(self.held))

    @property
    def missing(self) -> float:
        return 1 - len(self.held) / max(1, len(self.all))


def number_text(number: float) -> str:
    """Return a number for people: 22,200 or 0.375."""
    return f"{number:,.0f}" if 1_000 <= abs(number) < 1e15 else f"{number:.3g}"


def counted(number: int, thing: str, things: str = "") -> str:
    """Return a number and what it counts: 1 row, 2,000 rows."""
    return f"{number:,} {thing if number == 1 else things or thing + 's'}"
