"""What was measured, as the gate takes it."""

import numpy as np
from hypothesis import given
from hypothesis import strategies as st

from retrain.gate.predictions import Predictions
from tests.core.gate.evidence import LABELS, ROWS, evidence_of, wrong_on

some_rows = st.lists(st.integers(0, ROWS - 1), unique=True, max_size=20)


@given(ours=some_rows, theirs=some_rows)
def test_a_row_has_flipped_where_one_of_the_two_is_wrong(ours, theirs):
    to_wrong, to_right = evidence_of(wrong_on(ours), wrong_on(theirs)).flips()

    assert set(to_wrong) == set(ours) - set(theirs)
    assert set(to_right) == set(theirs) - set(ours)


def test_nothing_has_flipped_without_two_models_or_in_a_regression():
    numbers = Predictions(LABELS.astype(float))
    measured = [
        evidence_of(LABELS, None),
        evidence_of(None, LABELS),
        evidence_of(numbers, Predictions(np.zeros(ROWS)), labels=LABELS.astype(float), classes=()),
    ]

    assert [[len(rows) for rows in each.flips()] for each in measured] == [[0, 0]] * 3
