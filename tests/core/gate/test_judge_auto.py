"""`proof: auto`: not worse for the recipe of Production, better for another; and the cause of a HOLD."""

from dataclasses import replace

import numpy as np
import pytest

from retrain.gate.contest import best, own_refit
from retrain.gate.judge import judge
from retrain.gate.predictions import Rate
from retrain.gate.proofs import margin_of
from retrain.records import Cause, Outcome, Proof
from retrain.spec.gate import Gate, Spending
from tests.core.gate.evidence import (
    BETTER,
    NUMBERS,
    WORSE,
    as_numbers,
    as_predictions,
    by_number,
    evidence_of,
    matchup,
    wrong_on,
)

AUTO = Gate(metric="accuracy", margin=0.03, tests=1)


def judged(challenger, production=100, anchor=None, *, same=True, gate=AUTO, **changes):
    """Return the verdict on models that are wrong on so many of 1,000 rows, the first ones."""
    about = matchup(production="2", version="3", anchor=None if anchor is None else "1", same_recipe=same)
    models = [None if each is None else wrong_on(slice(0, each)) for each in (challenger, production, anchor)]
    return judge(
        evidence_of(*models[:2], anchor=as_predictions(models[2]), about=about, **changes),
        gate,
    )


# --- the two questions


@pytest.mark.parametrize(("same", "proof"), [(True, Proof.NON_INFERIORITY), (False, Proof.SUPERIORITY)])
def test_the_verdict_stores_which_proof_was_asked_for(same, proof):
    verdict = judged(100, 102, same=same)

    assert verdict.proof is proof
    assert verdict.threshold == (-0.03 if same else 0)


def test_the_same_recipe_must_only_not_be_worse_and_another_one_must_be_better():
    assert judged(101, same=True).outcome is Outcome.PROMOTE
    assert judged(101, same=False).outcome is Outcome.HOLD
    assert judged(60, same=False).outcome is Outcome.PROMOTE


def test_the_same_recipe_must_not_be_worse_than_the_anchor_either():
    verdict = judged(140, 130, 100)

    assert (verdict.outcome, verdict.cause) == (Outcome.HOLD, Cause.ANCHOR)
    assert judged(140, 130, 135).outcome is Outcome.PROMOTE


def test_against_the_anchor_three_quarters_of_the_margin_may_be_lost():
    near, far = judged(118, 112, 106), judged(118, 112, 100)  # 0.012 and 0.018 below the anchor; the margin is 0.03

    assert near.outcome is Outcome.PROMOTE
    assert (far.outcome, far.cause) == (Outcome.HOLD, Cause.ANCHOR)
    assert "may not be within the margin of 0.0225" in far.reason


def test_another_recipe_that_is_better_than_production_is_not_asked_for_the_anchor():
    verdict = judged(100, 140, 60, same=False)

    assert (verdict.outcome, verdict.anchors) == (Outcome.PROMOTE, False)


def test_both_questions_have_the_whole_level_of_the_test():
    gate = Gate(metric="accuracy", margin=0.03, tests=5)
    verdicts = [judged(101, 100, 100, gate=gate), judged(101, 100, 100, same=False, gate=gate)]

    assert [verdict.alpha for verdict in verdicts] == [0.025, 0.025]


def test_non_inferiority_asks_every_recipe_for_the_same():
    gate = Gate(metric="accuracy", proof=Proof.NON_INFERIORITY, margin=0.03, tests=1)
    ours, other = (judged(101, 99, 100, same=same, gate=gate) for same in (True, False))

    assert ours.model_copy(update={"matchup": other.matchup}) == other
    assert other.outcome is Outcome.PROMOTE


# --- which version becomes the anchor


