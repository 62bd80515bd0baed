"""A gain of more than `min_gain`, a loss of less than `margin`, and the last version that was better."""

import numpy as np
import pytest

from retrain.gate.judge import judge
from retrain.records import Cause, Outcome, Proof
from retrain.spec.gate import Gate
from tests.core.gate.evidence import (
    BETTER,
    LABELS,
    ROWS,
    WORSE,
    as_predictions,
    by_probability,
    evidence_of,
    matchup,
    within,
    wrong_on,
)

# --- A gain of more than min_gain, a loss of less than margin


@pytest.mark.parametrize(
    ("min_gain", "outcome", "words"),
    [(0.05, Outcome.PROMOTE, "is more than 0.05, p = "), (0.09, Outcome.HOLD, "may not be more than 0.09, p = ")],
)
def test_a_gain_must_be_more_than_min_gain(min_gain, outcome, words):
    verdict = judge(evidence_of(BETTER, WORSE), Gate(metric="accuracy", tests=1, min_gain=min_gain))

    assert verdict.outcome is outcome
    assert words in verdict.reason
    assert (verdict.proof, verdict.threshold) == (Proof.SUPERIORITY, min_gain)


def test_a_gain_of_exactly_min_gain_is_held_whatever_its_p():
    # All resamples have it: there are two clusters, and each has 50 of its 500 rows wrong.
    judged = evidence_of(LABELS, wrong_on(slice(None, None, 10)), clusters=np.arange(ROWS) // 2 % 2)

    just, less = (
        judge(judged, Gate(metric="accuracy", tests=1, min_rows=2, min_gain=min_gain)) for min_gain in (0.1, 0.09)
    )

    assert just.difference == pytest.approx(0.1)
    assert (just.outcome, less.outcome) == (Outcome.HOLD, Outcome.PROMOTE)


@pytest.mark.parametrize(
    ("wrong", "outcome", "words"),
    [
        (80, Outcome.PROMOTE, "the difference +0.020 "),
        (110, Outcome.PROMOTE, "is within the margin of 0.03, p = "),
        (125, Outcome.HOLD, "may not be within the margin of 0.03, p = "),
        (160, Outcome.HOLD, "may not be within the margin of 0.03, p = "),
    ],
    ids=["better", "a little worse", "perhaps too much worse", "much worse"],
)
def test_a_model_that_is_shown_to_lose_less_than_the_margin_is_promoted(wrong, outcome, words):
    verdict = judge(evidence_of(wrong_on(slice(0, wrong)), wrong_on(slice(0, 100))), within(0.03))

    assert verdict.outcome is outcome
    assert words in verdict.reason
    assert (verdict.proof, verdict.threshold) == (Proof.NON_INFERIORITY, -0.03)


def test_much_disagreement_hides_whether_a_loss_is_within_the_margin():
    # As good as Production, on other rows: what it loses may be more than is seen here.
    verdict = judge(evidence_of(wrong_on(slice(0, 300)), wrong_on(slice(300, 600))), within(0.03))

    assert verdict.outcome is Outcome.HOLD


def test_a_proof_of_non_inferiority_does_not_excuse_missing_the_floor():
    verdict = judge(evidence_of(wrong_on(slice(0, 101)), wrong_on(slice(0, 100))), within(0.03, floor=0.9))

    assert verdict.outcome is Outcome.HOLD
    assert verdict.reason == "accuracy 0.899 misses the floor of 0.9"


def test_the_same_predictions_are_nothing_new_for_non_inferiority_either():
    verdict = judge(evidence_of(BETTER, BETTER), within(0.03))

    assert verdict.outcome is Outcome.HOLD
    assert verdict.reason.endswith("the two agree in every prediction that counts")


# --- The last version that was better


def anchored(challenger, production, anchor, gate=None, **changes):
    about = matchup(production="2", version="3", anchor="1")
    return judge(
        evidence_of(challenger, production, anchor=as_predictions(anchor), about=about, **changes), gate or within(0.03)
    )


def test_a_chain_of_small_losses_is_stopped():
    # Each version is wrong on 10 rows more than the one before: a loss of 0.01 where 0.03 would be too much.
    outcomes, production = [], 100
    for wrong in range(110, 200, 10):
        predictions = [wrong_on(slice(0, count)) for count in (wrong, production, 100)]
        verdict = anchored(*predictions)
        outcomes.append(verdict.outcome)
        if verdict.outcome is Outcome.PROMOTE:
            production = wrong

    assert outcomes[0] is Outcome.PROMOTE
    assert production <= 120
    assert {*outcomes[2:]} == {Outcome.HOLD}


def test_what_is_worse_than_the_anchor_says_so():
    verdict = anchored(*(wrong_on(slice(0, count)) for count in (150, 145, 100)))

    assert verdict.outcome is Outcome.HOLD
    assert "0.850 against 0.855" in verdict.reason
    assert "but against version 1, the gate's anchor, 0.900: the difference -0.050" in verdict.reason


def test_the_same_predictions_as_the_anchors_are_not_a_loss():
    # It loses nothing against the anchor, and is no worse than Production.
    verdict = anchored(wrong_on(slice(0, 100)), wrong_on(slice(0, 105)), wrong_on(slice(0, 100)))

    assert verdict.outcome is Outcome.PROMOTE


def test_where_the_anchor_cannot_be_asked_it_takes_a_gain_over_production():
    fault = {"anchor_fault": "its files are gone"}
    better, fresh = (anchored(wrong_on(slice(0, wrong)), wrong_on(slice(0, 100)), None, **fault) for wrong in (60, 99))

    assert (better.outcome, better.anchors) == (Outcome.PROMOTE, True)
    assert "version 1, the gate's anchor, cannot be asked (its files are gone), but it is better" in better.reason
    assert (fresh.outcome, fresh.cause) == (Outcome.HOLD, Cause.ANCHOR)
    assert "cannot be asked (its files are gone), so it must be better than Production: the difference" in fresh.reason


@pytest.mark.parametrize(
    ("anchor", "why"),
    [
        (None, "its predictions are missing"),
        (np.full(ROWS, -1), "no prediction of it is one of the labels"),
    ],
    ids=["nothing", "other labels"],
)
def test_an_anchor_without_useful_predictions_cannot_be_asked(anchor, why):
    verdict = anchored(wrong_on(slice(0, 99)), wrong_on(slice(0, 100)), anchor)

    assert verdict.cause is Cause.ANCHOR
    assert f"cannot be asked ({why})" in verdict.reason


def test_an_anchor_that_cannot_be_compared_cannot_be_asked():
    verdict = anchored(by_probability(0.8), by_probability(0.7), BETTER, within(0.05, metric="log_loss", ceiling=1))

    assert verdict.outcome is Outcome.PROMOTE
    assert "version 1, the gate's anchor, cannot be asked (nothing could be computed)" in verdict.reason
