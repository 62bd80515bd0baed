"""The gate promotes what is better beyond chance, and holds the rest."""

import pytest

from retrain.gate.judge import judge
from retrain.records import Outcome
from retrain.spec.gate import Gate
from tests.core.gate.evidence import ACCURACY, BETTER, WORSE, evidence_of, guard, matchup, wrong_on


@pytest.mark.parametrize("metric", ["accuracy", "balanced_accuracy", "f1", "f1_macro"])
def test_a_clear_gain_is_promoted(metric):
    gate = Gate(metric=metric, positive="pass" if metric == "f1" else None)

    verdict = judge(evidence_of(BETTER, WORSE), gate)

    assert verdict.outcome is Outcome.PROMOTE
    assert verdict.p_value < verdict.alpha == pytest.approx(0.05 / 2)
    assert verdict.score == pytest.approx(0.9)
    assert verdict.production_score == pytest.approx(0.8)
    assert verdict.difference == pytest.approx(0.1)
    assert verdict.interval[0] < 0.1 < verdict.interval[1]
    assert all(guard.passed for guard in verdict.guards)


def test_a_clear_loss_is_held():
    verdict = judge(evidence_of(WORSE, BETTER), ACCURACY)

    assert verdict.outcome is Outcome.HOLD
    assert verdict.p_value > 0.99
    assert "0.800 against 0.900 on 1,000 rows; the difference -0.100" in verdict.reason
    assert verdict.reason.endswith("is not a gain")


def test_a_tie_is_held():
    verdict = judge(evidence_of(wrong_on(slice(0, 100)), wrong_on(slice(100, 200))), ACCURACY)

    assert verdict.outcome is Outcome.HOLD
    assert verdict.difference == 0
    assert verdict.p_value > 0.5


def test_a_tie_is_held_even_where_every_p_would_do():
    verdict = judge(evidence_of(BETTER, BETTER), Gate(metric="accuracy", alpha=0.5, tests=1))

    assert verdict.outcome is Outcome.HOLD


def test_equal_predictions_are_held_with_p_1():
    verdict = judge(evidence_of(BETTER, BETTER), ACCURACY)

    assert verdict.outcome is Outcome.HOLD
    assert verdict.p_value == 1
    assert verdict.interval == (0, 0)
    assert verdict.smallest_gain is None
    assert "agree in every prediction" in verdict.reason


def test_a_gain_that_may_be_chance_is_held_and_says_what_would_have_been_seen():
    verdict = judge(evidence_of(wrong_on(slice(0, 100)), wrong_on(slice(50, 155))), ACCURACY)

    assert verdict.outcome is Outcome.HOLD
    assert verdict.difference > 0
    assert "may be chance" in verdict.reason
    assert f"a gain of {verdict.smallest_gain:.3f} is seen 4 times in 5" in verdict.reason


def test_what_is_below_the_floor_is_held_however_large_the_gain():
    verdict = judge(evidence_of(BETTER, WORSE), Gate(metric="accuracy", floor=0.95))

    assert verdict.outcome is Outcome.HOLD
    assert verdict.reason == "accuracy 0.900 misses the floor of 0.95"
    assert verdict.p_value < verdict.alpha
    assert not guard(verdict, "floor").passed


@pytest.mark.parametrize(("floor", "outcome"), [(0.9, Outcome.PROMOTE), (0.91, Outcome.HOLD)])
def test_without_production_the_floor_decides(floor, outcome):
    verdict = judge(evidence_of(BETTER, None), Gate(metric="accuracy", floor=floor))

    assert verdict.outcome is outcome
    assert "there is no Production to compare with" in verdict.reason
    assert (verdict.production_score, verdict.difference, verdict.p_value) == (None, None, None)


def test_a_dry_run_is_judged_the_same_way():
    real = judge(evidence_of(BETTER, WORSE), ACCURACY)
    dry = judge(evidence_of(BETTER, WORSE, about=matchup(version=None, dry_run=True)), ACCURACY)

    assert dry.model_copy(update={"matchup": real.matchup}) == real
