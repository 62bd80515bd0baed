"""Plain data out of a YAML text that anybody may have written: its size is bounded before anything is built of it."""

from collections import Counter
from collections.abc import Hashable
from typing import Any

import yaml

from retrain.text import printable, shorten

DEEPEST, MOST_VALUES = 32, 2_000
"""Lists and fields that may be open in a spec at once, and the values in it, with each alias written out."""
_LONGEST_MESSAGE = 500
_NUMBERS, _LONGEST_NUMBER = ("tag:yaml.org,2002:int", "tag:yaml.org,2002:float"), 300
"""Characters: digits to the base of 60, as in `1:59:59`, take a time that grows with their square."""


def data_in(text: str) -> object:
    """Return what a YAML text holds. Raises ValueError with one line that says what is wrong."""
    try:
        _refuse_unbounded(text)
        return yaml.load(text, _Loader)  # noqa: S506 - a SafeLoader
    except yaml.YAMLError as error:
        raise ValueError(f"is not YAML: {printable(shorten(str(error), _LONGEST_MESSAGE))}") from error


def _refuse_unbounded(text: str) -> None:
    """Refuse what is too deep or too much: a line of aliases can stand for more values than any memory holds.

    The parser's events tell, one at a time. What builds data of them calls itself for each level, in C.
    """
    values_of = dict[str, int]()  # behind each anchor, with aliases written out
    opened = list[tuple[str | None, int]]()
    values = documents = 0
    event: Any
    for event in iter(yaml.CSafeLoader(text).get_event, None):
        kind = type(event)
        if kind is yaml.ScalarEvent:
            values += 1
            if event.anchor is not None:
                values_of[event.anchor] = 1
        elif kind is yaml.MappingStartEvent or kind is yaml.SequenceStartEvent:
            opened.append((event.anchor, values))
            values += 1
            if len(opened) > DEEPEST:
                raise ValueError(f"{_line(event)}: is nested more than {DEEPEST} deep; a spec needs less")
        elif kind is yaml.AliasEvent:
            if any(event.anchor == anchor for anchor, _ in opened):
                raise ValueError(f"{_line(event)}: *{printable(shorten(event.anchor, 80))} holds itself; write it out")
            values += values_of.get(event.anchor, 1)
        elif kind is yaml.MappingEndEvent or kind is yaml.SequenceEndEvent:
            anchor, before = opened.pop()
            if anchor is not None:
                values_of[anchor] = values - before
        elif kind is yaml.DocumentStartEvent:
            documents += 1
        if documents > 1:
            return  # the loader refuses it
        if values > MOST_VALUES:
            raise ValueError(
                f"{_line(event)}: there are more than {MOST_VALUES:,} values, with each alias written out; a spec "
                "needs less"
            )


def _line(event: Any) -> str:
    return f"line {event.start_mark.line + 1}"


class _Loader(yaml.CSafeLoader):
    """A loader that refuses a field that is written twice: YAML would keep the last and lose the first."""

    def construct_mapping(self, node: yaml.MappingNode, deep: bool = False) -> dict[Hashable, Any]:
        names = Counter(key.value for key, _ in node.value if isinstance(key, yaml.ScalarNode))
        twice = sorted(name for name, times in names.items() if times > 1)
        if twice:
            raise yaml.constructor.ConstructorError(
                None, None, f"names {', '.join(twice)} more than once", node.start_mark
            )
        return super().construct_mapping(node, deep)

    def construct_object(self, node: yaml.Node, deep: bool = False) -> Any:
        try:
            if node.tag in _NUMBERS and len(node.value) > _LONGEST_NUMBER:
                raise OverflowError
            return super().construct_object(node, deep)
        except yaml.YAMLError:
            raise
        except Exception as error:
            # A value that does not fit its type: PyYAML raises KeyError, IndexError, AttributeError, OverflowError.
            if not isinstance(node, yaml.ScalarNode):
                raise
            kind = node.tag.rpartition(":")[2]
            raise yaml.constructor.ConstructorError(
                None, None, f"{shorten(repr(node.value), 80)} is not a {kind}; put it in quotes", node.start_mark
            ) from error
