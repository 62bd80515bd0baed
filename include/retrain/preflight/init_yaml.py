"""YAML for people: fields with a comment each, in the order that they are given in."""

import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from textwrap import wrap
from typing import Any

from retrain.preflight.init_estimators import WIDTH, filled_lines
from retrain.spec.yaml_text import data_in
from retrain.text import printable, shorten

_LONGEST_COMMENT = 400
_PLAIN = re.compile(r"[^\W\d][\w.:-]*")


@dataclass(frozen=True)
class Field:
    name: str
    value: Any
    """A text, a number, a boolean, a list of texts; a section as a tuple of fields; or a list of sections."""
    why: str = ""
    below: tuple[str, ...] = ()
    """Comments that follow it, a line each."""


def yaml_text(head: Sequence[str], fields: Sequence[Field]) -> str:
    """Return the text of a file. head: sentences at its beginning."""
    return "\n".join([*(line for text in head for line in _comment(text, "")), *_lines(fields, ""), ""])


def scalar(value: Any) -> str:
    """Return a value as YAML writes it, in quotes where it would be read as something else."""
    if isinstance(value, bool):
        return "true" if value else "false"
    if isinstance(value, float):
        text = repr(value)
        return text if "e" not in text else f"{value:.6e}"  # 1e-07 would be a text
    if isinstance(value, int):
        return str(value)
    return value if _is_plain(value) else f'"{"".join(map(_escaped, value))}"'


def _is_plain(text: str) -> bool:
    if not _PLAIN.fullmatch(text):
        return False
    try:
        return data_in(f"a: {text}\nb: [{text}, {text}]") == {"a": text, "b": [text, text]}
    except ValueError:
        return False


def _escaped(character: str) -> str:
    if character in '"\\':
        return "\\" + character
    return character if character.isprintable() else f"\\U{ord(character):08x}"


def _lines(fields: Sequence[Field], indent: str) -> Iterator[str]:
    for each in fields:
        yield from _field(each, indent)
        for text in each.below:
            yield from _comment(text, indent)


def _field(field: Field, indent: str) -> Iterator[str]:
    value = field.value
    if isinstance(value, tuple):
        yield from _with_comment(f"{indent}{field.name}:", field.why, indent)
        yield from _lines(value, indent + "  ")
    elif isinstance(value, list) and value and isinstance(value[0], tuple):
        yield from _with_comment(f"{indent}{field.name}:", field.why, indent)
        for section in value:
            first, *others = _lines(section, indent + "    ")
            yield f"{indent}  - {first.lstrip()}"
            yield from others
    elif isinstance(value, list):
        yield from _list(field, [scalar(each) for each in value], indent)
    else:
        yield from _with_comment(f"{indent}{field.name}: {scalar(value)}", field.why, indent)


def _list(field: Field, values: Sequence[str], indent: str) -> Iterator[str]:
    line = f"{indent}{field.name}: [{', '.join(values)}]"
    if len(line) <= WIDTH:
        yield from _with_comment(line, field.why, indent)
        return
    yield from _with_comment(f"{indent}{field.name}: [", field.why, indent)
    yield from filled_lines(values, indent + "  ")
    yield f"{indent}]"


def _with_comment(line: str, why: str, indent: str) -> Iterator[str]:
    """Yield the line with its comment behind it, or above it where there is no room."""
    text = printable(why)
    if not text:
        yield line
    elif len(line) + len(text) + 4 <= WIDTH:
        yield f"{line}  # {text}"
    else:
        yield from _comment(why, indent)
        yield line


def _comment(text: str, indent: str) -> Iterator[str]:
    shortened = printable(shorten(text, _LONGEST_COMMENT))
    follow = "  " if text.startswith("- ") else ""
    lines = wrap(shortened, WIDTH - len(indent) - 2, subsequent_indent=follow, break_on_hyphens=False)
    yield from (f"{indent}# {line}" for line in lines)
