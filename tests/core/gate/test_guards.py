"""Each guard passes, fails, or cannot be computed. Failed is HOLD; not computable is INCONCLUSIVE, never PROMOTE."""

import numpy as np
import pytest

from retrain.records import Outcome, Proof
from retrain.spec.gate import Limit
from tests.core.gate.guarded import (
    INPUTS,
    LABELS,
    PLACES,
    RIGHT,
    ROWS,
    fails,
    gate,
    is_unknown,
    judged,
    ours,
    passes,
    theirs,
)


def test_without_a_guard_the_challenger_is_promoted():
    verdict = judged(gate=gate())

    assert verdict.outcome is Outcome.PROMOTE
    assert [guard.name for guard in verdict.guards] == [
        "measured",
        "rows",
        "overlap",
        "classes",
        "holdout_round",
        "signature",
        "floor",
    ]


# ── limits


@pytest.mark.parametrize(
    ("bounds", "says"),
    [
        ({"floor": 0.9}, "F1 of pass 0.900 reaches the floor of 0.9"),
        ({"ceiling": 0.95}, "F1 of pass 0.900 keeps to the ceiling of 0.95"),
        ({"floor": 0.5, "ceiling": 0.95}, "F1 of pass 0.900 reaches the floor of 0.5 and keeps to the ceiling of 0.95"),
    ],
)
def test_a_further_metric_keeps_to_its_limits(bounds, says):
    verdict = judged(gate=gate(limits=(Limit(metric="f1", positive="pass", **bounds),)))

    assert passes(verdict, "limit of f1") == says


@pytest.mark.parametrize(
    ("bounds", "says"),
    [
        ({"floor": 0.91}, "F1 of pass 0.900 misses the floor of 0.91"),
        ({"ceiling": 0.89}, "F1 of pass 0.900 exceeds the ceiling of 0.89"),
        ({"floor": 0.5, "ceiling": 0.8}, "F1 of pass 0.900 reaches the floor of 0.5 and exceeds the ceiling of 0.8"),
    ],
)
def test_a_further_metric_beyond_its_limits_is_held(bounds, says):
    verdict = judged(gate=gate(limits=(Limit(metric="f1", positive="pass", **bounds),)))

    assert fails(verdict, "limit of f1") == says


def test_a_limit_on_what_the_model_does_not_give_is_unknown():
    verdict = judged(gate=gate(limits=(Limit(metric="log_loss", ceiling=9),)))

    assert is_unknown(verdict, "limit of log_loss") == "log loss could not be computed, so it misses its limit"


def test_a_limit_on_a_class_that_the_holdout_does_not_have_is_unknown():
    verdict = judged(gate=gate(limits=(Limit(metric="recall", positive="maybe", floor=0),)))

    assert is_unknown(verdict, "classes").endswith("has none of 'maybe'")


