"""Finds columns that say what the label is: a model that sees one learns nothing else, and is worth nothing."""

from collections import Counter, defaultdict
from collections.abc import Hashable, Sequence
from typing import Any

from retrain.preflight.init_wish import Values, counted
from retrain.source.catalogue import Kind

_EXPECTED = 20
"""Rows that would speak against it, if the two had nothing to do with each other: none is then no chance."""
_NUMBERS = (Kind.INTEGER, Kind.NUMBER)


def leak(values: Values, labels: Values) -> str | None:
    """Return how a column gives the label away; None where it does not."""
    pairs = list(zip(values.all, labels.all, strict=True))
    told, rows = defaultdict[Hashable, set[Hashable]](set), counted(len(pairs), "row")
    telling = defaultdict[Hashable, set[Hashable]](set)
    for value, label in pairs:
        told[value].add(label)
        telling[label].add(value)
    one_label, one_value = _single(told), _single(telling)
    if len(told) < 2 or len(telling) < 2:
        return None
    if one_label and one_value and _is_more_than_chance(labels.all, len(told)):
        same = all(str(value) == str(label) for value, label in pairs)
        return f"it {'is the label' if same else 'says the label, value for value'}, in {rows}"
    if one_label and _is_more_than_chance(labels.all, len(told)):
        return f"each of its {counted(len(told), 'value')} comes with one label only, in {rows}"
    if one_value and _is_more_than_chance(values.all, len(telling)):
        return f"it follows from the label: each has one value here, in {rows}"
    if values.column.kind in _NUMBERS and labels.column.kind in _NUMBERS and one_label and one_value and _rises(pairs):
        return f"it is the label on another scale: the two rise and fall together, in {rows}"
    return None


def separates(values: Values, labels: Values) -> bool:
    """Return whether one bound on a number parts two classes without an error."""
    if values.column.kind not in _NUMBERS:
        return False
    of_class = defaultdict[Hashable, list[Any]](list)
    for value, label in zip(values.all, labels.all, strict=True):
        if value is not None and value == value:  # noqa: PLR0124 - NaN
            of_class[label].append(value)
    if len(of_class) != 2 or min(map(len, of_class.values())) < _EXPECTED:
        return False
    one, other = of_class.values()
    return bool(max(one) < min(other) or max(other) < min(one))


def _single(related: dict[Hashable, set[Hashable]]) -> bool:
    return all(len(each) == 1 for each in related.values())


def _is_more_than_chance(values: Sequence[Hashable], groups: int) -> bool:
    """Return whether some rows of one group would differ in these values, if the groups were drawn by lot."""
    rows = len(values)
    differ = 1 - sum((count / rows) ** 2 for count in Counter(values).values())
    return (rows - groups) * differ >= _EXPECTED


def _rises(pairs: Sequence[tuple[Any, Any]]) -> bool:
    """Return whether the second of all pairs rises, or falls, with the first. Both have the same number of values."""
    ordered = sorted({pair for pair in pairs if all(each is not None and each == each for each in pair)})  # noqa: PLR0124 - NaN
    seconds = [second for _, second in ordered]
    return len(ordered) >= _EXPECTED and seconds in (sorted(seconds), sorted(seconds, reverse=True))
