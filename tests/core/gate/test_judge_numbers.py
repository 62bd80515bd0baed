"""The numbers of a verdict are those that theory gives, and clusters count once."""

import numpy as np
import pytest

from retrain.gate.judge import judge
from retrain.records import Outcome, Verdict
from retrain.spec.gate import Gate
from tests.core.gate.evidence import ACCURACY, BETTER, LABELS, ROWS, WORSE, evidence_of, matchup, wrong_on

# --- The numbers


def test_the_same_evidence_gives_the_same_verdict_and_another_matchup_draws_anew():
    close = wrong_on(slice(50, 165))
    first, again, other = (
        judge(evidence_of(BETTER, close, about=matchup(id=name)), ACCURACY) for name in ("t1", "t1", "t2")
    )

    assert first == again
    assert first.p_value != other.p_value
    assert first.p_value == pytest.approx(other.p_value, abs=0.02)


def test_p_is_the_share_of_swaps_that_reach_the_difference():
    # Nine rows differ, all in the challenger's favour: one of 2**9 swaps reaches that.
    verdict = judge(evidence_of(LABELS, wrong_on(slice(0, 9))), ACCURACY)

    assert verdict.p_value == pytest.approx(2**-9, abs=0.002)
    assert (verdict.right_to_wrong, verdict.wrong_to_right) == (0, 9)


def test_p_is_never_zero_and_can_pass_a_small_alpha():
    verdict = judge(evidence_of(LABELS, WORSE), Gate(metric="accuracy", tests=200))

    assert 0 < verdict.p_value < verdict.alpha / 10


def test_flips_are_rows():
    verdict = judge(evidence_of(wrong_on(slice(0, 30)), wrong_on(slice(10, 100))), ACCURACY)

    assert (verdict.right_to_wrong, verdict.wrong_to_right) == (10, 70)


def test_the_smallest_gain_follows_from_the_disagreement():
    # At one-sided alpha 0.05 and power 0.8 it is (1.645 + 0.842) * sqrt(share of rows that differ / rows).
    verdict = judge(evidence_of(wrong_on(slice(0, 50)), wrong_on(slice(50, 100))), ACCURACY)

    assert verdict.smallest_gain == pytest.approx(2.49 * (0.1 / ROWS) ** 0.5, rel=0.03)


def test_the_interval_is_the_one_that_theory_gives():
    verdict = judge(evidence_of(wrong_on(slice(0, 30)), wrong_on(slice(30, 100))), ACCURACY)

    error = ((0.1 - 0.04**2) / ROWS) ** 0.5
    assert verdict.interval == pytest.approx((0.04 - 1.96 * error, 0.04 + 1.96 * error), abs=0.002)


def test_f1_is_about_its_class_alone():
    labels = np.arange(ROWS) % 3
    confused = np.where((labels > 0) & (np.arange(ROWS) < 300), 3 - labels, labels)  # 1 and 2 exchanged, 0 untouched

    gate = Gate(metric="f1", positive="a", tests=1)
    verdict = judge(evidence_of(labels, confused, labels=labels, classes=("a", "b", "c")), gate)

    assert verdict.outcome is Outcome.HOLD
    assert (verdict.difference, verdict.p_value, verdict.wrong_to_right) == (0, 1, 200)


def test_a_prediction_outside_of_the_classes_is_wrong():
    outside = LABELS.copy()
    outside[:100] = -1

    verdict = judge(evidence_of(LABELS, outside), ACCURACY)

    assert verdict.outcome is Outcome.PROMOTE
    assert (verdict.production_score, verdict.wrong_to_right) == (0.9, 100)


def test_many_classes_are_compared_too():
    rng = np.random.default_rng(3)
    labels = rng.integers(0, 50, ROWS)
    predictions = [np.where(rng.random(ROWS) < right, labels, rng.integers(-1, 50, ROWS)) for right in (0.85, 0.75)]
    names = tuple(str(code) for code in range(50))

    verdict = judge(evidence_of(*predictions, labels=labels, classes=names), Gate(metric="f1_macro"))

    assert verdict.outcome is Outcome.PROMOTE


def test_a_verdict_survives_json():
    for verdict in (
        judge(evidence_of(BETTER, WORSE), ACCURACY),
        judge(evidence_of(BETTER, None, faults=("lost",)), ACCURACY),
    ):
        assert Verdict.from_json(verdict.to_json()) == verdict


# --- Clusters


def test_duplicates_count_once():
    # 40 rows in the challenger's favour are proof where they are 40 texts, and a coin's throw where they are one.
    production = wrong_on(slice(0, 40))
    copies = np.maximum(np.arange(ROWS), 39)

    apart = judge(evidence_of(LABELS, production), ACCURACY)
    together = judge(evidence_of(LABELS, production, clusters=copies), ACCURACY)

    assert apart.outcome is Outcome.PROMOTE
    assert together.outcome is Outcome.HOLD
    assert together.p_value == pytest.approx(0.5, abs=0.02)
    assert (together.rows, together.clusters) == (1_000, 961)
    assert together.difference == apart.difference


def test_the_numbers_of_the_keys_do_not_matter():
    keys = np.random.default_rng(5).permutation(ROWS) * 10**12 - 10**14

    assert judge(evidence_of(BETTER, WORSE, clusters=keys), ACCURACY) == judge(evidence_of(BETTER, WORSE), ACCURACY)


def test_a_cluster_swaps_as_a_whole_where_its_labels_and_predictions_differ():
    # Two clusters of 20 rows, one with 10 gains, the other with 6 losses: +10-6 and +10+6 reach it, of four swaps.
    rows = np.arange(ROWS)
    clusters = np.where(rows < 40, rows // 20, rows)
    verdict = judge(evidence_of(wrong_on(slice(22, 28)), wrong_on(slice(2, 12)), clusters=clusters), ACCURACY)

    assert verdict.difference == pytest.approx(0.004)
    assert verdict.p_value == pytest.approx(2 / 4, abs=0.02)


def test_a_doubled_holdout_is_not_more_evidence():
    pair = wrong_on(slice(0, 30)), wrong_on(slice(10, 55))
    once = judge(evidence_of(*pair), ACCURACY)
    twice = judge(
        evidence_of(*(np.tile(a, 2) for a in pair), labels=np.tile(LABELS, 2), clusters=np.tile(np.arange(ROWS), 2)),
        ACCURACY,
    )

    assert twice.p_value == pytest.approx(once.p_value, abs=0.01)
    assert twice.interval == pytest.approx(once.interval, abs=0.002)
    assert twice.smallest_gain == pytest.approx(once.smallest_gain, rel=0.03)
