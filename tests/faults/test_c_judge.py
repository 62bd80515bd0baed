"""`retrain judge` takes what a ranking metric needs, and nothing else for it."""

from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest

from retrain.errors import JudgingError
from retrain.gate import comparison, significance
from retrain.gate.files import Columns, gate_of, judge_files
from retrain.records import Verdict
from retrain.spec.task import Task

ROWS = 1_000
LABELS = np.arange(ROWS) % 2
OURS, THEIRS = 1 / (1 + np.exp(-np.random.default_rng(1).normal(LABELS, [[0.4], [1.0]])))
RANKING: list[dict[str, Any]] = [
    {"metric": "roc_auc", "positive": "1"},
    {"metric": "average_precision", "positive": "1"},
    {"metric": "sklearn:roc_auc", "positive": "1", "floor": 0.5},
]
METRICS = pytest.mark.parametrize("options", RANKING, ids=[each["metric"] for each in RANKING])

Judge = Callable[..., Verdict]


@pytest.fixture
def judge(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Judge:
    """Judge two files with these columns beside id, label and prediction; each is made of a model's probabilities."""
    for module, draws in ((significance, "_SLOW_DRAWS"), (comparison, "_INTERVAL_DRAWS")):
        monkeypatch.setattr(module, draws, 50)

    def judge(columns: Callable[[Any], dict[str, Any]], **options: Any) -> Verdict:
        paths = []
        for name, probabilities in (("ours", OURS), ("theirs", THEIRS)):
            table = {"id": np.arange(ROWS), "label": LABELS, "prediction": (probabilities > 0.5).astype(int)}
            paths.append(tmp_path / f"{name}.csv")
            pd.DataFrame({**table, **columns(probabilities)}).to_csv(paths[-1], index=False)
        return judge_files(*paths, Columns("label"), gate_of(**options), Task.CLASSIFICATION)

    return judge


def _whole(probabilities: Any) -> dict[str, Any]:
    return {"p_0": 1 - probabilities, "p_1": probabilities}


SHAPES: dict[str, Callable[[Any], dict[str, Any]]] = {
    "a score": lambda p: {"score": np.log(p)},
    "the positive's probability": lambda p: {"p_1": p},
    "a p-value as well": lambda p: {"p_value": 0.3, "p_1": p},
    "a score and a p-value": lambda p: {"score": p, "p_value": "small"},
    "a score and a table that is none": lambda p: {"score": p, "p_1": 17.0, "p_0": -1.0},
    "all and a p-value": lambda p: {"p_value": 0.3, **_whole(p)},
    "all and a p of text": lambda p: {**_whole(p), "p_remark": "good"},
}


@METRICS
@pytest.mark.parametrize("shape", SHAPES)
def test_a_ranking_metric_takes_a_score_or_the_positives_probability_alone(
    judge: Judge, shape: str, options: dict[str, Any]
) -> None:
    """C10."""
    assert judge(SHAPES[shape], **options).score == pytest.approx(judge(_whole, **options).score)


@pytest.mark.parametrize("metric", ["roc_auc", "average_precision"])
def test_without_either_both_are_named(judge: Judge, metric: str) -> None:
    """C10."""
    with pytest.raises(JudgingError, match=rf"ours\.csv: has neither a column score nor p_1, and {metric} needs one"):
        judge(lambda p: {"p_value": p}, metric=metric, positive="1")


@pytest.mark.parametrize(
    "columns",
    [lambda p: {"p_value": 0.001, **_whole(p)}, lambda p: {**_whole(p), "p_value": "small"}],
    ids=["number", "text"],
)
def test_a_p_value_is_not_the_probability_of_a_class(judge: Judge, columns: Callable[[Any], dict[str, Any]]) -> None:
    """C10."""
    options: dict[str, Any] = {"metric": "log_loss", "ceiling": 1.0}
    assert judge(columns, **options).score == pytest.approx(judge(_whole, **options).score)


def test_a_class_that_only_a_model_knows_keeps_its_probability(judge: Judge) -> None:
    """C10. Else the probabilities of no row would add up to 1."""
    verdict = judge(lambda p: {"p_rare": 0.1, "p_0": 0.9 * (1 - p), "p_1": 0.9 * p}, metric="log_loss", ceiling=5.0)
    whole = judge(_whole, metric="log_loss", ceiling=5.0)
    assert verdict.score is not None
    assert whole.score is not None
    assert verdict.score == pytest.approx(whole.score - np.log(0.9))
