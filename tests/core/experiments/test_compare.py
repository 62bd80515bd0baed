"""Runs side by side, the best of them, the effect of parameters on a metric, and the report of all that."""

import re
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest

from retrain.experiments.charts import plot_hyperparameter_impact, plot_metric_comparison
from retrain.experiments.compare import (
    HyperparameterAnalysis,
    ParameterEffect,
    analyze_hyperparameters,
    compare_experiments,
    get_best_models,
)
from retrain.experiments.report import generate_report
from tests.fake_tracker import FakeTracker

EVIL = '<img src=x onerror=alert(1)> "자소서" | *b*'


@pytest.fixture
def tracker(tmp_path: Path) -> Any:
    return FakeTracker(tmp_path / "models")


@pytest.fixture
def log(tracker: Any) -> Callable[..., str]:
    """Return a function that logs a run and returns its id."""

    def log(experiment: str, params: dict[str, Any], status: str = "FINISHED", **metrics: float) -> str:
        run: str = tracker.start_run(tracker.create_experiment(experiment), "run")
        tracker.log_params(run, params)
        tracker.log_metrics(run, metrics)
        tracker.end_run(run, status)
        return run

    return log


@pytest.fixture(scope="module")
def compared() -> pd.DataFrame:
    """Two hundred runs: the metric follows `c`, a little `kind`, and not `seed`; `folds` is always five."""
    rng = np.random.default_rng(0)
    c, kind = 10 ** rng.uniform(-3, 2, 200), rng.choice(["lbfgs", "saga"], 200)
    f1 = 0.7 + 0.04 * np.log10(c) + 0.02 * (kind == "saga") + rng.normal(0, 0.005, 200)
    return pd.DataFrame(
        {
            "experiment_id": "1",
            "experiment": EVIL,
            "run_id": [f"r{number}" for number in range(200)],
            "run_name": [f"{EVIL} {number}" for number in range(200)],
            "metric_f1": f1,
            "metric_log_loss": 1 - f1,
            "param_c": [f"{each:.6g}" for each in c],
            "param_kind": kind,
            "param_seed": [str(each) for each in rng.integers(0, 1000, 200)],
            "param_folds": "5",
        }
    )


@pytest.fixture(scope="module")
def analysis(compared: pd.DataFrame) -> HyperparameterAnalysis:
    """The analysis of the metric F1, made once, as the importance of parameters takes seconds."""
    return analyze_hyperparameters(compared, "f1")


def effect(analysis: HyperparameterAnalysis, name: str) -> ParameterEffect:
    (found,) = [each for each in analysis.parameters if each.name == name]
    return found


# ── compare_experiments, get_best_models


def test_runs_of_several_experiments_are_in_one_table(tracker: Any, log: Callable[..., str]) -> None:
    first = log("one", {"c": 1, "folds": 5}, f1=0.5)
    second = log("two", {"c": 2, "folds": 5, "kind": "saga"}, f1=0.6, auc=0.9)
    log("two", {"c": 3}, "FAILED", f1=0.9)
    ids = [tracker.create_experiment(name) for name in ("one", "two")]
    table = compare_experiments(tracker, ids)
    assert list(table.columns) == [
        *("experiment_id", "experiment", "run_id", "run_name", "metric_auc", "metric_f1", "param_c", "param_kind")
    ]
    by_run = table.set_index("run_id")  # both may have started in the same millisecond
    assert sorted(by_run.index) == sorted([first, second])
    assert list(by_run.loc[[first, second], "experiment"]) == ["one", "two"]
    assert by_run.loc[[first, second], "metric_auc"].isna().tolist() == [True, False]
    every = compare_experiments(tracker, ids, ["f1"], every_parameter=True)
    assert list(every.columns)[4:] == ["metric_f1", "param_c", "param_folds", "param_kind"]


def test_the_best_are_ranked_over_all_experiments(tracker: Any, log: Callable[..., str]) -> None:
    low, high, middle = log("one", {}, loss=0.1), log("two", {}, loss=0.9), log("one", {}, loss=0.5)
    log("two", {}, loss=float("nan"))
    ids = [tracker.create_experiment(name) for name in ("one", "two")]
    assert [run.id for run in get_best_models(tracker, ids, "loss", 2)] == [high, middle]
    assert [run.id for run in get_best_models(tracker, ids, "loss", 9, ascending=True)] == [low, middle, high]
    assert get_best_models(tracker, ids, "f1") == []


# ── analyze_hyperparameters


def test_the_parameter_that_makes_the_metric_is_the_most_important(analysis: HyperparameterAnalysis) -> None:
    assert analysis.parameters[0].name == "c"
    assert effect(analysis, "c").importance > 0.7  # type: ignore[operator]
    assert effect(analysis, "seed").importance < 0.1  # type: ignore[operator]
    assert sum(each.importance or 0 for each in analysis.parameters) == pytest.approx(1)
    assert (analysis.constant, analysis.warnings, analysis.runs) == (("folds",), (), 200)


