"""The gate promotes what is better beyond chance, holds the rest, and calls inconclusive what it cannot know."""

import numpy as np
import pytest

from benchmarks import gate_error
from retrain.gate import Answers, Scores, judge
from retrain.nouns import Outcome, Trial, Verdict
from retrain.spec import Gate

ROWS = 1_000
LABELS = np.arange(ROWS) % 2
INPUTS = {"text": "string"}
ACCURACY = Gate(metric="accuracy", tests=1)


def trial(**changes):
    known = {
        "id": "t1",
        "model": "CoverLetterClassifier",
        "candidate": "c1",
        "snapshot": "s1",
        "run_id": "r1",
        "version": "2",
        "production": "1",
        "epoch": 1,
        "test": 1,
    }
    return Trial(**{**known, **changes})


def wrong_on(rows, labels=LABELS):
    """Answers for two classes that are right but on these rows."""
    answers = labels.copy()
    answers[rows] = 1 - answers[rows]
    return answers


def said(answers):
    return answers if answers is None or isinstance(answers, Answers) else Answers(answers, inputs=INPUTS)


def scores(challenger, production, *, labels=LABELS, clusters=None, about=None, **changes):
    known = {
        "trial": about or trial(production=None if production is None else "1"),
        "classes": ("fail", "pass"),
        "labels": labels,
        "challenger": said(challenger),
        "production": said(production),
        "clusters": np.arange(len(labels)) if clusters is None else clusters,
    }
    return Scores(**{**known, **changes})


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
    dry = judge(scores(BETTER, WORSE, about=trial(version=None, dry_run=True)), ACCURACY)

    assert dry.model_copy(update={"trial": real.trial}) == real


# --- The numbers


def test_the_same_scores_give_the_same_verdict_and_another_trial_draws_anew():
    close = wrong_on(slice(50, 165))
    first, again, other = (judge(scores(BETTER, close, about=trial(id=name)), ACCURACY) for name in ("t1", "t1", "t2"))

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
    verdict = inconclusive(scores(BETTER, None, about=trial(production="7")))

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


def test_a_spent_epoch_is_inconclusive_and_says_when_the_next_opens():
    gate = Gate(metric="accuracy", tests=3, epoch_rows=1_500)
    last = judge(scores(BETTER, WORSE, about=trial(test=3, epoch=2)), gate)
    over = inconclusive(scores(BETTER, WORSE, about=trial(test=4, epoch=2)), gate)

    assert last.outcome is Outcome.PROMOTE
    assert guard(last, "epoch").says == "test 3 of 3 in holdout epoch 2"
    assert over.reason == (
        "the 3 tests of holdout epoch 2 are spent (this would be test 4);"
        " the next epoch opens when 1,500 new holdout rows have arrived"
    )


def test_every_failed_guard_is_told():
    verdict = inconclusive(scores(BETTER, WORSE, overlap=500, clusters=np.zeros(ROWS), about=trial(test=2)))

    assert [guard.name for guard in verdict.guards if not guard.passed] == ["rows", "overlap", "epoch"]


def test_arrays_that_do_not_fit_are_refused():
    with pytest.raises(ValueError, match="no pairs"):
        scores(BETTER[:-1], WORSE)
    with pytest.raises(ValueError, match="no pairs"):
        scores(BETTER, WORSE[:-1])
    with pytest.raises(ValueError, match="clusters"):
        scores(BETTER, WORSE, clusters=np.arange(3))
    with pytest.raises(ValueError, match="codes are"):
        scores(BETTER + 1, WORSE)


# --- How often it errs


def promoted(trials, rows, *, copies=1, gain=0.0, metric="f1_macro"):
    """Share of trials that promote, of two models that disagree on about 6% of the rows."""
    rng = np.random.default_rng(11)
    gate = Gate(metric=metric, tests=1)
    outcomes = []
    for number in range(trials):
        labels = (rng.random(rows // copies) < 0.4).astype(np.int64)
        draw = rng.random(len(labels))  # right and wrong, wrong and right, both wrong, or both right
        challenger = np.where((draw >= 0.03 + gain) & (draw < 0.20), 1 - labels, labels)
        production = np.where((draw < 0.03 + gain) | ((draw >= 0.06) & (draw < 0.20)), 1 - labels, labels)
        repeated = (np.repeat(array, copies) for array in (challenger, production, labels, np.arange(len(labels))))
        ours, theirs, truth, keys = repeated
        verdict = judge(scores(ours, theirs, labels=truth, clusters=keys, about=trial(id=str(number))), gate)
        outcomes.append(verdict.outcome is Outcome.PROMOTE)
    return np.mean(outcomes)


@pytest.mark.parametrize("copies", [1, 4])
def test_an_equal_model_is_promoted_no_more_often_than_alpha(copies):
    trials = 300

    assert promoted(trials, 1_000, copies=copies) <= 0.05 + 3 * (0.05 * 0.95 / trials) ** 0.5


def test_a_real_gain_is_seen_and_a_real_loss_is_not():
    assert promoted(60, 2_000, gain=0.013) >= 0.9
    assert promoted(60, 2_000, gain=-0.01) == 0


@pytest.mark.parametrize("proof", gate_error.PROOFS)
def test_no_proof_lets_through_what_it_is_against(proof):
    # Equal, better by just min_gain, worse by just the margin, in each kind of metric; the benchmark does a thousand.
    settings = [gate_error.level(kind, proof, rows=300) for kind in gate_error.KINDS]

    promoted = [rules[0] for setting in settings for rules in gate_error.repeated(setting, range(15))]

    assert np.mean(promoted) <= 0.05 + 3 * (0.05 * 0.95 / len(promoted)) ** 0.5
