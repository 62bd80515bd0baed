"""The picture of a study can be drawn, whatever the trials are."""

import pytest

from retrain.reports.study_chart import draw, write
from retrain.tuning.study import DONE, FAILED, PRUNED, Tried


def tried(number, value, state=DONE, **params):
    return Tried(number, params, state, value, 1.0, None)


MIXED = [
    tried(0, 0.71, c=0.01, penalty="l1", ratio=0.5, deep=True),
    tried(1, 0.74, c=10.0, penalty="l2", deep=False),
    tried(2, None, FAILED, c=1.0, penalty="l2", deep=True),
    tried(3, 0.79, c=0.5, penalty=None, deep=True),
    tried(4, None, PRUNED, c=3.0, penalty="l2", deep=True),
]


def test_it_shows_the_best_so_far_what_was_ended_and_what_matters():
    figure = draw("linear", "f1_macro", MIXED, {"c": 0.8, "penalty": 0.2})

    history, shares, parallel = figure.axes
    (line,) = [each for each in history.lines if each.get_label() == "best so far"]
    assert list(line.get_ydata()) == [0.71, 0.74, 0.79]
    assert {each.get_label() for each in history.lines} >= {"best so far", "trial", PRUNED, FAILED}
    assert [text.get_text() for text in shares.get_yticklabels()] == ["penalty", "c"]
    assert [text.get_text() for text in parallel.get_xticklabels()] == ["c", "penalty", "ratio", "deep"]


def test_of_a_loss_the_best_is_the_smallest():
    figure = draw("linear", "log_loss", MIXED, {})
    (line,) = [each for each in figure.axes[0].lines if each.get_label() == "best so far"]
    assert list(line.get_ydata()) == [0.71, 0.71, 0.71]


@pytest.mark.parametrize(
    "trials",
    [
        [],
        [tried(0, None, FAILED, c=1.0)],
        [tried(0, 0.5, c=1.0)],
        [tried(0, 0.5, c=1.0), tried(1, 0.5, c=1.0)],
        [tried(place, place / 50, 모델=place % 30, c=10.0**place) for place in range(50)],
        [tried(place, 0.5 + place / 100, **{f"parameter {each}": each for each in range(20)}) for place in range(3)],
        [tried(0, 0.5, sizes=[1, 2]), tried(1, 0.6, sizes=[3])],
    ],
)
def test_any_study_can_be_drawn(trials, tmp_path):
    assert write("a name " * 30, "accuracy", trials, {}, tmp_path).read_bytes().startswith(b"\x89PNG")