@pytest.mark.parametrize(
    ("challenger", "production", "anchor", "same", "anchors"),
    [
        (101, 100, None, True, False),
        (60, 100, None, True, True),
        (60, 100, None, False, True),
        (99, 100, 100, True, False),
        (60, 90, 100, True, True),
        (60, 100, 62, False, False),
        (60, 100, 100, False, True),
    ],
)
def test_a_version_that_is_better_than_the_anchor_takes_its_place(challenger, production, anchor, same, anchors):
    verdict = judged(challenger, production, anchor, same=same)

    assert (verdict.outcome, verdict.anchors) == (Outcome.PROMOTE, anchors)


def test_to_become_the_anchor_takes_min_gain():
    gate = Gate(metric="accuracy", margin=0.03, min_gain=0.05, tests=1)

    assert not judged(60, gate=gate).anchors
    assert judged(20, gate=gate).anchors


def test_the_first_version_and_each_winner_by_superiority_are_the_anchor():
    first = judge(evidence_of(BETTER, None), AUTO)
    winner = judged(60, 100, same=False, gate=Gate(metric="accuracy", proof=Proof.SUPERIORITY, tests=1))

    assert (first.outcome, first.anchors) == (Outcome.PROMOTE, True)
    assert (winner.outcome, winner.anchors) == (Outcome.PROMOTE, True)


def test_what_is_held_anchors_nothing():
    assert not judged(200).anchors


# --- the margin


@pytest.mark.parametrize(
    ("gate", "score", "margin"),
    [
        (Gate(metric="f1_macro"), 0.8, 0.01),
        (Gate(metric="r2"), 0.3, 0.01),
        (Gate(metric="rmse", ceiling=99), 40, 0.4),
        (Gate(metric="log_loss", ceiling=2), 0.5, 0.005),
        (Gate(metric="sklearn:neg_mean_squared_error", floor=-99), -20, 0.2),
        (Gate(metric="rmse", ceiling=99, margin=3), 40, 3),
        (Gate(metric="rmse", ceiling=99), None, 0),
    ],
)
def test_the_margin_is_a_point_or_a_share_of_productions_score(gate, score, margin):
    assert margin_of(gate, score) == pytest.approx(margin)


def test_an_error_that_grows_by_less_than_a_hundredth_is_no_loss():
    about = matchup(same_recipe=True)
    ours = by_number(2)
    theirs = replace(ours, labels=ours.labels + np.random.default_rng(5).normal(0, 0.05, len(NUMBERS)))

    verdict = judge(as_numbers(ours, theirs, about=about), Gate(metric="rmse", ceiling=9, tests=1))

    assert verdict.outcome is Outcome.PROMOTE
    assert verdict.threshold == pytest.approx(-verdict.production_score / 100)


# --- the cause of a HOLD


@pytest.mark.parametrize(
    ("challenger", "same", "changes", "cause"),
    [
        (200, True, {}, Cause.WORSE),
        (125, True, {}, Cause.UNDECIDED),
        (140, False, {}, Cause.WORSE),
        (99, False, {}, Cause.UNDECIDED),
        (100, False, {}, Cause.UNDECIDED),
        (60, False, {"gate": Gate(metric="accuracy", floor=0.95)}, Cause.GUARD),
        (60, True, {"twin": True}, Cause.GUARD),
    ],
)
def test_a_hold_has_a_cause(challenger, same, changes, cause):
    verdict = judged(challenger, same=same, **changes)

    assert (verdict.outcome, verdict.cause) == (Outcome.HOLD, cause)


def test_a_first_version_below_the_floor_is_held_by_a_guard():
    assert judge(evidence_of(WORSE, None), Gate(metric="accuracy", floor=0.95)).cause is Cause.GUARD


@pytest.mark.parametrize("verdict", [judged(60, same=False), judged(60, labels=np.zeros(1000, np.int64))])
def test_nothing_else_has_a_cause(verdict):
    assert verdict.outcome is not Outcome.HOLD
    assert verdict.cause is None


