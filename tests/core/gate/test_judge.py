"""The gate promotes what is better beyond chance, holds the rest, and calls inconclusive what it cannot know."""

from dataclasses import replace

import numpy as np
import pytest
from sklearn.metrics import matthews_corrcoef

from benchmarks import gate_error
from retrain.gate import comparison, significance
from retrain.gate.judge import judge
from retrain.gate.predictions import Evidence, Predictions, RawPredictions
from retrain.gate.scorers import scorers_for
from retrain.metrics import described
from retrain.records import Matchup, Outcome, Proof, Verdict
from retrain.spec.gate import Gate, Slice
from retrain.spec.task import Task

ROWS = 1_000
LABELS = np.arange(ROWS) % 2
INPUTS = {"text": "string"}
ACCURACY = Gate(metric="accuracy", tests=1)


def matchup(**changes):
    known = {
        "id": "t1",
        "model": "CoverLetterClassifier",
        "candidate": "c1",
        "snapshot": "s1",
        "run_id": "r1",
        "version": "2",
        "production": "1",
        "holdout_round": 1,
        "test": 1,
    }
    return Matchup(**{**known, **changes})


def wrong_on(rows, labels=LABELS):
    """Answers for two classes that are right but on these rows."""
    answers = labels.copy()
    answers[rows] = 1 - answers[rows]
    return answers


def said(answers):
    return answers if answers is None or isinstance(answers, Predictions) else Predictions(answers, inputs=INPUTS)


def scores(challenger, production, *, labels=LABELS, clusters=None, about=None, **changes):
    known = {
        "matchup": about or matchup(production=None if production is None else "1"),
        "classes": ("fail", "pass"),
        "labels": labels,
        "challenger": said(challenger),
        "production": said(production),
        "clusters": np.arange(len(labels)) if clusters is None else clusters,
    }
    return Evidence(**{**known, **changes})


BETTER = wrong_on(slice(0, 100))
WORSE = wrong_on(slice(50, 250))


def guard(verdict, name):
    (found,) = [guard for guard in verdict.guards if guard.name == name]
    return found


# --- Promoting and holding


@pytest.mark.parametrize("metric", ["accuracy", "balanced_accuracy", "f1", "f1_macro"])
def test_a_clear_gain_is_promoted(metric):
    gate = Gate(metric=metric, positive="pass" if metric == "f1" else None)

    verdict = judge(scores(BETTER, WORSE), gate)

    assert verdict.outcome is Outcome.PROMOTE
    assert verdict.p_value < verdict.alpha == pytest.approx(0.05 / 10)
    assert verdict.score == pytest.approx(0.9)
    assert verdict.production_score == pytest.approx(0.8)
    assert verdict.difference == pytest.approx(0.1)
    assert verdict.interval[0] < 0.1 < verdict.interval[1]
    assert all(guard.passed for guard in verdict.guards)


def test_a_clear_loss_is_held():
    verdict = judge(scores(WORSE, BETTER), ACCURACY)

    assert verdict.outcome is Outcome.HOLD
    assert verdict.p_value > 0.99
    assert "0.800 against 0.900 on 1,000 rows; the difference -0.100" in verdict.reason
    assert verdict.reason.endswith("is no gain")


def test_a_tie_is_held():
    verdict = judge(scores(wrong_on(slice(0, 100)), wrong_on(slice(100, 200))), ACCURACY)

    assert verdict.outcome is Outcome.HOLD
    assert verdict.difference == 0
    assert verdict.p_value > 0.5


def test_a_tie_is_held_even_where_every_p_would_do():
    verdict = judge(scores(BETTER, BETTER), Gate(metric="accuracy", alpha=0.5, tests=1))

    assert verdict.outcome is Outcome.HOLD


def test_equal_answers_are_held_with_p_1():
    verdict = judge(scores(BETTER, BETTER), ACCURACY)

    assert verdict.outcome is Outcome.HOLD
    assert verdict.p_value == 1
    assert verdict.interval == (0, 0)
    assert verdict.smallest_gain is None
    assert "differ in no answer" in verdict.reason


def test_a_gain_that_may_be_chance_is_held_and_says_what_would_have_been_seen():
    verdict = judge(scores(wrong_on(slice(0, 100)), wrong_on(slice(50, 155))), ACCURACY)

    assert verdict.outcome is Outcome.HOLD
    assert verdict.difference > 0
    assert "may be chance" in verdict.reason
    assert f"a gain of {verdict.smallest_gain:.3f} is seen 4 times in 5" in verdict.reason


def test_what_is_below_the_floor_is_held_however_large_the_gain():
    verdict = judge(scores(BETTER, WORSE), Gate(metric="accuracy", floor=0.95))

    assert verdict.outcome is Outcome.HOLD
    assert verdict.reason == "accuracy 0.900 misses the floor of 0.95"
    assert verdict.p_value < verdict.alpha
    assert not guard(verdict, "floor").passed


@pytest.mark.parametrize(("floor", "outcome"), [(0.9, Outcome.PROMOTE), (0.91, Outcome.HOLD)])
def test_without_production_the_floor_decides(floor, outcome):
    verdict = judge(scores(BETTER, None), Gate(metric="accuracy", floor=floor))

    assert verdict.outcome is outcome
    assert "there is no Production to compare with" in verdict.reason
    assert (verdict.production_score, verdict.difference, verdict.p_value) == (None, None, None)


