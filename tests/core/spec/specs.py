"""Specs for tests: the smallest one, with other fields."""

import pytest

from retrain.errors import SpecError
from retrain.spec.parse import parse

SOURCE = {"table": "letters", "key": "id", "label": "result", "features": ["letter"]}
DATED = {**SOURCE, "label_time": "reviewed_at"}
GROUPED = {**SOURCE, "group": "applicant"}
QUERY = {**SOURCE, "table": None, "query": "letters.sql"}
LINEAR = {"name": "linear", "estimator": "estimators.text:logistic"}
SMALLEST = {"model": "Letters", "source": SOURCE, "candidates": [LINEAR]}


def spec(**fields):
    return parse({**SMALLEST, **fields}, "letters.yaml")


def refusal(**fields):
    with pytest.raises(SpecError) as refused:
        spec(**fields)
    return str(refused.value)


def assert_accepted(fields):
    accepted = spec(**fields).model_dump(mode="json", exclude_unset=True)

    assert {name: accepted[name] for name in fields} == fields


def assert_refused(fields, message):
    """Assert one fault, which names the file and the field, and holds this message."""
    text = refusal(**fields)
    (field,) = fields

    assert text.startswith(f"letters.yaml: {field}")
    assert message in text
    assert "\n" not in text
