"""The rules that decide on a promotion: the gate itself, and what else teams promote by."""

import logging

import numpy as np
from numpy.typing import NDArray
from scipy.stats import binom

from retrain.gate.judge import judge
from retrain.gate.predictions import Evidence
from retrain.metrics import METRICS
from retrain.records import Matchup, Outcome
from retrain.spec.gate import Gate
from simulation.pairs import CLASSES, Array, Pair

ALPHA, HALF_A_POINT = 0.05, 0.005
RULES = ("gate", "greater", "by 0.5 pp", "McNemar", "MLflow")

Decisions = tuple[float, ...]
"""One for each of RULES: 1 for promote, 0 for not, NaN where the rule does not apply to the metric."""


def decide(
    name: str,
    gate: Gate,
    pair: Pair,
    rows: NDArray[np.intp],
    clusters: Array | None = None,
    *,
    test: int = 1,
    same_recipe: bool = False,
) -> Decisions:
    """Return what each rule decides on these rows of the pair; a row that occurs twice is one cluster."""
    labels, challenger, production = pair
    evidence = Evidence(
        matchup=Matchup(
            id=name,
            model="m",
            candidate="c",
            snapshot="s",
            run_id="r",
            version="2",
            production="1",
            holdout_round=1,
            test=test,
            same_recipe=same_recipe,
        ),
        classes=() if METRICS[gate.metric].needs == "numbers" else CLASSES,
        labels=labels[rows],
        challenger=challenger.part(rows),
        production=production.part(rows),
        clusters=rows if clusters is None else clusters[rows].astype(np.int64),
    )
    verdict = judge(evidence, gate)
    assert verdict.outcome is not Outcome.INCONCLUSIVE, verdict.reason
    assert verdict.score is not None
    assert verdict.production_score is not None
    gain = METRICS[gate.metric].sign * (verdict.score - verdict.production_score)
    mcnemar = _mcnemar(verdict.wrong_to_right, verdict.right_to_wrong) if evidence.classes else np.nan
    mlflow = _mlflow(gate.metric, verdict.score, verdict.production_score)
    return float(verdict.outcome is Outcome.PROMOTE), float(gain > 0), float(gain > HALF_A_POINT), mcnemar, mlflow


def _mcnemar(better: int, worse: int) -> float:
    mid_p = binom.sf(better, better + worse, 0.5) + binom.pmf(better, better + worse, 0.5) / 2
    return float(mid_p < ALPHA)


def _mlflow(metric: str, own: float, theirs: float) -> float:
    from mlflow import validate_evaluation_results
    from mlflow.models import EvaluationResult, MetricThreshold
    from mlflow.models.evaluation.validation import ModelValidationFailedException

    logging.getLogger("mlflow").setLevel(logging.ERROR)
    threshold = MetricThreshold(min_absolute_change=HALF_A_POINT, greater_is_better=METRICS[metric].greater_is_better)
    try:
        validate_evaluation_results(
            {metric: threshold}, *(EvaluationResult(metrics={metric: each}, artifacts={}) for each in (own, theirs))
        )
    except ModelValidationFailedException:
        return 0.0
    return 1.0
