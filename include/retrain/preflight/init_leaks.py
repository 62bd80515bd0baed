"""Finds columns that say what the label is: a model that sees one learns nothing else, and is worth nothing."""

from collections import Counter, defaultdict
from collections.abc import Hashable, Iterable, Sequence
from typing import Any

from retrain.preflight.init_wish import Values, counted
from retrain.source.catalogue import Kind

_EXPECTED = 20
"""Rows that would speak against it, if the two had nothing to do with each other: none is then no chance."""
_NUMBERS = (Kind.INTEGER, Kind.NUMBER)


def leak(values: Values, labels: Values) -> str | None:
    """Return how a column gives the label away; None where it does not."""
    numbers = values.column.kind in _NUMBERS and labels.column.kind in _NUMBERS
    if values.distinct == len(values.all) and not numbers:
        return None  # no value comes again, so none can say anything
    pairs = list(zip(values.all, labels.all, strict=True))
    told, telling = _function(pairs), _function((label, value) for value, label in pairs)
    groups, classes = len(set(values.all)), len(set(labels.all))
    how = None
    if min(groups, classes) < 2:
        return None
    if told and _is_more_than_chance(labels.all, groups):
        same = all(str(value) == str(label) for value, label in pairs)
        how = f"each of its {counted(groups, 'value')} comes with one label only"
        how = "it is the label" if same else "it says the label, value for value" if telling else how
    elif telling and _is_more_than_chance(values.all, classes):
        how = "it follows from the label: each has one value here"
    elif numbers and told and telling and _rises(pairs):
        how = "it is the label on another scale: the two rise and fall together"
    return how and f"{how}, in {counted(len(pairs), 'row')}"


def separates(values: Values, labels: Values) -> bool:
    """Return whether one bound on a number parts two classes without an error."""
    if values.column.kind not in _NUMBERS or labels.distinct != 2:
        return False
    of_class = defaultdict[Hashable, list[Any]](list)
    for value, label in zip(values.all, labels.all, strict=True):
        if value is not None and value == value:  # noqa: PLR0124 - NaN
            of_class[label].append(value)
    if len(of_class) != 2 or min(map(len, of_class.values())) < _EXPECTED:
        return False
    one, other = of_class.values()
    return bool(max(one) < min(other) or max(other) < min(one))


def _function(pairs: Iterable[tuple[Hashable, Hashable]]) -> bool:
    """Return whether the second of all pairs is a function of the first."""
    known = dict[Hashable, Hashable]()
    return all(known.setdefault(first, second) == second for first, second in pairs)


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
