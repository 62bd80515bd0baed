"""Whether enough rows are there, which threshold says so, and how the team reads it."""

import json
from datetime import timedelta

import pytest

from retrain.cycle.threshold import Sensed, Why
from retrain.spec.source import Threshold

ROWS = Threshold(rows=2000)
PATIENT = Threshold.model_validate({"rows": 2000, "max_wait": "7d", "min_rows": 50})
WEEK = timedelta(days=7)


@pytest.mark.parametrize(
    ("new_rows", "why", "missing"), [(0, None, 2000), (1999, None, 1), (2000, Why.ROWS, 0), (2001, Why.ROWS, 0)]
)
@pytest.mark.parametrize("waited", [None, timedelta(days=999)])
def test_without_a_longest_wait_as_many_new_rows_as_the_threshold_are_enough(new_rows, why, missing, waited):
    sensed = Sensed(new_rows, ROWS, waited)

    assert (sensed.why, sensed.enough, sensed.missing) == (why, why is not None, missing)


@pytest.mark.parametrize(
    ("new_rows", "waited", "why", "missing"),
    [
        (2000, None, Why.ROWS, 0),
        (2000, WEEK, Why.ROWS, 0),
        (1999, None, None, 1),
        (1999, WEEK - timedelta(microseconds=1), None, 1),
        (1999, -WEEK, None, 1),
        (1999, WEEK, Why.MAX_WAIT, 0),
        (50, WEEK, Why.MAX_WAIT, 0),
        (49, WEEK, None, 1),
        (0, 2 * WEEK, None, 50),
    ],
)
def test_after_the_longest_wait_fewer_will_do(new_rows, waited, why, missing):
    sensed = Sensed(new_rows, PATIENT, waited)

    assert (sensed.why, sensed.enough, sensed.missing) == (why, why is not None, missing)


def test_no_row_at_all_is_never_enough():
    assert not Sensed(0, Threshold.model_validate({"max_wait": "1d"}), WEEK).enough


@pytest.mark.parametrize(
    ("threshold", "new_rows", "waited", "says"),
    [
        (ROWS, 766, None, "766 of 2,000 new labelled rows are there; 1,234 are missing."),
        (ROWS, 2000, None, "At least 2,000 new labelled rows are there."),
        (PATIENT, 2000, WEEK, "At least 2,000 new labelled rows are there."),
        (PATIENT, 766, timedelta(0), "766 of 2,000 new labelled rows are there; 1,234 are missing."),
        (PATIENT, 766, WEEK, "766 of 2,000 new labelled rows are there; after 7d without a cycle, 50 are enough."),
        (
            *(PATIENT, 7, WEEK),
            "7 of 2,000 new labelled rows are there; after 7d without a cycle, 50 are enough; 43 are missing.",
        ),
    ],
)
def test_it_is_said_how_many_rows_are_there_and_how_many_are_missing(threshold, new_rows, waited, says):
    assert str(Sensed(new_rows, threshold, waited)) == says


@pytest.mark.parametrize(
    ("waited", "seconds", "why"), [(None, None, None), (timedelta(hours=1), 3600, None), (WEEK, 604800, "max_wait")]
)
def test_what_was_found_is_json(waited, seconds, why):
    assert json.loads(json.dumps(Sensed(60, PATIENT, waited).to_json())) == {
        "new_rows": 60,
        "threshold": {"rows": 2000, "max_wait": "7d", "min_rows": 50},
        "waited_seconds": seconds,
        "why": why,
    }


@pytest.mark.parametrize(
    ("sensed", "since", "rate", "expected"),
    [
        (Sensed(500, ROWS), timedelta(days=5), 100, timedelta(days=15)),
        (Sensed(500, ROWS), None, None, None),
        (Sensed(0, ROWS), WEEK, 0, None),
        (Sensed(1, ROWS), timedelta(days=10_000), 0.0001, timedelta(days=3650)),
        (Sensed(2000, ROWS), WEEK, None, None),  # more may wait than were counted
        (Sensed(60, PATIENT, WEEK), WEEK, 60 / 7, timedelta(0)),
    ],
)
def test_it_is_expected_when_there_are_enough_by_the_rows_that_wait(sensed, since, rate, expected):
    assert (sensed.rows_a_day(since), sensed.expected_in(since)) == (rate, expected)
