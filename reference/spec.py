"""docs/reference/spec.md: every field of a spec, from the types that read it."""

import re
from collections import Counter
from collections.abc import Iterator
from datetime import timedelta
from enum import Enum
from typing import Any, NamedTuple, get_args

import yaml
from pydantic.fields import FieldInfo

from reference.attributes import doc_of, docs_of
from reference.page import page, prose, table
from retrain.spec.fields import Section, duration_text
from retrain.spec.spec import Spec

_SCHEMA = Spec.model_json_schema()
_TYPES = {
    "string": "text",
    "integer": "whole number",
    "number": "number",
    "boolean": "true or false",
    "object": "fields",
}
_BOUNDS = {
    "minimum": "at least",
    "exclusiveMinimum": "more than",
    "maximum": "at most",
    "exclusiveMaximum": "less than",
}


class Place(NamedTuple):
    """A section, and where in a spec it stands."""

    path: str
    kind: type[Section]


def text() -> str:
    intro = (
        "A spec is one YAML file for each model, in the folder that `RETRAIN_SPECS` names. What is required has no "
        "default. A field that is not in these tables is refused, and so is a value of another type. A *duration* is a "
        "whole number and `d`, `h` or `m`: `7d`, `12h`, `30m`."
    )
    return page("The spec, field by field", [intro, *_sections()])


def places() -> list[Place]:
    """Return the sections of a spec, each before those in it."""
    return list(_below(Place("", Spec)))


def meaning(kind: type[Section], name: str) -> str:
    """Return what a field is for: what stands behind it in the code, or else what its section says of itself."""
    field = kind.model_fields[name]
    said = docs_of(kind).get(name, "")
    within = [each for each in _kinds(field.annotation) if issubclass(each, Section)]
    if not said and within:
        said = doc_of(within[0]).partition("\n")[0]
    values = [f"`{name}`: {text}" for each in _kinds(field.annotation) for name, text in _values(each)]
    return prose(" ".join(filter(None, [said, *values])))


def _values(kind: type) -> Iterator[tuple[str, str]]:
    if issubclass(kind, Enum):
        said = docs_of(kind)
        yield from ((each.value, said[each.name]) for each in kind if each.name in said)


def _below(place: Place) -> Iterator[Place]:
    yield place
    for name, field in place.kind.model_fields.items():
        for kind in _kinds(field.annotation):
            if issubclass(kind, Section):
                yield from _below(Place(f"{place.path}.{name}".lstrip("."), kind))


def _kinds(annotation: Any) -> Iterator[type]:
    if isinstance(annotation, type) and not get_args(annotation):
        yield annotation
    for part in get_args(annotation):
        yield from _kinds(part)


def _sections() -> Iterator[str]:
    for kind, heading in _HEADINGS.items():
        if heading:
            yield f"{'#' * (3 if '.' in heading or ':' in heading else 2)} {heading}"
        yield prose(doc_of(kind))
        rows = ([f"`{name}`", *_row(kind, name, field)] for name, field in kind.model_fields.items())
        yield table(["field", "type", "default", "meaning"], rows)


def _row(kind: type[Section], name: str, field: FieldInfo) -> tuple[str, str, str]:
    properties = (_SCHEMA if kind is Spec else _SCHEMA["$defs"][kind.__name__])["properties"]
    return _type(properties[name]), _default(field), meaning(kind, name)


def _default(field: FieldInfo) -> str:
    if field.is_required():
        return "required"
    value = field.get_default(call_default_factory=True)
    if isinstance(value, Section):
        # Of a section that has a table here, the table has the defaults; a check's own depend on the check.
        given = value.model_dump(mode="json", exclude_unset=True)
        return _code(given) if given else "its defaults"
    return "–" if value in (None, (), {}, "") else _code(_written(value))


def _written(value: Any) -> Any:
    if isinstance(value, timedelta):
        return duration_text(value)
    if isinstance(value, tuple):
        return [_written(each) for each in value]
    if isinstance(value, Section):
        return value.model_dump(mode="json", exclude_unset=True)
    return value.value if isinstance(value, Enum) else value


def _code(value: Any) -> str:
    written = yaml.safe_dump(value, default_flow_style=True, sort_keys=False, width=1000)
    return f"`{written.strip().removesuffix('...').strip()}`"


def _type(schema: dict[str, Any]) -> str:
    match schema:
        case {"$ref": name}:
            return _referred(name.rpartition("/")[2])
        case {"anyOf": kinds}:
            return " or ".join(dict.fromkeys(_type(each) for each in kinds if each != {"type": "null"}))
        case {"enum": values}:
            return " or ".join(f"`{each}`" for each in values)
        case {"type": "array"}:
            return _list(schema)
    if schema.get("format") == "duration":
        return "duration"
    bounds = [f"{word} {schema[bound]:g}" for bound, word in _BOUNDS.items() if bound in schema]
    return ", ".join([_TYPES[schema["type"]], *bounds])


def _list(schema: dict[str, Any]) -> str:
    pair = schema.get("prefixItems")
    if pair:
        return f"list of {len(pair)}: " + " or ".join(dict.fromkeys(map(_type, pair)))
    return ("one or more: " if schema.get("minItems") else "list: ") + _type(schema["items"])


def _referred(name: str) -> str:
    schema = _SCHEMA["$defs"][name]
    if "enum" in schema:
        return _type(schema)
    heading = next(heading for kind, heading in _HEADINGS.items() if kind.__name__ == name)
    return f"[fields](#{_anchor(heading)})"


def _anchor(heading: str) -> str:
    """Return the anchor of a heading, as GitHub and MyST make it."""
    return re.sub(r"[^\w\- ]", "", heading.lower()).replace(" ", "-")


def _headings() -> dict[type[Section], str]:
    """Return each kind of section, and the heading of its table: none for the spec itself."""
    uses = Counter(place.kind for place in places())
    found = dict[type[Section], str]()
    for path, kind in places():
        shared = f"`{path.rpartition('.')[0]}`: {doc_of(kind).partition('.')[0].lower()}"
        found.setdefault(kind, shared if uses[kind] > 1 else f"`{path}`" if path else "")
    return found


_HEADINGS = _headings()
