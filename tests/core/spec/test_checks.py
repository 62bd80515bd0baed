"""The section `checks`."""

import pytest

from tests.core.spec.specs import assert_refused, spec


@pytest.mark.parametrize(
    ("fields", "message"),
    [
        (
            {"checks": {"fallen_rows": {"max": 1.5}}},
            "checks.fallen_rows.max = 1.5: input should be less than or equal to 1",
        ),
        (
            {"checks": {"fallen_rows": {"on_fail": "ignore"}}},
            "checks.fallen_rows.on_fail = \"ignore\": input should be 'block' or 'warn'",
        ),
        ({"checks": {"fallen_rows": None}}, "checks.fallen_rows = null: input should be an object"),
        (
            {"checks": {"future_labels": {"ahead": 1}}},
            "checks.future_labels.ahead = 1: is not a duration; write a whole number and d, h, m or s, as in 7d",
        ),
    ],
)
def test_a_fault_is_refused_with_file_field_value_and_remedy(fields, message):
    assert_refused(fields, message)


def test_what_a_check_does_not_say_is_its_own_default():
    checks = spec(
        checks={"null_share": {"max": 0.1}, "fallen_rows": {"max": 0.2}, "duplicates": {"on_fail": "block"}}
    ).checks
    assert (checks.null_share.max, checks.null_share.on_fail) == (0.1, "warn")
    assert (checks.fallen_rows.max, checks.fallen_rows.on_fail) == (0.2, "block")
    assert (checks.duplicates.max, checks.duplicates.on_fail) == (0.5, "block")
    assert checks.future_labels == spec().checks.future_labels