def test_a_number_has_both_correlations_and_a_name_has_none(
    compared: pd.DataFrame, analysis: HyperparameterAnalysis
) -> None:
    c, kind = (effect(analysis, name) for name in ("c", "kind"))
    numbers, metric = compared["param_c"].astype(float), compared["metric_f1"]
    assert c.pearson == pytest.approx(np.corrcoef(numbers, metric)[0, 1])
    assert c.spearman == pytest.approx(np.corrcoef(numbers.rank(), metric.rank())[0, 1])
    assert c.spearman > 0.9 > c.pearson
    assert (c.is_number, c.runs) == (True, 200)
    assert (kind.is_number, kind.pearson, kind.spearman) == (False, None, None)


def test_the_metric_is_described_for_each_value_the_best_first(
    compared: pd.DataFrame, analysis: HyperparameterAnalysis
) -> None:
    kind = effect(analysis, "kind")
    groups = compared.groupby("param_kind")["metric_f1"]
    assert [each.value for each in kind.values] == ["saga", "lbfgs"] == list(groups.mean().sort_values()[::-1].index)
    for each in kind.values:
        group = groups.get_group(each.value)
        assert (each.runs, each.mean) == (len(group), pytest.approx(group.mean()))
        assert (each.standard_deviation, each.min, each.max) == (pytest.approx(group.std()), group.min(), group.max())
    assert kind.best_value == "saga"
    few = compared.head(40)[["metric_log_loss", "param_kind"]]
    assert effect(analyze_hyperparameters(few, "log_loss", ascending=True), "kind").best_value == "saga"
    assert effect(analyze_hyperparameters(few, "log_loss"), "kind").best_value == "lbfgs"


def test_few_runs_are_warned_about_and_one_has_no_spread(compared: pd.DataFrame) -> None:
    analysis = analyze_hyperparameters(compared.head(3), "f1")
    assert analysis.warnings == ("3 runs are too few to tell a parameter's effect from chance",)
    alone = analyze_hyperparameters(compared.head(1), "f1")
    assert (alone.parameters, alone.runs) == ((), 1)


def test_runs_without_the_metric_or_a_parameter_do_not_count_for_it(compared: pd.DataFrame) -> None:
    holes = compared.head(60).copy()
    holes.loc[:9, "metric_f1"] = np.nan
    holes.loc[10:19, "param_c"] = None
    analysis = analyze_hyperparameters(holes, "f1")
    assert (analysis.runs, effect(analysis, "c").runs, effect(analysis, "kind").runs) == (50, 40, 50)
    assert effect(analysis, "c").importance is None
    with pytest.raises(KeyError):
        analyze_hyperparameters(holes, "auc")


def test_a_constant_metric_says_nothing_about_a_parameter(compared: pd.DataFrame) -> None:
    flat = compared.assign(metric_f1=0.5)
    assert {(each.pearson, each.importance) for each in analyze_hyperparameters(flat, "f1").parameters} == {
        (None, None)
    }


# ── pictures and report


def test_the_same_comparison_gives_the_same_pictures(compared: pd.DataFrame, tmp_path: Path) -> None:
    first, second = (
        generate_report(
            compared.head(40), ["f1", "log_loss"], _new(tmp_path / name), ascending=["log_loss"]
        ).read_bytes()
        for name in ("one", "two")
    )
    assert first == second


def test_the_report_needs_nothing_beside_it_and_what_a_user_wrote_is_not_markup(
    compared: pd.DataFrame, tmp_path: Path
) -> None:
    page = generate_report(compared.head(60), ["f1"], tmp_path, title=EVIL).read_text("utf-8")
    assert page.count('src="data:image/png;base64,') == 2
    assert not re.search(r'(src|href)="(?!data:)', page)
    assert "<img src=x" not in page
    assert "the table holds the best 50 of 60 runs." in page
    assert "the same in all runs, and left out: folds." in page
    assert page.count("<tr>") == 1 + 50 + 1 + 3


def test_the_report_in_markdown_has_its_pictures_beside_it(compared: pd.DataFrame, tmp_path: Path) -> None:
    report = generate_report(compared.head(60), ["f1"], tmp_path, format="markdown")
    text = report.read_text("utf-8")
    pictures = re.findall(r"!\[.+?\]\((.+?)\)", text)
    assert pictures == ["metrics.png", "parameters.png"]
    for picture in pictures:
        assert (tmp_path / picture).read_bytes().startswith(b"\x89PNG")
    assert not re.search(r"(?<!\\)<img", text)
    rows = [line for line in text.splitlines() if line.startswith("| ")]
    assert len({len(re.findall(r"(?<!\\)\|", line)) for line in rows[:52]}) == 1


def test_a_number_over_many_powers_of_ten_is_drawn_on_their_scale(
    compared: pd.DataFrame, analysis: HyperparameterAnalysis
) -> None:
    figure = plot_hyperparameter_impact(compared, analysis)
    figure.canvas.draw()
    panels = {axes.get_title().partition(",")[0]: axes for axes in figure.axes}
    assert (panels["c"].get_xscale(), panels["seed"].get_xscale()) == ("log", "linear")
    assert "0.01" in [label.get_text() for label in panels["c"].get_xticklabels()]


def test_what_cannot_be_drawn_is_refused(compared: pd.DataFrame) -> None:
    with pytest.raises(ValueError, match="name a metric"):
        plot_metric_comparison(compared, [])
    alone = compared.head(1)
    with pytest.raises(ValueError, match="no parameter differs"):
        plot_hyperparameter_impact(alone, analyze_hyperparameters(alone, "f1"))


def _new(folder: Path) -> Path:
    folder.mkdir()
    return folder