def test_a_dry_run_is_judged_the_same_way():
    real = judge(scores(BETTER, WORSE), ACCURACY)
    dry = judge(scores(BETTER, WORSE, about=matchup(version=None, dry_run=True)), ACCURACY)

    assert dry.model_copy(update={"matchup": real.matchup}) == real


# --- The numbers


def test_the_same_scores_give_the_same_verdict_and_another_trial_draws_anew():
    close = wrong_on(slice(50, 165))
    first, again, other = (
        judge(scores(BETTER, close, about=matchup(id=name)), ACCURACY) for name in ("t1", "t1", "t2")
    )

    assert first == again
    assert first.p_value != other.p_value
    assert first.p_value == pytest.approx(other.p_value, abs=0.02)


def test_p_is_the_share_of_swaps_that_reach_the_difference():
    # Nine rows differ, all in the challenger's favour: one of 2**9 swaps reaches that.
    verdict = judge(scores(LABELS, wrong_on(slice(0, 9))), ACCURACY)

    assert verdict.p_value == pytest.approx(2**-9, abs=0.002)
    assert (verdict.right_to_wrong, verdict.wrong_to_right) == (0, 9)


def test_p_is_never_zero_and_can_pass_a_small_alpha():
    verdict = judge(scores(LABELS, WORSE), Gate(metric="accuracy", tests=200))

    assert 0 < verdict.p_value < verdict.alpha / 10


def test_flips_are_rows():
    verdict = judge(scores(wrong_on(slice(0, 30)), wrong_on(slice(10, 100))), ACCURACY)

    assert (verdict.right_to_wrong, verdict.wrong_to_right) == (10, 70)


def test_the_smallest_gain_follows_from_the_disagreement():
    # At one-sided alpha 0.05 and power 0.8 it is (1.645 + 0.842) * sqrt(share of rows that differ / rows).
    verdict = judge(scores(wrong_on(slice(0, 50)), wrong_on(slice(50, 100))), ACCURACY)

    assert verdict.smallest_gain == pytest.approx(2.49 * (0.1 / ROWS) ** 0.5, rel=0.03)


def test_the_interval_is_the_one_that_theory_gives():
    verdict = judge(scores(wrong_on(slice(0, 30)), wrong_on(slice(30, 100))), ACCURACY)

    error = ((0.1 - 0.04**2) / ROWS) ** 0.5
    assert verdict.interval == pytest.approx((0.04 - 1.96 * error, 0.04 + 1.96 * error), abs=0.002)


def test_f1_is_about_its_class_alone():
    labels = np.arange(ROWS) % 3
    confused = np.where((labels > 0) & (np.arange(ROWS) < 300), 3 - labels, labels)  # 1 and 2 exchanged, 0 untouched

    gate = Gate(metric="f1", positive="a", tests=1)
    verdict = judge(scores(labels, confused, labels=labels, classes=("a", "b", "c")), gate)

    assert verdict.outcome is Outcome.HOLD
    assert (verdict.difference, verdict.p_value, verdict.wrong_to_right) == (0, 1, 200)


def test_a_prediction_outside_of_the_classes_is_wrong():
    outside = LABELS.copy()
    outside[:100] = -1

    verdict = judge(scores(LABELS, outside), ACCURACY)

    assert verdict.outcome is Outcome.PROMOTE
    assert (verdict.production_score, verdict.wrong_to_right) == (0.9, 100)


def test_many_classes_are_compared_too():
    rng = np.random.default_rng(3)
    labels = rng.integers(0, 50, ROWS)
    answers = [np.where(rng.random(ROWS) < right, labels, rng.integers(-1, 50, ROWS)) for right in (0.85, 0.75)]
    names = tuple(str(code) for code in range(50))

    verdict = judge(scores(*answers, labels=labels, classes=names), Gate(metric="f1_macro"))

    assert verdict.outcome is Outcome.PROMOTE


def test_a_verdict_survives_json():
    for verdict in (judge(scores(BETTER, WORSE), ACCURACY), judge(scores(BETTER, None, faults=("lost",)), ACCURACY)):
        assert Verdict.from_json(verdict.to_json()) == verdict


# --- Clusters


def test_duplicates_count_once():
    # 40 rows in the challenger's favour are proof where they are 40 texts, and a coin's throw where they are one.
    production = wrong_on(slice(0, 40))
    copies = np.maximum(np.arange(ROWS), 39)

    apart = judge(scores(LABELS, production), ACCURACY)
    together = judge(scores(LABELS, production, clusters=copies), ACCURACY)

    assert apart.outcome is Outcome.PROMOTE
    assert together.outcome is Outcome.HOLD
    assert together.p_value == pytest.approx(0.5, abs=0.02)
    assert (together.rows, together.clusters) == (1_000, 961)
    assert together.difference == apart.difference


def test_the_numbers_of_the_keys_do_not_matter():
    keys = np.random.default_rng(5).permutation(ROWS) * 10**12 - 10**14

    assert judge(scores(BETTER, WORSE, clusters=keys), ACCURACY) == judge(scores(BETTER, WORSE), ACCURACY)