def test_a_metric_of_one_class_needs_rows_of_it():
    about = {"metric": "recall", "positive": "pass"}
    copied = {"clusters": np.arange(ROWS) // 4 * 4 + LABELS}  # each text twice

    enough, few, copies = (
        judged(gate=gate(**about, min_positives=least), **changes)
        for least, changes in ((500, {}), (501, {}), (500, copied))
    )

    assert passes(enough, "positives") == "the holdout has 500 distinct rows of 'pass' and needs 500"
    assert is_unknown(few, "positives") == "the holdout has 500 distinct rows of 'pass' and needs 501"
    assert is_unknown(copies, "positives") == "the holdout has 250 distinct rows of 'pass' and needs 500"


def test_a_limit_may_be_on_another_class_than_the_gates():
    sure = np.where(RIGHT == 1, 0.8, 0.2)
    table = np.column_stack([1 - sure, sure])
    limits = tuple(Limit(metric="roc_auc", positive=name, floor=0.85) for name in ("fail", "pass"))

    for about in (gate(metric="f1", positive="pass", limits=limits), gate(limits=limits)):
        challenger = ours(probabilities=table, scores=sure, positive=1)
        verdict = judged(challenger, gate=about)
        assert verdict.outcome is Outcome.PROMOTE, verdict.reason


# ── twin, signature, training rows


def test_a_twin_of_production_is_held():
    assert fails(judged(gate=gate(), twin=True), "twin") == "Production is the same candidate on the same snapshot"


@pytest.mark.parametrize("more", [{}, {"new": "string"}], ids=["the same", "widened"])
def test_a_challenger_takes_all_that_production_takes(more):
    passes(judged(ours(inputs={**INPUTS, **more}), gate=gate()), "signature")


@pytest.mark.parametrize(
    ("inputs", "lost"),
    [
        ({"age": "double"}, "text (string)"),
        ({"age": "string", "text": "string"}, "age (double, now string)"),
        ({}, "age (double), text (string)"),
    ],
    ids=["narrowed", "another type", "nothing"],
)
def test_a_challenger_that_no_longer_takes_what_production_takes_is_held(inputs, lost):
    verdict = judged(ours(inputs=inputs), gate=gate())

    assert fails(verdict, "signature") == (
        f"it no longer takes {lost} of Production's columns; put them back, or set gate.signature to any"
    )
    assert judged(ours(inputs=inputs), gate=gate(signature="any")).outcome is Outcome.PROMOTE


def test_a_challenger_without_a_signature_is_unknown():
    is_unknown(judged(ours(inputs=None), gate=gate()), "signature")


def test_a_production_without_a_signature_needs_none():
    passes(judged(ours(inputs=None), theirs(inputs=None), gate=gate()), "signature")


@pytest.mark.parametrize(("rows", "check"), [(500, passes), (499, fails), (None, is_unknown)])
def test_a_challenger_needs_half_of_productions_training_rows(rows, check):
    check(judged(ours(train_rows=rows), theirs(train_rows=1_000), gate=gate()), "training rows")


def test_training_rows_of_a_production_that_was_adopted_are_not_known_and_not_compared():
    verdict = judged(ours(train_rows=5), theirs(train_rows=None), gate=gate())

    assert "training rows" not in {guard.name for guard in verdict.guards}


# ── calibration, label share


def calibrated(confidence, **changes):
    """Return predictions with probabilities of this confidence."""
    sure = np.where(RIGHT == 1, confidence, 1 - np.asarray(confidence))
    return ours(probabilities=np.column_stack([1 - sure, sure]), **changes)


def test_calibration_is_the_mean_gap_of_confidence_and_accuracy():
    # By hand: rows of confidence 0.85 are right in 400 of 500 cases, those of 0.95 in all 500. So
    # 1/2 |0.8 - 0.85| + 1/2 |1 - 0.95| = 0.05: the two gaps are of opposite sign and do not cancel out.
    challenger = calibrated(np.where(PLACES < 500, 0.85, 0.95))

    passes(judged(challenger, gate=gate(max_ece=0.0501)), "calibration")
    assert fails(judged(challenger, gate=gate(max_ece=0.0499)), "calibration") == (
        "the expected calibration error is 0.05; the limit is 0.0499"
    )


def test_gaps_within_one_bin_of_confidence_cancel_out():
    # 0.81 and 0.89 are one bin, of confidence 0.85 and accuracy 0.9.
    passes(judged(calibrated(np.where(PLACES % 4 < 2, 0.81, 0.89)), gate=gate(max_ece=0.0501)), "calibration")


def test_a_confidence_of_1_is_in_the_last_bin():
    passes(judged(calibrated(1.0), gate=gate(max_ece=0.1001)), "calibration")


@pytest.mark.parametrize("table", [None, np.full((ROWS, 2), np.nan), np.ones((ROWS, 2))], ids=["none", "NaN", "sum 2"])
def test_without_probabilities_calibration_is_unknown(table):
    says = is_unknown(judged(ours(probabilities=table), gate=gate(max_ece=1)), "calibration")

    assert says == "the calibration could not be computed"


def test_the_share_of_each_class_among_the_predictions_is_that_among_the_labels():
    often = ours(labels=np.where(PLACES < 100, 1, LABELS))  # 550 of 1,000, and 500 of the labels

    passes(judged(often, gate=gate(max_share_shift=0.05)), "label share")
    assert fails(judged(often, gate=gate(max_share_shift=0.049)), "label share") == (
        "the greatest difference between the share of a class among the predictions and among the labels is 0.05; "
        "the limit is 0.049"
    )


def test_a_prediction_outside_of_the_classes_has_a_share_of_its_own():
    outside = ours(labels=np.where(PLACES < 100, -1, LABELS))

    fails(judged(outside, gate=gate(max_share_shift=0.099)), "label share")
    passes(judged(outside, gate=gate(max_share_shift=0.1)), "label share")


# ── cost


@pytest.mark.parametrize(
    ("taken", "check"), [(20.0, passes), (20.1, fails), (None, is_unknown), (np.nan, is_unknown), (np.inf, is_unknown)]
)
def test_a_slow_model_is_held(taken, check):
    check(judged(ours(latency_ms=taken), gate=gate(max_latency_ms=20)), "latency")


@pytest.mark.parametrize(
    ("taken", "before", "check"),
    [
        (20.0, 10.0, passes),
        (20.1, 10.0, fails),
        (None, 10.0, is_unknown),
        (20.0, None, is_unknown),
        (20.0, 0.0, is_unknown),
    ],
)
def test_a_model_that_is_much_slower_than_production_is_held(taken, before, check):
    check(judged(ours(latency_ms=taken), theirs(latency_ms=before), gate=gate(max_slowdown=2)), "slowdown")


@pytest.mark.parametrize(
    ("size", "before", "check"),
    [(300, 100, passes), (301, 100, fails), (None, 100, is_unknown), (300, None, is_unknown), (300, 0, is_unknown)],
)
def test_a_model_that_has_grown_too_much_is_held(size, before, check):
    check(judged(ours(size=size), theirs(size=before), gate=gate(max_growth=3)), "growth")


def test_a_guard_that_is_unknown_outweighs_one_that_has_failed():
    verdict = judged(ours(latency_ms=99.0, size=None), theirs(size=1), gate=gate(max_latency_ms=1, max_growth=3))

    assert verdict.outcome is Outcome.INCONCLUSIVE
    assert verdict.reason == "the growth could not be computed"


def test_every_guard_that_has_failed_is_named():
    verdict = judged(ours(latency_ms=99.0), gate=gate(max_latency_ms=1), twin=True)

    assert verdict.outcome is Outcome.HOLD
    assert verdict.reason == (
        "Production is the same candidate on the same snapshot; "
        "the 95th percentile of the time for one row, in ms, is 99; the limit is 1"
    )


# ── what was measured


@pytest.mark.parametrize(
    ("who", "changes"),
    [
        ("the challenger", {"challenger": ours(labels=np.full(ROWS, -1))}),
        ("Production (version 1)", {"production": theirs(labels=np.full(ROWS, -1))}),
    ],
)
def test_a_model_without_a_prediction_that_is_a_label_is_unknown(who, changes):
    # A model trained on numbers predicts 1.0 where the label is 1: to call it always wrong would be a mistake.
    verdict = judged(gate=gate(proof=Proof.NON_INFERIORITY, margin=0.05), **changes)

    assert is_unknown(verdict, "measured") == f"no prediction of {who} is one of the labels"


def test_rows_that_an_adopted_version_may_know_are_counted():
    says = is_unknown(judged(gate=gate(min_rows=2_000), unknown=1_234), "rows")

    assert says == (
        "the holdout has 1,000 distinct rows and needs 2,000; 1,234 that an adopted version may have trained on do not "
        "count, and the next round opens when 500 new holdout rows have arrived"
    )


def test_a_regression_needs_two_different_labels():
    fives = np.full(ROWS, 5.0)
    about = gate(metric="mae", ceiling=9)

    says = is_unknown(judged(ours(labels=fives), labels=fives, classes=(), gate=about), "labels")

    assert says == "the holdout has 1 different labels and needs 2"
