"""What was measured, as the gate takes it."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from retrain.gate.predictions import Predictions, RawPredictions
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


# ── raw predictions, as label codes of the holdout

BOTH = ("bad", "good")


def test_probabilities_have_a_column_for_each_class_of_the_holdout():
    raw = RawPredictions(
        np.array(["good", "odd"]), ("bad", "good", "odd"), np.array([[0.2, 0.7, 0.1], [0.1, 0.3, 0.6]])
    )

    coded = raw.among(("bad", "good", "new"), "good")

    assert coded.labels.tolist() == [1, -1]
    assert coded.probabilities.tolist() == [[0.2, 0.7, 0], [0.1, 0.3, 0]]
    assert (coded.scores.tolist(), coded.positive) == ([0.7, 0.3], 1)


@pytest.mark.parametrize("positive", ["new", "odd", None])
def test_a_class_without_a_probability_has_no_scores(positive):
    raw = RawPredictions(np.array(["good"]), BOTH, np.array([[0.2, 0.8]]))

    assert raw.among(("bad", "good", "new"), positive).scores is None


@pytest.mark.parametrize(
    ("positive", "scores", "label_code"),
    [("good", [3, -1], 1), ("bad", [-3, 1], 0), (None, [3, -1], 1), ("new", None, None)],
)
def test_margins_are_for_the_second_class_and_against_the_first(positive, scores, label_code):
    coded = RawPredictions(np.array(["good", "bad"]), BOTH, margins=np.array([3.0, -1.0])).among(BOTH, positive)

    assert (None if coded.scores is None else coded.scores.tolist(), coded.positive) == (scores, label_code)
