"""Plain data, as YAML gives it, made into a `Spec`, or into one `SpecError` that lists every fault.

Only structure is checked here: nothing is imported or connected.
"""

import json
import re
from collections.abc import Iterator
from difflib import get_close_matches
from typing import Any, get_args

from pydantic import ValidationError
from pydantic_core import ErrorDetails, to_jsonable_python

from retrain.errors import SpecError
from retrain.spec.fields import Section
from retrain.spec.spec import Spec
from retrain.text import printable, shorten

MOST_FAULTS = 50
"""Lines of one error."""
_LONGEST_FIELD, _LONGEST_MESSAGE = 200, 500
_MOST_BITS = 1_024
"""Of a whole number: a longer one cannot be written out in every place that shows it."""


def parse(data: object, file: str) -> Spec:
    """Return the spec in `data`. Raises SpecError with one line for each fault: file, field, value, remedy."""
    if not isinstance(data, dict):
        raise SpecError(f"{file}: holds {type(data).__name__}, not fields; begin with `model:`")
    if faults := list(_not_json(data)):
        raise _error(file, faults)
    try:
        # Through JSON, so that "strict" refuses "3" for 3 but takes a YAML list for a tuple.
        return Spec.model_validate_json(json.dumps(data))
    except ValidationError as error:
        # Not all of thousands: the next spelling to propose takes its time for each.
        raise _error(file, [_line(fault) for fault in error.errors()[:MOST_FAULTS]], error.error_count()) from None


def _error(file: str, faults: list[str], count: int = 0) -> SpecError:
    more = max(count, len(faults)) - MOST_FAULTS
    lines = faults[:MOST_FAULTS] + ([f"and {more:,} faults more; mend these first"] if more > 0 else [])
    return SpecError("\n".join(f"{file}: {printable(line)}" for line in lines))


def _not_json(value: object, where: str = "", above: tuple[int, ...] = ()) -> Iterator[str]:
    """Yield what YAML can hold and no database: dates, sets, names that are not text, a list that holds itself."""
    if id(value) in above:
        yield f"{where}: holds itself; write it out"
    elif isinstance(value, dict):
        for name, each in value.items():
            place = f"{where}.{_short(name)}".lstrip(".")
            if not isinstance(name, str):
                yield f"{place}: {_short(name)} is not text; put it in quotes"
            elif not _storable(name):
                yield f"{json.dumps(place)}: {_STORABLE}"
            yield from _not_json(each, place, (*above, id(value)))
    elif isinstance(value, list):
        for position, each in enumerate(value):
            yield from _not_json(each, f"{where}[{position}]", (*above, id(value)))
    elif isinstance(value, str):
        if not _storable(value):
            yield f"{where} = {json.dumps(_short(value))}: {_STORABLE}"
    elif isinstance(value, int) and value.bit_length() > _MOST_BITS:
        yield f"{where}: is too large a number; write a smaller one, or put it in quotes"
    elif value is not None and not isinstance(value, int | float):
        text = json.dumps(_short(value), ensure_ascii=False)
        yield f"{where} = {text}: is a {type(value).__name__}; put it in quotes"


def _short(value: object) -> str:
    if isinstance(value, int) and value.bit_length() > _MOST_BITS:
        return "a number of thousands of digits"
    return shorten(str(value), _LONGEST_FIELD)


_STORABLE = "holds a character that PostgreSQL text cannot hold (\\u0000, or half of a surrogate pair); remove it"


_NOT_STORABLE = re.compile("[\0\ud800-\udfff]")


def _storable(text: str) -> bool:
    return _NOT_STORABLE.search(text) is None


def _line(fault: ErrorDetails) -> str:
    names = ".".join(_short(part) for part in fault["loc"])
    field = shorten(re.sub(r"\.(\d+)", r"[\1]", names), _LONGEST_FIELD) or "the spec"
    if fault["type"] == "missing":
        return f"{field}: is missing; add it"
    value = json.dumps(fault["input"], ensure_ascii=False, default=to_jsonable_python)
    value = value if len(value) <= 80 else value[:77] + "..."
    if fault["type"] == "extra_forbidden":
        return f"{field} = {value}: is not a field; {_did_you_mean(fault['loc'])}"
    message = shorten(fault["msg"], _LONGEST_MESSAGE)
    return f"{field} = {value}: {message[0].lower()}{message[1:]}"


def _did_you_mean(loc: tuple[str | int, ...]) -> str:
    known = list(_section(Spec, loc[:-1]).model_fields)
    close = get_close_matches(_short(loc[-1]), known, n=1)
    return f"did you mean {close[0]}?" if close else f"remove it, or use one of {', '.join(known)}"


def _section(section: type[Section], loc: tuple[str | int, ...]) -> type[Section]:
    """Return the section at a place in a spec, found by the annotations of the fields on the way there."""
    for name in loc:
        if isinstance(name, str):
            section = next(_sections_in(section.model_fields[name].annotation))
    return section


def _sections_in(annotation: Any) -> Iterator[type[Section]]:
    """Yield the sections in an annotation: itself, or those in a tuple, a union or an `Annotated`."""
    if isinstance(annotation, type) and issubclass(annotation, Section):
        yield annotation
    for part in get_args(annotation):
        yield from _sections_in(part)
