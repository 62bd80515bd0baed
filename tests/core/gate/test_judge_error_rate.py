"""How often the gate errs, over many matchups."""

from importlib import import_module

import numpy as np
import pytest

from retrain.gate import comparison
from retrain.gate.judge import judge
from retrain.gate.predictions import Predictions
from retrain.metrics import described
from retrain.records import Outcome
from retrain.spec.gate import Gate
from stack.home import PROJECT
from tests.core.gate.evidence import INPUTS, evidence_of, gate_of, matchup, within


def promoted(matchups, rows, *, copies=1, gain=0.0, metric="f1_macro"):
    """Return the share of matchups that promote, for two models that disagree on about 6% of the rows."""
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
        verdict = judge(evidence_of(ours, theirs, labels=truth, clusters=keys, about=matchup(id=str(number))), gate)
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
    """Return the share of verdicts that promote; `draw` makes the two models and the labels."""
    rng, outcomes = np.random.default_rng(12), []
    for number in range(matchups):
        challenger, production, labels = draw(rng)
        classes = ("fail", "pass") if described(gate.metric).needs != "numbers" else ()
        judged = evidence_of(challenger, production, labels=labels, classes=classes, about=matchup(id=str(number)))
        outcomes.append(judge(judged, gate).outcome is Outcome.PROMOTE)
    return np.mean(outcomes)


def may_be(alpha, matchups):
    """Return the greatest error rate that alpha may look like in so many matchups."""
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


@pytest.fixture
def simulated(monkeypatch):
    """The simulation of the benchmark, which is on the path where the benchmark runs."""
    monkeypatch.syspath_prepend(PROJECT / "benchmarks")
    return import_module("simulation.trials")


@pytest.mark.parametrize("proof", ["min_gain", "non_inferiority"])
def test_no_proof_lets_through_what_it_is_against(proof, simulated):
    # Better by exactly min_gain, or worse by exactly the margin, in each kind of metric; the benchmark has a thousand.
    settings = [simulated.level(kind, proof, rows=400) for kind in simulated.KINDS]

    promoted = [rules[0] for setting in settings for rules in simulated.repeated(setting, range(15))]

    assert np.mean(promoted) <= 0.05 + 3 * (0.05 * 0.95 / len(promoted)) ** 0.5
