"""The gate calls inconclusive what it cannot know."""

import numpy as np
import pytest

from retrain.gate.judge import judge
from retrain.records import Outcome
from retrain.spec.gate import Gate
from tests.core.gate.evidence import ACCURACY, BETTER, ROWS, WORSE, evidence_of, guard, matchup


def inconclusive(judged, gate=ACCURACY):
    verdict = judge(judged, gate)
    assert verdict.outcome is Outcome.INCONCLUSIVE
    assert (verdict.p_value, verdict.interval) == (None, None)
    assert verdict.reason in "; ".join(guard.says for guard in verdict.guards if not guard.computed)
    return verdict


def test_a_fault_is_never_promoted_and_nothing_is_scored():
    verdict = inconclusive(evidence_of(None, None, faults=("version 1 cannot be loaded",)))

    assert verdict.reason == "version 1 cannot be loaded"
    assert (verdict.score, verdict.difference) == (None, None)
    assert not guard(verdict, "measured").passed
    assert not guard(verdict, "floor").passed


def test_production_without_predictions_is_not_a_first_model():
    verdict = inconclusive(evidence_of(BETTER, None, about=matchup(production="7")))

    assert verdict.reason == "the predictions of Production (version 7) are missing"


def test_a_nan_is_never_promoted():
    verdict = inconclusive(evidence_of(BETTER, WORSE), Gate(metric="f1", positive="lost", floor=0))

    assert verdict.score is None
    assert "has none of 'lost'" in verdict.reason


def test_a_holdout_without_the_positive_class_is_inconclusive():
    gate = Gate(metric="f1", positive="maybe", floor=0)
    verdict = inconclusive(evidence_of(BETTER, None, classes=("fail", "pass", "maybe")), gate)

    assert "has none of 'maybe'" in verdict.reason


@pytest.mark.parametrize("production", [None, np.ones(ROWS, dtype=np.int64)])
def test_a_holdout_of_one_class_is_inconclusive(production):
    ones = np.ones(ROWS, dtype=np.int64)

    assert "labels of 1 classes" in inconclusive(evidence_of(ones, production, labels=ones)).reason


def test_no_rows_are_inconclusive():
    nothing = np.array([], dtype=np.int64)

    verdict = inconclusive(evidence_of(nothing, nothing, labels=nothing))

    assert (verdict.rows, verdict.clusters, verdict.score) == (0, 0, None)


def test_too_few_distinct_rows_are_inconclusive_however_often_they_occur():
    verdict = inconclusive(evidence_of(BETTER, WORSE, clusters=np.arange(ROWS) % 99))

    assert verdict.reason == "the holdout has 99 distinct rows and needs 100"
    assert verdict.score == 0.9


@pytest.mark.parametrize(("overlap", "passed"), [(52, True), (53, False)])
def test_too_much_overlap_is_inconclusive(overlap, passed):
    judged = evidence_of(BETTER, WORSE, overlap=overlap)

    verdict = judge(judged, ACCURACY) if passed else inconclusive(judged)

    assert guard(verdict, "overlap").passed is passed
    assert verdict.overlap == overlap


def test_a_spent_round_is_inconclusive_and_says_when_the_next_opens():
    gate = Gate(metric="accuracy", tests=3, round_rows=1_500)
    last = judge(evidence_of(BETTER, WORSE, about=matchup(test=3, holdout_round=2)), gate)
    over = inconclusive(evidence_of(BETTER, WORSE, about=matchup(test=4, holdout_round=2)), gate)

    assert last.outcome is Outcome.PROMOTE
    assert guard(last, "holdout_round").says == "test 3 of 3 in holdout round 2"
    assert over.reason == (
        "the 3 tests of holdout round 2 are spent (this would be test 4);"
        " the next round opens when 1,500 new holdout rows have arrived"
    )


def test_every_failed_guard_is_named():
    verdict = inconclusive(evidence_of(BETTER, WORSE, overlap=500, clusters=np.zeros(ROWS), about=matchup(test=2)))

    assert [guard.name for guard in verdict.guards if not guard.passed] == ["rows", "overlap", "holdout_round"]


def test_arrays_that_do_not_fit_are_refused():
    with pytest.raises(ValueError, match="do not pair"):
        evidence_of(BETTER[:-1], WORSE)
    with pytest.raises(ValueError, match="do not pair"):
        evidence_of(BETTER, WORSE[:-1])
    with pytest.raises(ValueError, match="clusters"):
        evidence_of(BETTER, WORSE, clusters=np.arange(3))
    with pytest.raises(ValueError, match="label codes are"):
        evidence_of(BETTER + 1, WORSE)
