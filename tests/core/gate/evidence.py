"""Evidence on two models, for tests of the gate: by default on 1,000 rows of two classes."""

import numpy as np

from retrain.gate.judge import judge
from retrain.gate.predictions import Evidence, Predictions
from retrain.gate.scorers import scorers_for
from retrain.metrics import described
from retrain.records import Matchup, Proof
from retrain.spec.gate import Gate
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
    """Return predictions for two classes that are wrong on these rows alone."""
    predictions = labels.copy()
    predictions[rows] = 1 - predictions[rows]
    return predictions


def as_predictions(labels):
    return labels if labels is None or isinstance(labels, Predictions) else Predictions(labels, inputs=INPUTS)


def evidence_of(challenger, production, *, labels=LABELS, clusters=None, about=None, **changes):
    known = {
        "matchup": about or matchup(production=None if production is None else "1"),
        "classes": ("fail", "pass"),
        "labels": labels,
        "challenger": as_predictions(challenger),
        "production": as_predictions(production),
        "clusters": np.arange(len(labels)) if clusters is None else clusters,
    }
    return Evidence(**{**known, **changes})


BETTER = wrong_on(slice(0, 100))
WORSE = wrong_on(slice(50, 250))


def guard(verdict, name):
    (found,) = [guard for guard in verdict.guards if guard.name == name]
    return found


def within(margin, **changes):
    return Gate(**{"metric": "accuracy", "tests": 1, "proof": Proof.NON_INFERIORITY, "margin": margin, **changes})


NUMBERS = np.random.default_rng(8).normal(50, 10, ROWS)


def by_number(error, *, seed=1):
    return Predictions(NUMBERS + np.random.default_rng(seed).normal(0, error, ROWS), inputs=INPUTS)


def by_probability(sure):
    """Return probabilities and scores of predictions that are right nine times in ten, this sure on average."""
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
    return evidence_of(challenger, production, **{"labels": NUMBERS, "classes": (), **changes})


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
    as_they_are = as_numbers if described(metric).needs == "numbers" else evidence_of
    return judge(as_they_are(challenger, production, **changes), gate or gate_of(metric))


def scorer(name, **changes):
    return Gate(metric=f"sklearn:{name}", alpha=0.2, tests=1, **{"floor": 0, **changes})


def scored(challenger, production, gate, **changes):
    scorers = scorers_for([gate], Task.CLASSIFICATION, ("fail", "pass"))
    return judge(evidence_of(challenger, production, scorers=scorers, **changes), gate)
