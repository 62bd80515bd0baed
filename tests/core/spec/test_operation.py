"""The sections of operation: mode, schedule, wake, approval, watch and channels."""

import pytest

from tests.core.spec.specs import DATED, assert_accepted, assert_refused, refusal, spec


@pytest.mark.parametrize(
    "fields",
    [
        {"mode": "observe", "schedule": "@hourly", "channels": [{"webhook": "team"}]},
        {"approval": {"users": ["kim", "lee"], "wait": "36h"}},
        {"watch": {"silence": "3d", "late": None}, "source": DATED},
        {"wake": "on_arrival"},
        {"wake": "on_arrival", "schedule": "@hourly"},
    ],
    ids=str,
)
def test_what_can_run_is_accepted(fields):
    assert_accepted(fields)


@pytest.mark.parametrize(
    ("fields", "message"),
    [
        ({"mode": "enforced"}, "mode = \"enforced\": input should be 'enforce' or 'observe'"),
        ({"schedule": 5}, "schedule = 5: input should be a valid string"),
        ({"channels": [{"webhook": ""}]}, 'channels[0].webhook = "": string should have at least 1 character'),
        ({"channels": [{"least": "info"}]}, "channels[0] = {"),
        (
            {"channels": [{"slack": "a", "webhook": "b"}]},
            "does not name exactly one connection; write one of webhook, slack",
        ),
        ({"channels": [{"email": "smtp"}]}, "email and to go together: name the addresses in to"),
        ({"channels": [{"slack": "a", "to": ["a@b.c"]}]}, "email and to go together"),
        ({"channels": [{"email": "smtp", "to": ["a@b.c, d@e.f"]}]}, "channels[0].to[0] = "),
        ({"channels": [{"slack": "a", "least": "grave"}]}, "channels[0].least = "),
        ({"channels": [{"slack": "a"}, {"slack": "a", "least": "error"}]}, "channels = "),
    ],
)
def test_a_fault_is_refused_with_file_field_value_and_remedy(fields, message):
    assert_refused(fields, message)


def test_an_approval_is_by_a_person_or_not_needed():
    assert spec(approval="person").approval == spec(approval={}).approval
    assert spec(approval="none").approval is spec(approval=None).approval is None


@pytest.mark.parametrize(
    ("fields", "message"),
    [
        (
            {"approval": "persons"},
            'approval = "persons": is neither person nor none; write one of them, or the fields users and wait',
        ),
        ({"approval": {"wait": "0d"}}, 'approval.wait = "0d": leaves no time; write more, as in 3d'),
        ({"approval": {"user": ["kim"]}}, 'approval.user = ["kim"]: is not a field; did you mean users?'),
        ({"approval": {"users": ["kim", "kim"]}}, 'approval.users = ["kim", "kim"]: names kim more than once'),
        ({"watch": {"silence": "3d"}}, "silence needs source.label_time; name the column, or remove it"),
        ({"watch": {"lat": "3d"}}, 'watch.lat = "3d": is not a field; did you mean late?'),
    ],
)
def test_what_cannot_be_approved_or_watched_is_refused(fields, message):
    assert message in refusal(**fields)