def test_a_cluster_swaps_as_a_whole_where_its_labels_and_answers_differ():
    # Two clusters of 20 rows, one with 10 gains, the other with 6 losses: +10-6 and +10+6 reach it, of four swaps.
    rows = np.arange(ROWS)
    clusters = np.where(rows < 40, rows // 20, rows)
    verdict = judge(scores(wrong_on(slice(22, 28)), wrong_on(slice(2, 12)), clusters=clusters), ACCURACY)

    assert verdict.difference == pytest.approx(0.004)
    assert verdict.p_value == pytest.approx(2 / 4, abs=0.02)


def test_a_doubled_holdout_is_no_more_evidence():
    pair = wrong_on(slice(0, 30)), wrong_on(slice(10, 55))
    once = judge(scores(*pair), ACCURACY)
    twice = judge(
        scores(*(np.tile(a, 2) for a in pair), labels=np.tile(LABELS, 2), clusters=np.tile(np.arange(ROWS), 2)),
        ACCURACY,
    )

    assert twice.p_value == pytest.approx(once.p_value, abs=0.01)
    assert twice.interval == pytest.approx(once.interval, abs=0.002)
    assert twice.smallest_gain == pytest.approx(once.smallest_gain, rel=0.03)


# --- Inconclusive


def inconclusive(judged, gate=ACCURACY):
    verdict = judge(judged, gate)
    assert verdict.outcome is Outcome.INCONCLUSIVE
    assert (verdict.p_value, verdict.interval) == (None, None)
    assert verdict.reason in "; ".join(guard.says for guard in verdict.guards if not guard.computed)
    return verdict


def test_a_fault_is_never_promoted_and_nothing_is_scored():
    verdict = inconclusive(scores(None, None, faults=("version 1 cannot be loaded",)))

    assert verdict.reason == "version 1 cannot be loaded"
    assert (verdict.score, verdict.difference) == (None, None)
    assert not guard(verdict, "measured").passed
    assert not guard(verdict, "floor").passed


def test_production_without_answers_is_not_a_first_model():
    verdict = inconclusive(scores(BETTER, None, about=matchup(production="7")))

    assert verdict.reason == "the answers of Production (version 7) are missing"


def test_a_nan_is_never_promoted():
    verdict = inconclusive(scores(BETTER, WORSE), Gate(metric="f1", positive="lost", floor=0))

    assert verdict.score is None
    assert "has none of 'lost'" in verdict.reason


def test_a_holdout_without_the_positive_class_is_inconclusive():
    gate = Gate(metric="f1", positive="maybe", floor=0)
    verdict = inconclusive(scores(BETTER, None, classes=("fail", "pass", "maybe")), gate)

    assert "has none of 'maybe'" in verdict.reason


@pytest.mark.parametrize("production", [None, np.ones(ROWS, dtype=np.int64)])
def test_a_holdout_of_one_class_is_inconclusive(production):
    ones = np.ones(ROWS, dtype=np.int64)

    assert "labels of 1 classes" in inconclusive(scores(ones, production, labels=ones)).reason


def test_no_rows_are_inconclusive():
    nothing = np.array([], dtype=np.int64)

    verdict = inconclusive(scores(nothing, nothing, labels=nothing))

    assert (verdict.rows, verdict.clusters, verdict.score) == (0, 0, None)


def test_too_few_distinct_rows_are_inconclusive_however_often_they_occur():
    verdict = inconclusive(scores(BETTER, WORSE, clusters=np.arange(ROWS) % 99))

    assert verdict.reason == "the holdout has 99 distinct rows and needs 100"
    assert verdict.score == 0.9


@pytest.mark.parametrize(("overlap", "passed"), [(52, True), (53, False)])
def test_too_much_overlap_is_inconclusive(overlap, passed):
    judged = scores(BETTER, WORSE, overlap=overlap)

    verdict = judge(judged, ACCURACY) if passed else inconclusive(judged)

    assert guard(verdict, "overlap").passed is passed
    assert verdict.overlap == overlap


def test_a_spent_round_is_inconclusive_and_says_when_the_next_opens():
    gate = Gate(metric="accuracy", tests=3, round_rows=1_500)
    last = judge(scores(BETTER, WORSE, about=matchup(test=3, holdout_round=2)), gate)
    over = inconclusive(scores(BETTER, WORSE, about=matchup(test=4, holdout_round=2)), gate)

    assert last.outcome is Outcome.PROMOTE
    assert guard(last, "holdout_round").says == "test 3 of 3 in holdout round 2"
    assert over.reason == (
        "the 3 tests of holdout round 2 are spent (this would be test 4);"
        " the next round opens when 1,500 new holdout rows have arrived"
    )


def test_every_failed_guard_is_told():
    verdict = inconclusive(scores(BETTER, WORSE, overlap=500, clusters=np.zeros(ROWS), about=matchup(test=2)))

    assert [guard.name for guard in verdict.guards if not guard.passed] == ["rows", "overlap", "holdout_round"]


def test_arrays_that_do_not_fit_are_refused():
    with pytest.raises(ValueError, match="no pairs"):
        scores(BETTER[:-1], WORSE)
    with pytest.raises(ValueError, match="no pairs"):
        scores(BETTER, WORSE[:-1])
    with pytest.raises(ValueError, match="clusters"):
        scores(BETTER, WORSE, clusters=np.arange(3))
    with pytest.raises(ValueError, match="codes are"):
        scores(BETTER + 1, WORSE)


# --- A gain of more than so much, a loss of less than so much


@pytest.mark.parametrize(
    ("least", "outcome", "told"),
    [(0.05, Outcome.PROMOTE, "is more than 0.05, p = "), (0.09, Outcome.HOLD, "may not be more than 0.09, p = ")],
)
def test_a_gain_must_be_more_than_the_least(least, outcome, told):
    verdict = judge(scores(BETTER, WORSE), Gate(metric="accuracy", tests=1, min_gain=least))

    assert verdict.outcome is outcome
    assert told in verdict.reason
    assert (verdict.proof, verdict.threshold) == (Proof.SUPERIORITY, least)


def test_a_gain_of_just_the_least_is_held_whatever_its_p():
    # All resamples have it: there are two clusters, and each has 50 of its 500 rows wrong.
    judged = scores(LABELS, wrong_on(slice(None, None, 10)), clusters=np.arange(ROWS) // 2 % 2)

    just, less = (judge(judged, Gate(metric="accuracy", tests=1, min_rows=2, min_gain=least)) for least in (0.1, 0.09))

    assert just.difference == pytest.approx(0.1)
    assert (just.outcome, less.outcome) == (Outcome.HOLD, Outcome.PROMOTE)


def within(margin, **changes):
    return Gate(**{"metric": "accuracy", "tests": 1, "proof": Proof.NON_INFERIORITY, "margin": margin, **changes})


@pytest.mark.parametrize(
    ("wrong", "outcome", "told"),
    [
        (80, Outcome.PROMOTE, "the difference +0.020 "),
        (110, Outcome.PROMOTE, "is within the margin of 0.03, p = "),
        (125, Outcome.HOLD, "may not be within the margin of 0.03, p = "),
        (160, Outcome.HOLD, "may not be within the margin of 0.03, p = "),
    ],
    ids=["better", "a little worse", "perhaps too much worse", "much worse"],
)
def test_a_model_that_is_shown_to_lose_less_than_the_margin_is_promoted(wrong, outcome, told):
    verdict = judge(scores(wrong_on(slice(0, wrong)), wrong_on(slice(0, 100))), within(0.03))

    assert verdict.outcome is outcome
    assert told in verdict.reason
    assert (verdict.proof, verdict.threshold) == (Proof.NON_INFERIORITY, -0.03)


def test_much_disagreement_hides_whether_a_loss_is_within_the_margin():
    # As good as Production, on other rows: what it loses may be more than is seen here.
    verdict = judge(scores(wrong_on(slice(0, 300)), wrong_on(slice(300, 600))), within(0.03))

    assert verdict.outcome is Outcome.HOLD


def test_non_inferiority_is_no_excuse_for_missing_the_floor():
    verdict = judge(scores(wrong_on(slice(0, 101)), wrong_on(slice(0, 100))), within(0.03, floor=0.9))

    assert verdict.outcome is Outcome.HOLD
    assert verdict.reason == "accuracy 0.899 misses the floor of 0.9"


def test_the_same_answers_are_nothing_new_for_non_inferiority_either():
    verdict = judge(scores(BETTER, BETTER), within(0.03))

    assert verdict.outcome is Outcome.HOLD
    assert verdict.reason.endswith("the two differ in no answer that counts")


# --- The last version that was better


def anchored(challenger, production, anchor, gate=None, **changes):
    about = matchup(production="2", version="3", anchor="1")
    return judge(scores(challenger, production, anchor=said(anchor), about=about, **changes), gate or within(0.03))


def test_a_chain_of_small_losses_is_stopped():
    # Each version is wrong on 10 rows more than the one before: a loss of 0.01 where 0.03 would be too much.
    outcomes, production = [], 100
    for wrong in range(110, 200, 10):
        answers = [wrong_on(slice(0, count)) for count in (wrong, production, 100)]
        verdict = anchored(*answers)
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
    assert "but against version 1, the last that was better, 0.900: the difference -0.050" in verdict.reason


def test_the_same_answers_as_the_anchors_are_no_loss():
    # It loses nothing against the anchor, and is no worse than Production.
    verdict = anchored(wrong_on(slice(0, 100)), wrong_on(slice(0, 105)), wrong_on(slice(0, 100)))

    assert verdict.outcome is Outcome.PROMOTE


def test_an_anchor_that_was_not_asked_is_inconclusive():
    verdict = anchored(BETTER, WORSE, None)

    assert verdict.outcome is Outcome.INCONCLUSIVE
    assert verdict.reason == "the answers of version 1, the last that was better, are missing"


def test_an_anchor_that_cannot_be_compared_is_inconclusive():
    verdict = anchored(by_probability(0.8), by_probability(0.7), BETTER, within(0.05, metric="log_loss", ceiling=1))

    assert verdict.outcome is Outcome.INCONCLUSIVE
    assert verdict.reason.endswith("but against version 1, the last that was better, nothing could be computed")


# --- Probabilities, scores and numbers, in both directions

NUMBERS = np.random.default_rng(8).normal(50, 10, ROWS)


def by_number(error, *, seed=1):
    return Predictions(NUMBERS + np.random.default_rng(seed).normal(0, error, ROWS), inputs=INPUTS)


def by_probability(sure):
    """Probabilities and scores of answers that are right nine times in ten, this sure of them on average."""
    rng = np.random.default_rng(6)
    own = np.clip(rng.normal(sure, 0.1, ROWS), 0.01, 0.99)
    own[rng.random(ROWS) < 0.1] = 0.2
    of_pass = np.where(LABELS == 1, own, 1 - own)
    return Predictions(
        (of_pass > 0.5).astype(np.int64), np.column_stack([1 - of_pass, of_pass]), of_pass, 1, inputs=INPUTS
    )


def by_score(noise, *, seed=1):
    return Predictions(LABELS, scores=LABELS + np.random.default_rng(seed).normal(0, noise, ROWS), inputs=INPUTS)


def as_numbers(challenger, production, **changes):
    return scores(challenger, production, **{"labels": NUMBERS, "classes": (), **changes})


PAIRS = {
    "mae": (by_number(1), by_number(2, seed=2)),
    "rmse": (by_number(1), by_number(2, seed=2)),
    "r2": (by_number(1), by_number(2, seed=2)),
    "log_loss": (by_probability(0.85), by_probability(0.75)),
    "brier": (by_probability(0.85), by_probability(0.75)),
    "roc_auc": (by_score(0.5), by_score(0.8, seed=2)),
    "average_precision": (by_score(0.5), by_score(0.8, seed=2)),
}
"""A better and a worse model for each."""


def gate_of(metric, **changes):
    about = described(metric)
    known = {"positive": "pass" if about.of_class else None, "ceiling": None if about.greater_is_better else 1e6}
    return Gate(metric=metric, **{**known, **changes})


def judged_by(metric, challenger, production, gate=None, **changes):
    as_they_are = as_numbers if described(metric).needs == "numbers" else scores
    return judge(as_they_are(challenger, production, **changes), gate or gate_of(metric))


@pytest.mark.parametrize("metric", PAIRS)
def test_the_better_model_is_promoted_in_the_metrics_own_direction(metric):
    better, worse = PAIRS[metric]
    smaller = not described(metric).greater_is_better

    verdict = judged_by(metric, better, worse)

    assert verdict.outcome is Outcome.PROMOTE, verdict.reason
    assert (verdict.difference < 0) is smaller
    assert (", below 0 is better" in verdict.reason) is smaller
    assert verdict.interval[0] < verdict.difference < verdict.interval[1]
    assert verdict.score_interval[0] < verdict.score < verdict.score_interval[1]
    assert verdict.production_interval[0] < verdict.production_score < verdict.production_interval[1]


@pytest.mark.parametrize("metric", PAIRS)
def test_the_worse_model_is_held_in_the_metrics_own_direction(metric):
    better, worse = PAIRS[metric]

    verdict = judged_by(metric, worse, better)

    assert verdict.outcome is Outcome.HOLD
    assert verdict.p_value > 0.99
    assert verdict.reason.endswith("is no gain")


@pytest.mark.parametrize("metric", PAIRS)
def test_the_same_model_is_held(metric):
    better, _ = PAIRS[metric]

    verdict = judged_by(metric, better, better)

    assert verdict.outcome is Outcome.HOLD
    assert verdict.p_value == 1


@pytest.mark.parametrize(("ceiling", "outcome"), [(0.9, Outcome.PROMOTE), (0.7, Outcome.HOLD)])
def test_where_smaller_is_better_a_ceiling_decides_without_production(ceiling, outcome):
    verdict = judged_by("mae", by_number(1), None, gate_of("mae", ceiling=ceiling))

    assert verdict.outcome is outcome
    assert guard(verdict, "ceiling").passed is (outcome is Outcome.PROMOTE)


@pytest.mark.parametrize(
    ("metric", "margin", "outcome"),
    [
        ("mae", 0.5, Outcome.HOLD),
        ("mae", 1.5, Outcome.PROMOTE),
        ("r2", 0.02, Outcome.HOLD),
        ("r2", 0.1, Outcome.PROMOTE),
        ("log_loss", 0.02, Outcome.HOLD),
        ("log_loss", 0.3, Outcome.PROMOTE),
        ("roc_auc", 0.01, Outcome.HOLD),
        ("roc_auc", 0.2, Outcome.PROMOTE),
    ],
)
def test_a_loss_within_the_margin_is_one_in_the_metrics_own_direction(metric, margin, outcome):
    better, worse = PAIRS[metric]
    gate = gate_of(metric, proof=Proof.NON_INFERIORITY, margin=margin)

    assert judged_by(metric, worse, better, gate).outcome is outcome


@pytest.mark.parametrize("metric", ["mae", "rmse"])
@pytest.mark.parametrize("unit", [1e-14, 1e5 / 3], ids=str)
def test_the_unit_of_numbers_does_not_matter(metric, unit):
    close = by_number(1), by_number(1.05, seed=2)
    in_units = [Predictions(each.labels * unit, inputs=INPUTS) for each in close]

    plain = judged_by(metric, *close)
    other = judged_by(metric, *in_units, labels=NUMBERS * unit)

    assert 0.001 < plain.p_value < 0.5
    assert other.p_value == pytest.approx(plain.p_value, abs=1e-3)
    assert (other.outcome, other.smallest_gain) == (plain.outcome, pytest.approx(plain.smallest_gain * unit))


# --- A scorer of scikit-learn


@pytest.fixture
def few_draws(monkeypatch):
    """Each draw is a call of scikit-learn."""
    monkeypatch.setattr(significance, "_SLOW_DRAWS", 50)
    monkeypatch.setattr(comparison, "_INTERVAL_DRAWS", 20)


def scorer(name, **changes):
    return Gate(metric=f"sklearn:{name}", alpha=0.2, tests=1, **{"floor": 0, **changes})


def scored(challenger, production, gate, **changes):
    scorers = scorers_for([gate], Task.CLASSIFICATION, ("fail", "pass"))
    return judge(scores(challenger, production, scorers=scorers, **changes), gate)


def test_any_scorer_of_scikit_learn_decides(few_draws):
    gate = scorer("matthews_corrcoef")

    better, worse = scored(BETTER, WORSE, gate), scored(WORSE, BETTER, gate)

    assert better.outcome is Outcome.PROMOTE
    assert "matthews_corrcoef 0.800 against 0.600 on 1,000 rows" in better.reason
    assert better.score == pytest.approx(matthews_corrcoef(LABELS, BETTER))
    assert better.interval[0] < better.difference < better.interval[1]
    assert (worse.outcome, worse.p_value) == (Outcome.HOLD, 1)


@pytest.mark.parametrize(
    ("given", "positive"), [("probabilities", None), ("probabilities", "fail"), ("margins", None), ("margins", "fail")]
)
def test_a_scorer_of_ranks_takes_the_scores_the_right_way_round(few_draws, given, positive):
    # scikit-learn takes margins for those of the second class, whichever class the spec names.
    gate = scorer("roc_auc", positive=positive)

    def model(noise):
        margins = LABELS - 0.5 + np.random.default_rng(3).normal(0, noise, ROWS)
        of_pass = 1 / (1 + np.exp(-margins))
        texts = np.where(margins > 0, "pass", "fail")
        own = {"margins": margins} if given == "margins" else {"probabilities": np.column_stack([1 - of_pass, of_pass])}
        answers = RawPredictions(texts, ("fail", "pass"), **own).among(("fail", "pass"), positive)
        return replace(answers, inputs=INPUTS)

    assert scored(model(0.5), model(2), gate).outcome is Outcome.PROMOTE
    assert scored(model(2), model(0.5), gate).outcome is Outcome.HOLD


# --- Every way in which a number can be missing

NOT_FINITE = {"NaN": np.nan, "inf": np.inf, "-inf": -np.inf}


def never(verdict, *told):
    """Whatever is missing: INCONCLUSIVE, and the reason says what."""
    assert verdict.outcome is Outcome.INCONCLUSIVE, verdict.reason
    for part in told:
        assert part in verdict.reason
    Verdict.from_json(verdict.to_json())


def spoilt(values, bad):
    """With one number that is none."""
    values = values.astype(np.float64 if isinstance(bad, float) else object)
    values[7] = bad
    return values


@pytest.mark.parametrize("bad", [*NOT_FINITE.values(), None, "much"], ids=[*NOT_FINITE, "None", "text"])
@pytest.mark.parametrize("whose", [0, 1], ids=["challenger", "production"])
@pytest.mark.parametrize("metric", ["mae", "rmse", "r2"])
def test_one_answer_that_is_no_number_is_never_promoted(metric, whose, bad):
    models = [*PAIRS[metric]]
    models[whose] = replace(models[whose], labels=spoilt(models[whose].labels, bad))

    never(judged_by(metric, *models), "could not be computed")


@pytest.mark.parametrize("bad", NOT_FINITE.values(), ids=NOT_FINITE)
@pytest.mark.parametrize("metric", ["mae", "rmse", "r2"])
def test_one_label_that_is_no_number_is_never_promoted(metric, bad):
    never(judged_by(metric, *PAIRS[metric], labels=spoilt(NUMBERS, bad)), "could not be computed")


@pytest.mark.parametrize("bad", NOT_FINITE.values(), ids=NOT_FINITE)
@pytest.mark.parametrize("whose", [0, 1], ids=["challenger", "production"])
@pytest.mark.parametrize("metric", ["roc_auc", "average_precision", "log_loss", "brier"])
def test_one_score_or_probability_that_is_none_is_never_promoted(metric, whose, bad):
    models = [*PAIRS[metric]]
    needs = described(metric).needs
    models[whose] = replace(models[whose], **{needs: spoilt(getattr(models[whose], needs), bad)})

    never(judged_by(metric, *models), "could not be computed")


@pytest.mark.parametrize("whose", [0, 1], ids=["challenger", "production"])
@pytest.mark.parametrize("metric", ["roc_auc", "average_precision", "log_loss", "brier"])
def test_a_model_without_scores_or_probabilities_is_never_promoted(metric, whose):
    models = [*PAIRS[metric]]
    models[whose] = replace(models[whose], scores=None, probabilities=None)

    never(judged_by(metric, *models), "could not be computed")


@pytest.mark.filterwarnings("ignore:overflow")
def test_a_number_whose_square_is_none_is_never_promoted():
    better, worse = PAIRS["rmse"]

    never(judged_by("rmse", better, replace(worse, labels=worse.labels * 1e200)), "RMSE of the two")


def test_the_first_model_needs_a_number_too():
    better, _ = PAIRS["mae"]

    never(judged_by("mae", replace(better, labels=spoilt(better.labels, np.nan)), None), "misses its limit")


@pytest.mark.parametrize("bad", NOT_FINITE.values(), ids=NOT_FINITE)
def test_a_scorer_without_a_finite_answer_is_never_promoted(bad):
    gate = scorer("matthews_corrcoef")

    never(judge(scores(BETTER, WORSE, scorers={gate.metric: lambda *_: bad}), gate), "could not be computed")


def test_a_scorer_that_nobody_gave_is_never_promoted():
    never(
        judge(scores(BETTER, WORSE), scorer("matthews_corrcoef")), "matthews_corrcoef of the two could not be computed"
    )


@pytest.mark.parametrize("name", ["neg_log_loss", "roc_auc", "neg_brier_score"])
def test_a_scorer_that_needs_more_than_labels_is_never_promoted_without(name):
    never(scored(BETTER, WORSE, scorer(name, floor=-9)), f"{name} of the two could not be computed")


@pytest.mark.parametrize("metric", ["accuracy", "f1_macro", "log_loss", "roc_auc"])
def test_labels_of_one_class_are_never_promoted(metric):
    ones, model = np.ones(ROWS, np.int64), by_probability(0.9)

    never(judged_by(metric, model, model, labels=ones), "labels of 1 classes and needs 2")


@pytest.mark.parametrize("metric", ["accuracy", "mae"])
def test_fewer_rows_than_the_least_are_never_promoted(metric):
    some = np.arange(99)
    better, worse = PAIRS.get(metric, (said(BETTER), said(WORSE)))
    labels = NUMBERS if metric == "mae" else LABELS

    never(judged_by(metric, better.part(some), worse.part(some), labels=labels[some]), "99 distinct rows and needs 100")


def test_an_empty_slice_is_never_promoted():
    nowhere = Slice(column="text", value="x", margin=0.1)
    gate = Gate(metric="accuracy", slices=(nowhere,))

    never(judge(scores(BETTER, WORSE, slices={str(nowhere): np.zeros(ROWS, bool)}), gate), "slice text = x has 0")


# A model's own classes meet those of the holdout in `among`.


def texts(codes):
    return np.array(["fail", "pass"])[codes]


def model_of(labels, classes=("fail", "pass"), *, known=("fail", "pass"), positive="pass"):
    """What is judged of a model of these classes that is sure of its labels."""
    table = np.full((len(labels), len(known)), 0.1 / max(len(known) - 1, 1))
    table[np.arange(len(labels)), [known.index(str(label)) for label in labels]] = 0.9
    return replace(RawPredictions(labels, known, table).among(classes, positive), inputs=INPUTS)


@pytest.mark.parametrize("metric", ["f1", "recall", "roc_auc"])
def test_a_class_that_only_the_training_rows_have_is_never_promoted(metric):
    # The holdout has no label "maybe": a model that never says it is neither good nor bad at it.
    known = ("fail", "maybe", "pass")
    models = [model_of(texts(each), known=known, positive="maybe") for each in (BETTER, WORSE)]

    never(judge(scores(*models), gate_of(metric, positive="maybe", floor=0)), "has none of 'maybe'")


@pytest.mark.parametrize("whose", [0, 1], ids=["challenger", "production"])
def test_a_class_that_only_the_holdout_has_is_never_promoted_by_scores(whose):
    # One of the models was trained before there was a label "maybe", and so has no score for it.
    classes, codes = ("fail", "maybe", "pass"), np.arange(ROWS) % 3
    names = np.array(classes)[codes]
    models = [model_of(names, classes, known=classes, positive="maybe") for _ in range(2)]
    models[whose] = model_of(np.where(names == "maybe", "pass", names), classes, positive="maybe")

    never(judge(scores(*models, labels=codes, classes=classes), gate_of("roc_auc", positive="maybe")), "ROC AUC")


def test_a_class_that_only_the_holdout_has_is_an_error_of_a_model_that_does_not_know_it():
    classes, codes = ("fail", "maybe", "pass"), np.arange(ROWS) % 3
    names = np.array(classes)[codes]
    knows, does_not = (
        model_of(names, classes, known=classes),
        model_of(np.where(names == "maybe", "pass", names), classes),
    )
    gate = Gate(metric="f1_macro")

    assert judge(scores(knows, does_not, labels=codes, classes=classes), gate).outcome is Outcome.PROMOTE
    assert judge(scores(does_not, knows, labels=codes, classes=classes), gate).outcome is Outcome.HOLD


@pytest.mark.parametrize("metric", ["accuracy", "f1_macro", "log_loss"])
def test_one_and_the_text_of_it_are_one_class(metric):
    names = ("0", "1")
    as_text, as_object = BETTER.astype(str), np.array([int(each) for each in BETTER], dtype=object)
    models = [model_of(each, names, known=names, positive=None) for each in (as_text, as_object)]

    verdict = judge(scores(*models, classes=names), gate_of(metric, tests=1))

    assert verdict.outcome is Outcome.HOLD
    assert verdict.reason.endswith("the two differ in no answer that counts")


@pytest.mark.parametrize("whose", [0, 1], ids=["the challenger", "Production (version 1)"])
def test_one_and_1_0_are_two_classes_and_never_promoted(whose):
    # Trained on a column that had gaps, a model says 1.0 for what is 1: always wrong, it seems, and easy to surpass.
    names, models = ("0", "1"), [BETTER, WORSE]
    models[whose] = models[whose].astype(np.float64)
    judged = [replace(RawPredictions(each).among(names, None), inputs=INPUTS) for each in models]

    never(judge(scores(*judged, classes=names), ACCURACY), "no answer of", "is one of the labels")


def test_an_answer_of_none_is_a_wrong_one():
    some = texts(BETTER).astype(object)
    some[500:700] = None
    answers = replace(RawPredictions(some).among(("fail", "pass"), None), inputs=INPUTS)

    verdict = judge(scores(answers, WORSE), ACCURACY)

    assert verdict.score == pytest.approx(0.7)
    assert verdict.outcome is Outcome.HOLD


@pytest.mark.parametrize(
    ("name", "changes"),
    [("probabilities", {"probabilities": np.ones((ROWS, 3))}), ("scores", {"scores": np.ones((ROWS, 2))})],
)
def test_probabilities_and_scores_that_do_not_fit_are_refused(name, changes):
    with pytest.raises(ValueError, match=f"{name} of shape"):
        scores(replace(said(BETTER), **changes), WORSE)


# --- How often it errs


def promoted(matchups, rows, *, copies=1, gain=0.0, metric="f1_macro"):
    """Share of trials that promote, of two models that disagree on about 6% of the rows."""
    rng = np.random.default_rng(11)
    gate = Gate(metric=metric, tests=1)
    outcomes = []
    for number in range(matchups):
        labels = (rng.random(rows // copies) < 0.4).astype(np.int64)
        draw = rng.random(len(labels))  # right and wrong, wrong and right, both wrong, or both right
        challenger = np.where((draw >= 0.03 + gain) & (draw < 0.20), 1 - labels, labels)
        production = np.where((draw < 0.03 + gain) | ((draw >= 0.06) & (draw < 0.20)), 1 - labels, labels)
        repeated = (np.repeat(array, copies) for array in (challenger, production, labels, np.arange(len(labels))))
        ours, theirs, truth, keys = repeated
        verdict = judge(scores(ours, theirs, labels=truth, clusters=keys, about=matchup(id=str(number))), gate)
        outcomes.append(verdict.outcome is Outcome.PROMOTE)
    return np.mean(outcomes)


@pytest.mark.parametrize("copies", [1, 4])
def test_an_equal_model_is_promoted_no_more_often_than_alpha(copies):
    matchups = 300

    assert promoted(matchups, 1_000, copies=copies) <= 0.05 + 3 * (0.05 * 0.95 / matchups) ** 0.5


def test_a_real_gain_is_seen_and_a_real_loss_is_not():
    assert promoted(60, 2_000, gain=0.013) >= 0.9
    assert promoted(60, 2_000, gain=-0.01) == 0


def share_promoted(matchups, gate, draw):
    """Share of verdicts that promote; `draw` makes the two models and the labels."""
    rng, outcomes = np.random.default_rng(12), []
    for number in range(matchups):
        challenger, production, labels = draw(rng)
        classes = ("fail", "pass") if described(gate.metric).needs != "numbers" else ()
        judged = scores(challenger, production, labels=labels, classes=classes, about=matchup(id=str(number)))
        outcomes.append(judge(judged, gate).outcome is Outcome.PROMOTE)
    return np.mean(outcomes)


def may_be(alpha, matchups):
    """An error rate of alpha, as it may look in so many trials."""
    return alpha + 3 * (alpha * (1 - alpha) / matchups) ** 0.5


def equal_scores(rng):
    labels = (rng.random(300) < 0.4).astype(np.int64)
    common = labels + rng.normal(size=300)
    return *(Predictions(labels, scores=common + rng.normal(size=300), inputs=INPUTS) for _ in range(2)), labels


def equal_numbers(rng):
    labels = rng.normal(size=300)
    common = labels + rng.normal(size=300)
    return *(Predictions(common + rng.standard_t(3, size=300), inputs=INPUTS) for _ in range(2)), labels


@pytest.mark.parametrize(("metric", "draw"), [("roc_auc", equal_scores), ("mae", equal_numbers), ("r2", equal_numbers)])
def test_an_equal_model_is_promoted_no_more_often_by_any_metric(metric, draw, monkeypatch):
    monkeypatch.setattr(comparison, "_INTERVAL_DRAWS", 10)  # no interval is looked at
    floor = -9.0 if metric == "r2" else None

    assert share_promoted(120, gate_of(metric, tests=1, floor=floor), draw) <= may_be(0.05, 120)


def test_a_loss_of_just_the_margin_is_promoted_no_more_often_than_alpha():
    def draw(rng):
        labels = (rng.random(600) < 0.4).astype(np.int64)
        chance = rng.random(600)  # in 8% the challenger alone is wrong, in 4% Production alone: a loss of 0.04
        challenger = np.where(chance < 0.08, 1 - labels, labels)
        return challenger, np.where(chance > 0.96, 1 - labels, labels), labels

    assert share_promoted(120, within(0.04), draw) <= may_be(0.05, 120)


@pytest.mark.parametrize("proof", ["min_gain", "non_inferiority"])
def test_no_proof_lets_through_what_it_is_against(proof):
    # Better by just min_gain, or worse by just the margin, in each kind of metric; the benchmark has a thousand.
    settings = [gate_error.level(kind, proof, rows=400) for kind in gate_error.KINDS]

    promoted = [rules[0] for setting in settings for rules in gate_error.repeated(setting, range(15))]

    assert np.mean(promoted) <= 0.05 + 3 * (0.05 * 0.95 / len(promoted)) ** 0.5
