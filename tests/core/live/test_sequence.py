"""The test of a trial errs as often as it may over all of its looks, and sees what is worth it."""

from dataclasses import replace
from math import inf

import numpy as np
import pytest

from retrain.gate.comparison import swapped
from retrain.gate.predictions import Predictions
from retrain.live.sequence import Answer, begin, look
from retrain.spec.gate import Measured

DRAWS = 800
ALPHA = 0.05
ROWS = 1_000
KNOWN = {"max_rows": ROWS, "threshold": 0.0, "worth": None, "alpha": ALPHA, "over": False, "slack": 1e-12}
WITHIN = 0.05 + 3 * (0.05 * 0.95 / 400) ** 0.5
"""Alpha, and three standard errors of 400 trials."""


def trial(number, gain=0.0, rows=ROWS, batch=100):
    """Gains at each look of two models of which each row tells one a bit, drawn as whole rows swap."""
    rng = np.random.default_rng([11, number])
    told = rng.choice([1, 0, -1], p=[0.15 + gain / 2, 0.7, 0.15 - gain / 2], size=rows)
    signs = np.concatenate([np.ones((1, rows)), 1 - 2 * rng.integers(0, 2, size=(DRAWS, rows))])
    sums = np.add.reduceat(signs * told, np.arange(0, rows, batch), axis=1).cumsum(axis=1)
    return [(batch * each, sums[:, each - 1] / (batch * each)) for each in range(1, 1 + rows // batch)]


def run(looks, **changes):
    """The states after all looks until an answer that ends the trial."""
    states = [begin(DRAWS)]
    for rows, gains in looks:
        if states[-1].answer is Answer.WAIT:
            states.append(look(states[-1], gains, rows=rows, **{**KNOWN, **changes}))
    return states[1:]


def shares(trials, **changes):
    """How often each answer ends the trials, and how many rows they take in the mean."""
    ends = [run(each, **changes)[-1] for each in trials]
    return {each: np.mean([end.answer is each for end in ends]) for each in Answer}, np.mean([end.rows for end in ends])


EQUAL = [trial(number) for number in range(400)]


# ── how often it errs


def test_an_equal_model_is_promoted_in_alpha_of_the_trials_however_many_looks():
    by, rows = shares(EQUAL)

    assert 0.02 < by[Answer.PROMOTE] <= WITHIN
    assert by[Answer.PROMOTE] + by[Answer.HOLD] == 1
    assert rows > 0.95 * ROWS


def test_an_equal_model_is_promoted_no_more_often_where_trials_may_be_dropped():
    by, rows = shares(EQUAL, worth=0.08)

    assert by[Answer.PROMOTE] <= WITHIN
    assert by[Answer.DROP] > 0.8
    assert rows < 0.6 * ROWS


def test_a_model_that_is_better_by_just_what_it_must_exceed_is_promoted_in_alpha_of_the_trials():
    by, _ = shares([trial(number, 0.05) for number in range(200)], threshold=0.05)

    assert by[Answer.PROMOTE] <= 0.05 + 3 * (0.05 * 0.95 / 200) ** 0.5


def test_a_model_that_is_worse_by_just_the_margin_is_promoted_in_alpha_of_the_trials():
    by, _ = shares([trial(number, -0.05) for number in range(200)], threshold=-0.05)

    assert by[Answer.PROMOTE] <= 0.05 + 3 * (0.05 * 0.95 / 200) ** 0.5


def test_rows_that_come_to_a_halt_cost_the_level_nothing():
    """The deadline is there after a third of the rows."""
    looks = [each[:3] for each in EQUAL]
    early = [run(each[:2])[-1] for each in looks]
    ends = [
        state
        if state.answer is not Answer.WAIT
        else look(state, each[2][1], rows=each[2][0], **{**KNOWN, "over": True})
        for state, each in zip(early, looks, strict=True)
    ]
    promoted = np.mean([each.answer is Answer.PROMOTE for each in ends])

    assert 0.02 < promoted <= WITHIN
    assert all(each.time == 1 for each in ends if each.answer is Answer.HOLD)


# ── what it sees


def test_a_model_that_is_better_is_seen_early():
    by, rows = shares([trial(number, 0.1) for number in range(100)])

    assert by[Answer.PROMOTE] >= 0.95
    assert rows < 0.6 * ROWS


def test_a_model_that_is_worth_it_is_seen_in_four_of_five_trials_where_it_is_seen_as_often_by_one_look():
    trials = [trial(number, 0.08) for number in range(100)]

    by, _ = shares(trials, worth=0.08)
    alone, _ = shares(trials)

    assert by[Answer.PROMOTE] >= 0.75
    assert 0 < by[Answer.DROP] <= 0.3
    assert alone[Answer.PROMOTE] >= by[Answer.PROMOTE]


def test_a_worse_model_is_dropped_soon():
    by, rows = shares([trial(number, -0.08) for number in range(100)], worth=0.08)

    assert by[Answer.DROP] >= 0.99
    assert rows < 0.4 * ROWS


def test_a_model_that_is_as_good_shows_within_a_margin():
    by, _ = shares([trial(number) for number in range(50)], threshold=-0.1)

    assert by[Answer.PROMOTE] >= 0.95


# ── the bounds


def test_no_more_draws_pass_than_the_time_allows():
    states = max((run(trial(number, 0.02), alpha=0.06, worth=0.06) for number in range(20)), key=len)

    assert len(states) > 5
    for each in states:
        assert each.spent <= 0.06 * each.time * (DRAWS + 1)
        assert each.lost <= 0.2 * each.time * DRAWS
        alive = np.unpackbits(np.frombuffer(each.alive, np.uint8), count=DRAWS + 1)
        assert DRAWS + 1 - alive.sum() == each.spent


def test_all_of_alpha_is_spent_at_the_end_of_gains_that_are_never_equal():
    rng = np.random.default_rng(1)
    state = begin(DRAWS)
    for rows in range(100, 1_001, 100):
        gains = rng.normal(size=DRAWS + 1)
        gains[0] = -1
        state = look(state, gains, rows=rows, **KNOWN)

    assert (state.spent, state.answer, state.time) == (40, Answer.HOLD, 1)


def test_one_look_is_the_permutation_test():
    rng = np.random.default_rng(3)
    for rank, answer in ((39, Answer.PROMOTE), (40, Answer.HOLD)):
        gains = rng.permutation(np.arange(1, DRAWS + 1) / DRAWS)
        observed = np.sort(gains)[::-1][rank] + 0.5 / DRAWS  # of 801 with itself, 40 may pass

        assert look(begin(DRAWS), np.concatenate([[observed], gains]), rows=ROWS, **KNOWN).answer is answer


def test_the_trial_is_one_of_its_draws():
    """Whichever of the 801 is taken for the observed one, at most 40 of them promote: so chance takes one of them."""
    looks = trial(0)
    promoted = 0
    for place in range(0, DRAWS + 1):
        order = np.arange(DRAWS + 1)
        order[[0, place]] = order[[place, 0]]
        promoted += run([(rows, gains[order]) for rows, gains in looks[::3]])[-1].answer is Answer.PROMOTE

    assert 20 <= promoted <= 40


def test_a_gain_of_nothing_is_never_promoted():
    """Where all draws are below, as those of a loss that is there in every one."""
    gains = np.full(DRAWS + 1, -0.5)
    gains[0] = 0.0

    state = look(begin(DRAWS), gains, rows=ROWS, **KNOWN)

    assert (state.bound, state.answer) == (0, Answer.HOLD)


def test_models_that_are_alike_are_not_promoted():
    states = run([(rows, np.zeros(DRAWS + 1)) for rows in range(100, 1_001, 100)])

    assert [each.answer for each in states] == [Answer.WAIT] * 9 + [Answer.HOLD]
    assert states[-1].spent == 0


def test_a_tie_with_the_bound_does_not_pass():
    gains = np.arange(DRAWS + 1) / DRAWS
    gains[0] = gains[-40] + 1e-13

    at = look(begin(DRAWS), gains, rows=ROWS, **KNOWN)
    above = look(begin(DRAWS), gains + 1e-6 * (np.arange(DRAWS + 1) == 0), rows=ROWS, **KNOWN)

    assert (at.answer, above.answer) == (Answer.HOLD, Answer.PROMOTE)


def test_a_look_too_early_for_its_alpha_promotes_nothing():
    gains = np.concatenate([[1.0], np.zeros(DRAWS)])

    state = look(begin(DRAWS), gains, rows=1, **KNOWN)

    assert (state.bound, state.answer, state.spent) == (inf, Answer.WAIT, 0)


def test_what_is_undefined_counts_as_the_least():
    gains = np.concatenate([[0.5], np.full(DRAWS, np.nan)])
    undefined = np.concatenate([[np.nan], np.zeros(DRAWS)])

    assert look(begin(DRAWS), gains, rows=ROWS, **KNOWN).answer is Answer.PROMOTE
    assert look(begin(DRAWS), undefined, rows=ROWS, **KNOWN).answer is Answer.HOLD
    spread = np.concatenate([[np.nan], np.random.default_rng(6).normal(0, 0.05, DRAWS)])
    assert look(begin(DRAWS), spread, rows=ROWS, **{**KNOWN, "worth": 0.1}).answer is Answer.DROP


# ── the course of a trial


def test_a_look_is_computed_again_from_the_state_before():
    looks = trial(5, 0.03)
    states = run(looks, worth=0.1)

    again = [
        look(before, gains, rows=rows, **{**KNOWN, "worth": 0.1})
        for before, (rows, gains) in zip([begin(DRAWS), *states], looks, strict=False)
    ]

    assert again[: len(states)] == states


def test_without_new_rows_the_answer_is_the_last_one():
    looks = trial(1)
    first = look(begin(DRAWS), looks[3][1], rows=400, **KNOWN)
    much = np.concatenate([[1.0], looks[3][1][1:]])

    assert first.answer is Answer.WAIT
    assert look(first, much, rows=400, **KNOWN) is first
    assert look(first, much, rows=399, **KNOWN) is first


def test_a_trial_that_has_ended_stays_so():
    looks = trial(1)
    promoted = look(begin(DRAWS), np.concatenate([[1.0], looks[3][1][1:]]), rows=400, **KNOWN)

    assert promoted.answer is Answer.PROMOTE
    assert look(promoted, looks[9][1], rows=1_000, **KNOWN) is promoted


def test_past_the_deadline_what_is_left_is_spent_without_new_rows_too():
    gains = np.concatenate([[0.9], np.arange(DRAWS) / DRAWS])
    early = look(begin(DRAWS), gains, rows=100, **KNOWN)

    assert early.answer is Answer.WAIT
    assert look(early, gains, rows=100, **{**KNOWN, "over": True}).answer is Answer.HOLD
    assert look(early, gains + 0.06 * (np.arange(DRAWS + 1) == 0), rows=100, **{**KNOWN, "over": True}).answer is (
        Answer.PROMOTE
    )


def test_more_rows_than_planned_are_the_end():
    state = look(begin(DRAWS), np.zeros(DRAWS + 1), rows=5 * ROWS, **KNOWN)

    assert (state.time, state.answer) == (1, Answer.HOLD)


@pytest.mark.parametrize("draws", [8, DRAWS - 8, DRAWS + 8])
def test_another_number_of_draws_is_refused(draws):
    with pytest.raises(ValueError, match="a trial keeps its number of draws"):
        look(begin(DRAWS), np.zeros(draws + 1), rows=100, **KNOWN)


def test_a_state_of_ten_thousand_draws_is_small():
    state = begin(10_000)

    assert (len(state.alive), len(state.able)) == (1_251, 1_250)
    assert replace(state, rows=1) != state


# ── from predictions to an answer


def test_copies_of_rows_that_come_in_other_batches_do_not_promote():
    """Every text four times, each in another quarter: with rows for clusters many more trials would promote."""

    def promoted(number, clustered):
        rng = np.random.default_rng([13, number])
        labels = rng.integers(0, 2, 100)
        own, theirs = (np.where(rng.random(100) < 0.3, 1 - labels, labels) for _ in range(2))
        state = begin(200)
        for quarter in range(1, 5):
            rows = np.tile(np.arange(100), quarter)
            found = swapped(
                str(number),
                Measured(metric="f1_macro"),
                Predictions(own[rows]),
                Predictions(theirs[rows]),
                labels=labels[rows],
                classes=("no", "yes"),
                clusters=rows if clustered else np.arange(len(rows)),
                scorers={},
                draws=200,
            )
            state = look(state, found.gains, rows=len(rows), **{**KNOWN, "max_rows": 400, "slack": found.slack})
        return state.answer is Answer.PROMOTE

    assert np.mean([promoted(number, True) for number in range(200)]) <= 0.05 + 3 * (0.05 * 0.95 / 200) ** 0.5
    assert np.mean([promoted(number, False) for number in range(100)]) > 0.1


def test_where_one_cluster_differs_nothing_is_given_up():
    """Gains are +1 or -1 in steps of 200: half of all draws are as far below as the trial itself."""
    rng = np.random.default_rng(5)
    gains = np.concatenate([[-0.005], rng.choice([-0.005, 0.005], size=DRAWS)])

    after = look(begin(DRAWS), gains, rows=200, **{**KNOWN, "max_rows": 20_000, "worth": 0.0005})

    assert (after.answer, after.lost) == (Answer.WAIT, 0)