def test_undecided_says_how_many_rows_would_decide_and_when_they_come():
    judged_on = evidence_of(wrong_on(np.r_[0:55]), wrong_on(np.r_[40:105]), rate=Rate(holdout_rows=12_000, cycles=50))

    verdict = judge(judged_on, Gate(metric="accuracy", tests=1, round_rows=500))

    assert verdict.cause is Cause.UNDECIDED
    # At 80% power: 1,000 rows see a gain of smallest_gain, and rows go with the square of their ratio.
    needed = 1_000 * (verdict.smallest_gain / verdict.difference) ** 2
    assert verdict.rows_needed == pytest.approx(needed, rel=0.001)
    assert (
        f"Production stays, as these rows do not decide it: a holdout of {verdict.rows_needed:,} rows" in verdict.reason
    )
    assert (
        f"(set gate.round_rows to {verdict.rows_needed:,}), and at the present rate they arrive within"
        in verdict.reason
    )
    assert "bad" not in verdict.reason
    assert verdict.false_a_year == pytest.approx(24 * 0.05)


def test_no_number_of_rows_shows_a_gain_that_is_not_there():
    verdict = judged(100, 98, same=False)

    assert (verdict.cause, verdict.rows_needed) == (Cause.UNDECIDED, None)
    assert verdict.reason.endswith("is not a gain; Production stays, as these rows do not decide it")


# --- the contest


def test_the_best_on_validation_is_judged_and_of_equal_ones_the_first():
    scores = {"b": 0.8, "a": 0.8, "c": 0.7}

    assert best(scores, ["a", "b", "c"], "accuracy") == "a"
    assert best(scores, ["a", "b", "c"], "mae") == "c"


UNDECIDED = judged(99, same=False, gate=Gate(metric="accuracy"))


def test_the_refit_of_productions_own_recipe_takes_the_next_test_where_another_is_undecided():
    assert own_refit(Gate(), UNDECIDED, "new", "own")


@pytest.mark.parametrize(
    ("gate", "changes", "winner", "own"),
    [
        (Gate(proof=Proof.SUPERIORITY), {}, "new", "own"),
        (Gate(), {"cause": Cause.WORSE}, "new", "own"),
        (Gate(), {"cause": Cause.GUARD}, "new", "own"),
        (Gate(), {"outcome": Outcome.PROMOTE, "cause": None}, "new", "own"),
        (Gate(), {}, "own", "own"),
        (Gate(), {}, "new", None),
        (Gate(tests=1), {}, "new", "own"),
        (Gate(), {"matchup": matchup(same_recipe=True)}, "new", "own"),
        (Gate(), {"matchup": matchup(test=5)}, "new", "own"),
    ],
)
def test_otherwise_nothing_follows(gate, changes, winner, own):
    assert not own_refit(gate, UNDECIDED.model_copy(update=changes), winner, own)


# --- how often it errs


@pytest.mark.parametrize("spending", Spending)
def test_an_equal_model_of_another_recipe_is_promoted_in_a_round_no_more_often_than_alpha(spending):
    rng, gate, rounds = np.random.default_rng(24), Gate(metric="accuracy", spending=spending), 150
    promoted = 0
    for number in range(rounds):
        labels = (rng.random(600) < 0.4).astype(np.int64)
        production = wrong_on(rng.random(600) < 0.15, labels)
        outcomes = []
        for test in range(1, gate.tests + 1):
            # Of the rows where the two differ, each is right on half.
            even = np.where(production == labels, rng.random(600) < 0.03, rng.random(600) < 0.03 * 0.85 / 0.15)
            challenger = np.where(even, 1 - production, production)
            about = matchup(id=f"{number} {test}", test=test)
            outcomes.append(judge(evidence_of(challenger, production, labels=labels, about=about), gate).outcome)
        promoted += Outcome.PROMOTE in outcomes
    assert promoted / rounds <= 0.05 + 3 * (0.05 * 0.95 / rounds) ** 0.5
