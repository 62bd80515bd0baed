"""Whether enough rows are there, and how the team reads it."""

import pytest

from retrain.threshold import Sensed


@pytest.mark.parametrize(
    ("new_rows", "enough", "missing"), [(0, False, 2000), (1999, False, 1), (2000, True, 0), (2001, True, 0)]
)
def test_as_many_new_rows_as_the_threshold_are_enough(new_rows, enough, missing):
    sensed = Sensed(new_rows, threshold=2000)

    assert (sensed.enough, sensed.missing) == (enough, missing)


@pytest.mark.parametrize(
    ("new_rows", "says"),
    [
        (766, "766 of 2,000 new labelled rows are there; 1,234 are missing."),
        (2000, "At least 2,000 new labelled rows are there."),
    ],
)
def test_it_is_said_how_many_rows_are_there_and_how_many_are_missing(new_rows, says):
    assert str(Sensed(new_rows, threshold=2000)) == says
