"""A record is the same value wherever it goes: as JSON through a task boundary, the ledger or HTTP."""

import json
from datetime import UTC, datetime, timedelta, timezone
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from pydantic import ValidationError

from retrain.records import Announcement, Candidate, Incident, Matchup, Promotion, Snapshot, Subset, Verdict

FINITE = st.floats(allow_nan=False, allow_infinity=False)
TIMES = st.datetimes(timezones=st.sampled_from([UTC, timezone(timedelta(hours=9))]))
# For these, Hypothesis would also try what JSON cannot carry: NaN, times without a zone, any object.
CARRIED = {
    float: FINITE,
    float | None: st.none() | FINITE,
    tuple[float, float] | None: st.none() | st.tuples(FINITE, FINITE),
    datetime: TIMES,
    datetime | None: st.none() | TIMES,
    dict[str, Any]: st.dictionaries(st.text(), st.none() | st.booleans() | st.integers() | FINITE | st.text()),
}


def some(record):
    return st.builds(
        record,
        **{
            name: CARRIED[field.annotation]
            for name, field in record.model_fields.items()
            if field.annotation in CARRIED
        },
    )


@pytest.mark.parametrize("record", [Snapshot, Candidate, Matchup, Verdict, Promotion, Incident, Announcement])
@settings(max_examples=30, deadline=None)
@given(data=st.data())
def test_a_record_comes_back_from_json_as_it_was(record, data):
    value = data.draw(some(record))

    assert record.from_json(json.loads(json.dumps(value.to_json(), allow_nan=False))) == value


CANDIDATE = {
    "id": "models:/m-1",
    "model": "letters",
    "name": "linear",
    "snapshot": "s1",
    "run_id": "r1",
    "parent_run_id": "r0",
    "metric": "f1_macro",
    "train_score": 0.9,
    "validation_score": 0.8,
    "train_rows": 10,
}


def test_a_record_is_never_changed():
    with pytest.raises(ValidationError, match="frozen"):
        Candidate(**CANDIDATE).name = "other"


@pytest.mark.parametrize("score", [float("nan"), float("inf"), -float("inf")])
def test_a_number_that_json_cannot_carry_is_refused_where_it_arises(score):
    with pytest.raises(ValidationError, match="finite number"):
        Candidate(**CANDIDATE | {"validation_score": score})


@pytest.mark.parametrize(
    "wrong", [CANDIDATE | {"colour": "red"}, {name: value for name, value in CANDIDATE.items() if name != "run_id"}]
)
def test_json_with_too_much_or_too_little_is_refused(wrong):
    with pytest.raises(ValidationError):
        Candidate.from_json(wrong)


def test_a_subset_is_written_as_its_name():
    snapshot = Snapshot(
        id="s1", model="m", uri="u", watermark=None, rows=1, new_rows=1, subsets={Subset.TRAIN: 1}, holdout_round=1
    )

    assert snapshot.to_json()["subsets"] == {"train": 1}
