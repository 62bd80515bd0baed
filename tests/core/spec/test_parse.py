"""Data that are not a spec are refused in the words of the file: unknown fields, and values that a spec cannot have."""

from datetime import date

import pytest

from retrain.errors import SpecError
from retrain.spec.checks import Checks
from retrain.spec.parse import parse
from retrain.spec.spec import Spec
from tests.core.spec.specs import LINEAR, SMALLEST, SOURCE, refusal


@pytest.mark.parametrize(
    ("fields", "message"),
    [
        ({"thresold": {"rows": 3}}, 'thresold = {"rows": 3}: is not a field; did you mean threshold?'),
        ({"source": {**SOURCE, "feature": []}}, "source.feature = []: is not a field; did you mean features?"),
        ({"threshold": {"row": 3}}, "threshold.row = 3: is not a field; did you mean rows?"),
        ({"split": {"validations": 0.2}}, "split.validations = 0.2: is not a field; did you mean validation?"),
        ({"gate": {"floors": 1}}, "gate.floors = 1: is not a field; did you mean floor?"),
        ({"checks": {"null_shares": {}}}, "checks.null_shares = {}: is not a field; did you mean null_share?"),
        (
            {"checks": {"column_types": {"max": 1}}},
            "checks.column_types.max = 1: is not a field; remove it, or use one of on_fail",
        ),
        (
            {"checks": {"future_labels": {"a_head": 3}}},
            "checks.future_labels.a_head = 3: is not a field; did you mean ahead?",
        ),
        ({"channels": [{"web_hook": "x"}]}, 'channels[0].web_hook = "x": is not a field; did you mean webhook?'),
        (
            {"candidates": [LINEAR, {**LINEAR, "name": "strict", "parms": {}}]},
            "candidates[1].parms = {}: is not a field; did you mean params?",
        ),
        (
            {"owner": "hr"},
            'owner = "hr": is not a field; remove it, or use one of model, aliases, description, connections, source, '
            "threshold, split, snapshot, task, candidates, share_steps, checks, gate, trust, mode, approval, schedule, "
            "schedule_time_zone, wake, limits, run_on, workers, watch, trial, ab, predictions, "
            "channels",
        ),
    ],
)
def test_an_unknown_field_is_refused_with_the_one_that_was_meant(fields, message):
    assert refusal(**fields).startswith(f"letters.yaml: {message}")


def test_a_long_value_is_cut():
    text = refusal(model="x" * 1000)

    assert text.startswith(f'letters.yaml: model = "{"x" * 76}...: string should match')


@pytest.mark.parametrize(("data", "held"), [(None, "NoneType"), ([SMALLEST], "list"), ("model: x", "str"), (7, "int")])
def test_data_without_fields_is_refused(data, held):
    with pytest.raises(SpecError, match=rf"^letters\.yaml: holds {held}, not fields; begin with `model:`$"):
        parse(data, "letters.yaml")


@pytest.mark.parametrize(
    ("fields", "field", "value"),
    [
        ({"model": date(2026, 1, 2)}, "model", "2026-01-02"),
        ({"description": date(2026, 1, 2)}, "description", "2026-01-02"),
        ({"gate": {"metric": "f1", "positive": date(2026, 1, 2)}}, "gate.positive", "2026-01-02"),
        ({"candidates": [{**LINEAR, "params": {"since": date(2026, 1, 2)}}]}, "params", "2026-01-02"),
        ({"candidates": [{**LINEAR, "params": {"columns": {"letter"}}}]}, "params", "letter"),
        ({"candidates": [{**LINEAR, "params": {"columns": b"letter"}}]}, "params", "letter"),
    ],
    ids=["name", "text", "class", "param that is a date", "param that is a set", "param that is bytes"],
)
def test_a_value_that_is_neither_text_nor_number_is_not_silently_taken_for_text(fields, field, value):
    text = refusal(**fields)

    assert text.startswith("letters.yaml: ")
    assert field in text
    assert value in text


def test_a_date_for_a_number_is_refused_in_the_words_of_the_file():
    text = refusal(threshold={"rows": date(2026, 1, 2)})

    assert text.startswith('letters.yaml: threshold.rows = "2026-01-02": ')


def test_a_name_that_no_database_holds_is_refused_in_words_that_can_be_printed():
    text = refusal(candidates=[{**LINEAR, "params": {"a\ud800": 1}}])

    assert text.startswith(r'letters.yaml: "candidates[0].params.a\ud800": holds a character')
    assert text.encode()


@pytest.mark.parametrize(
    "fields",
    [{date(2026, 1, 2): "a"}, {"candidates": [{**LINEAR, "params": {date(2026, 1, 2): "a"}}]}],
    ids=["field", "param"],
)
def test_a_name_that_is_not_text_is_refused(fields):
    with pytest.raises(SpecError, match=r"^letters\.yaml: .*2026-01-02"):
        parse({**SMALLEST, **fields}, "letters.yaml")


def test_a_value_that_holds_itself_is_refused():
    endless = {}
    endless["again"] = endless

    assert refusal(candidates=[{**LINEAR, "params": endless}]).startswith("letters.yaml: ")


# ── hints, in every section

SCHEMA = Spec.model_json_schema()


def sections(schema=SCHEMA, place=()):
    """Yield the place of each section in a spec, and its fields."""
    yield place, list(schema["properties"])
    for name, field in schema["properties"].items():
        items = [("items" in part, part.get("items", part)) for part in field.get("anyOf", [field])]
        for is_list, item in items:
            inner = SCHEMA["$defs"].get(item.get("$ref", "").rpartition("/")[2], {})
            if "properties" in inner:
                yield from sections(inner, (*place, name, 0) if is_list else (*place, name))


def at(place, value):
    """Return the value, nested in lists and mappings so that it is at this place."""
    for name in reversed(place):
        value = [value] if name == 0 else {name: value}
    return value


SECTIONS = {
    ".".join(map(str, place)).replace(".0", "[0]"): pytest.param(place, fields) for place, fields in sections() if place
}


def test_every_section_is_walked():
    assert {*SECTIONS} >= {
        "gate",
        "gate.limits[0]",
        "gate.slices[0]",
        "candidates[0]",
        "channels[0]",
        "approval",
        "source",
    }
    assert {f"checks.{name}" for name in Checks.model_fields} <= {*SECTIONS}


@pytest.mark.parametrize(("place", "fields"), SECTIONS.values(), ids=SECTIONS)
def test_a_typo_in_a_section_hints_at_the_fields_of_that_section(place, fields):
    where = "letters.yaml: " + ".".join(map(str, place)).replace(".0", "[0]")

    faults = refusal(**at(place, {"zzz": 1, **{f"{name}_": 1 for name in fields}})).splitlines()

    assert f"{where}.zzz = 1: is not a field; remove it, or use one of {', '.join(fields)}" in faults
    for name in fields:
        assert f"{where}.{name}_ = 1: is not a field; did you mean {name}?" in faults
