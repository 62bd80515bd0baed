"""The section `gate`."""

from math import inf, nan

import pytest

from tests.core.spec.specs import assert_accepted, assert_refused, refusal, spec


@pytest.mark.parametrize(
    "fields",
    [
        {"gate": {"metric": "f1", "positive": "pass"}},
        {"gate": {"floor": 1}},
    ],
    ids=str,
)
def test_what_can_run_is_accepted(fields):
    assert_accepted(fields)


@pytest.mark.parametrize(
    ("fields", "message"),
    [
        ({"gate": {"floor": nan}}, "gate.floor = NaN: input should be a finite number"),
        ({"gate": {"floor": -inf}}, "gate.floor = -Infinity: input should be a finite number"),
        ({"gate": {"floor": 1.01}}, "gate.floor = 1.01: input should be less than or equal to 1"),
        ({"gate": {"alpha": 0}}, "gate.alpha = 0: input should be greater than 0"),
        ({"gate": {"tests": 0}}, "gate.tests = 0: input should be greater than or equal to 1"),
        ({"gate": {"min_rows": 1}}, "gate.min_rows = 1: input should be greater than or equal to 2"),
        (
            {"gate": {"metric": "auc"}},
            'gate.metric = "auc": is not a metric; did you mean roc_auc? or sklearn:<name> for a scorer',
        ),
        (
            {"gate": {"metric": "f1"}},
            'gate = {"metric": "f1"}: f1 is about one class; name it as positive',
        ),
        (
            {"gate": {"positive": "pass"}},
            'gate = {"positive": "pass"}: positive is not for f1_macro, which is about all classes; remove it',
        ),
    ],
)
def test_a_fault_is_refused_with_file_field_value_and_remedy(fields, message):
    assert_refused(fields, message)


@pytest.mark.parametrize(("written", "spelling"), [(1, "1"), ("1", "1"), (0, "0"), (0.5, "0.5"), (True, "true")])
def test_the_class_that_f1_is_about_has_one_spelling(written, spelling):
    assert spec(gate={"metric": "f1", "positive": written}).gate.positive == spelling


@pytest.mark.parametrize("positive", [{"a": 1}, ["pass"]])
def test_a_class_of_another_type_is_one_fault_of_the_field_that_the_file_has(positive):
    text = refusal(gate={"metric": "f1", "positive": positive})

    assert text.startswith("letters.yaml: gate.positive = ")
    assert "\n" not in text
