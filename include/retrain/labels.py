"""Classes and how they are written: a class has one spelling, wherever it comes from.

A label is text, true or false, a whole number, or a number. It comes from PostgreSQL, from an estimator's predictions,
from a spec or from a file, and each writes it in a way of its own: `True` and `1`, `1` and `1.0`, `1.00`, a letter with
its accent or the two apart. Here it gets the one spelling in which specs, reports, the API and the database show it,
and by which labels are compared with predictions. It imports no numpy, as every DAG file reads specs.
"""

from collections.abc import Sequence
from decimal import Decimal
from math import isfinite
from unicodedata import is_normalized, normalize

WHITE_SPACE = "".join(chr(each) for each in range(0x3001) if chr(each).isspace()) + "\u180e\u200b\u2060\ufeff"
"""Every character that is white space in Unicode, and those that show nothing though Unicode does not call them so."""

_TWINS = {"true": "1", "false": "0", "1": "true", "0": "false"}
"""Boosters predict 0 and 1 where a label is false or true."""
_BOOLEANS, _BITS = {"true", "false"}, {"0", "1"}


def spelled(value: object) -> str:
    """Return the spelling of one class: `true`, `1` (also for 1.0 and 1.00), `0.5`, or text in Unicode's form NFC."""
    if not isinstance(value, str) and hasattr(value, "item"):
        value = value.item()  # a scalar of numpy
    if isinstance(value, bool):
        return "true" if value else "false"
    if isinstance(value, int):
        return str(value)
    if isinstance(value, float | Decimal):
        if not isfinite(value):
            return "NaN" if value != value else "Infinity" if value > 0 else "-Infinity"  # noqa: PLR0124 - NaN
        return str(int(value)) if value == int(value) else str(float(value))
    text = str(value)
    return text if is_normalized("NFC", text) else normalize("NFC", text)


def code(value: object, classes: Sequence[str]) -> int | None:
    """Return the place of a class among `classes`, which are spelled; None where it is not one of them.

    Where the classes are true and false, 1 and 0 are read as these, and the other way round; so is another case.
    """
    if value is None:
        return None
    text = spelled(value)
    if text in classes:
        return classes.index(text)
    known = [each.lower() for each in classes]
    if len(set(known)) == len(known) and (_BOOLEANS.issuperset(known) or _BITS.issuperset(known)):
        for each in (text.lower(), _TWINS.get(text.lower())):
            if each in known:
                return known.index(each)
    return None
