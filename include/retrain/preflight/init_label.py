"""Decides what is learnt: classes or numbers, which classes there are, and which one a metric is about."""

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass, replace
from math import isfinite
from typing import Any

from retrain.errors import SourceMismatchError
from retrain.labels import spelled
from retrain.preflight.init_wish import Values, counted
from retrain.source.catalogue import Kind
from retrain.spec.task import Task
from retrain.text import shorten

Rows = Sequence[tuple[Any, int]]
"""Labels as the table has them, each with its number of rows."""

MOST_CLASSES = 1_000
_FEW_NUMBERS = 20
"""Up to so many different whole numbers are classes."""
_RARER = 0.4
"""Share of the rarer of two classes, below which the metric is about it alone."""


@dataclass(frozen=True)
class Label:
    name: str
    task: Task
    why: str
    """Why it is this task."""
    values: tuple[Any, ...]
    """Those of the sample."""
    classes: tuple[tuple[str, int], ...] = ()
    """Each class, spelled, with its rows, the most frequent first; of a classification."""
    raw: tuple[Any, ...] = ()
    """The same classes as the table has them."""

    @property
    def rows(self) -> int:
        return sum(rows for _, rows in self.classes)

    @property
    def shares(self) -> list[float]:
        return [rows / self.rows for _, rows in self.classes]

    @property
    def positive(self) -> Any:
        """The rarer of two classes, as the table has it; None where there are more, or it is not much rarer."""
        return self.raw[1] if len(self.classes) == 2 and self.shares[1] < _RARER else None


def label_of(values: Values, counted_classes: Rows | None, wished: Task | None, where: str) -> Label:
    """Decide the task. values: of the label, in the sample. counted_classes: every label of the table with its rows.

    where: the label, for errors. Raises SourceMismatchError where nothing can be learnt from it.
    """
    kind, number = values.column.kind, counted(len(values.all), "row")
    classes = counted_classes if counted_classes is not None else list(Counter(values.all).items())
    distinct = len(classes)
    if distinct < 2:
        raise SourceMismatchError(
            f"{where}: has one value in every row with a label, {_shown(values.all[0])}, and nothing can be learnt "
            "from that; wait until a second one occurs, or name another column"
        )
    task, why = (wished, "--task says so") if wished is not None else _task(values, distinct)
    if task is Task.REGRESSION:
        return Label(values.name, task, why, _as_numbers(values, where))
    if distinct > min(MOST_CLASSES, len(values.all) / 2):
        remedy = "name another column, or write --task regression" if kind in _NUMBERS else "name another column"
        raise SourceMismatchError(
            f"{where}: has {distinct:,} different values or more in {number}: too many for classes; {remedy}"
        )
    return _with_classes(Label(values.name, task, why, values.all), classes)


def _with_classes(label: Label, rows: Rows) -> Label:
    """Return the label with its classes."""
    ordered = sorted(rows, key=lambda each: (-each[1], str(each[0])))
    raw, counts = dict[str, Any](), Counter[str]()
    for value, number in ordered:
        raw.setdefault(spelled(value), value)
        counts[spelled(value)] += number
    return replace(label, classes=tuple(counts.most_common()), raw=tuple(raw[each] for each, _ in counts.most_common()))


_NUMBERS = (Kind.INTEGER, Kind.NUMBER)


def _task(values: Values, distinct: int) -> tuple[Task, str]:
    kind = values.column.kind
    if kind not in _NUMBERS:
        return Task.CLASSIFICATION, f"the label is a {kind}"
    if any(isfinite(each) and each != int(each) for each in values.all):
        return Task.REGRESSION, "the label is a number with decimals"
    if distinct > _FEW_NUMBERS:
        return Task.REGRESSION, f"the label is a number, and has {distinct:,} different values"
    return Task.CLASSIFICATION, f"the label has {distinct} different whole numbers; --task regression if they measure"


def _as_numbers(values: Values, where: str) -> tuple[float, ...]:
    numbers = list[float]()
    for each in values.all:
        try:
            numbers.append(float(each))
        except ValueError:
            raise SourceMismatchError(
                f"{where}: {_shown(each)} is not a number, so the task cannot be regression; leave --task out"
            ) from None
    if not all(map(isfinite, numbers)):
        raise SourceMismatchError(
            f"{where}: holds an infinite number; correct it, or leave it out in a view, and name that as --table"
        )
    return tuple(numbers)


def _shown(value: Any) -> str:
    return repr(shorten(spelled(value), 60))
