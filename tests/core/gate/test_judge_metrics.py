"""Every metric is judged in its own direction, and so is any scorer of scikit-learn."""

from dataclasses import replace

import numpy as np
import pytest
from sklearn.metrics import matthews_corrcoef

from retrain.gate import comparison, significance
from retrain.gate.predictions import Predictions, RawPredictions
from retrain.metrics import described
from retrain.records import Outcome, Proof
from tests.core.gate.evidence import (
    BETTER,
    INPUTS,
    LABELS,
    NUMBERS,
    PAIRS,
    ROWS,
    WORSE,
    by_number,
    gate_of,
    guard,
    judged_by,
    scored,
    scorer,
)

# --- Probabilities, scores and numbers


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
    assert verdict.reason.endswith("is not a gain")


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
        predictions = RawPredictions(texts, ("fail", "pass"), **own).among(("fail", "pass"), positive)
        return replace(predictions, inputs=INPUTS)

    assert scored(model(0.5), model(2), gate).outcome is Outcome.PROMOTE
    assert scored(model(2), model(0.5), gate).outcome is Outcome.HOLD
