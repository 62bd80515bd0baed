"""Runs of several experiments side by side, the best of them, and the effect of their parameters on a metric."""

import math
from collections.abc import Hashable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import pandas as pd

from retrain import extras
from retrain.tracker.client import ExperimentTracker
from retrain.tracker.entities import Run
from retrain.tracker.filters import FINISHED
from retrain.tracker.run_table import table

_FEW = 10
_MOST_VALUES = 20
_SAMPLE = 1_000
"""Runs that the importance of parameters is estimated from: a forest of more runs takes minutes for the same result."""
_SEED = 0


def compare_experiments(
    tracker: ExperimentTracker,
    experiment_ids: Sequence[str],
    metric_keys: Sequence[str] | None = None,
    *,
    every_parameter: bool = False,
) -> pd.DataFrame:
    """Return the finished runs of these experiments, the oldest first.

    The columns are `experiment_id`, `experiment`, `run_id`, `run_name`, `metric_<key>` and `param_<key>`, empty where a
    run lacks the metric or parameter. metric_keys: None for every metric that any run has. every_parameter: include
    parameters in which no two runs differ.
    """
    names = {id_: tracker.get_experiment(id_).name for id_ in dict.fromkeys(experiment_ids)}
    runs = tracker.search_runs(list(names), [FINISHED])
    compared = table(runs, metric_keys)
    if not every_parameter:
        compared = compared.drop(columns=_constant(compared))
    compared.insert(0, "experiment_id", [run.experiment_id for run in runs])
    compared.insert(1, "experiment", [names[run.experiment_id] for run in runs])
    compared.insert(3, "run_name", [run.name for run in runs])
    return compared


def get_best_models(
    tracker: ExperimentTracker, experiment_ids: Sequence[str], metric_key: str, k: int = 5, *, ascending: bool = False
) -> list[Run]:
    """Return the k finished runs with the greatest value of the metric, the best first; the smallest if `ascending`.

    Runs without this metric, or with NaN or infinity for it, do not count. Of equal runs, the earliest comes first.
    """
    return tracker.get_best_runs(experiment_ids, metric_key, k, ascending)


@dataclass(frozen=True)
class ValueEffect:
    """The metric over the runs that have one value of a parameter."""

    value: str
    runs: int
    mean: float
    standard_deviation: float
    """The sample's (n - 1); 0 for one run."""
    min: float
    max: float


@dataclass(frozen=True)
class ParameterEffect:
    """The effect of a parameter on a metric."""

    name: str
    is_number: bool
    """Whether each of its values is a number."""
    runs: int
    """How many runs have it."""
    values: tuple[ValueEffect, ...]
    """The most frequent values: numbers in their order, others by the metric's mean, the best first."""
    best_value: str
    """The value with the best mean; of equal values, the one of more runs."""
    pearson: float | None
    spearman: float | None
    """Correlation with the metric; None for a parameter that is not a number, or where the metric is constant."""
    importance: float | None
    """Share of the metric's variance that this parameter explains, alone and with others (functional ANOVA, Hutter et
    al. 2014); None where not every run has it."""


@dataclass(frozen=True)
class HyperparameterAnalysis:
    metric: str
    runs: int
    """How many runs have the metric."""
    parameters: tuple[ParameterEffect, ...]
    """The most important one first."""
    constant: tuple[str, ...]
    """Parameters that are left out, because no two runs differ in them."""
    warnings: tuple[str, ...]


def analyze_hyperparameters(
    compared: pd.DataFrame, metric_key: str, *, ascending: bool = False
) -> HyperparameterAnalysis:
    """Measure the effect of each parameter on a metric.

    compared: what `compare_experiments` returns. ascending: whether smaller is better. Runs without the metric, or with
    NaN or infinity for it, do not count. Raises KeyError where no run has the metric.
    """
    runs = compared[np.isfinite(compared[f"metric_{metric_key}"].astype(float))]
    metric = runs[f"metric_{metric_key}"].astype(float)
    constant = _constant(runs)
    names = [name for name in runs.columns if name.startswith("param_") and name not in constant]
    importance = _importances(runs[names], metric)
    effects = [_effect(runs[name].dropna(), metric, ascending, importance.get(name)) for name in names]
    warnings = [] if len(runs) >= _FEW else [f"{len(runs)} runs are too few to tell a parameter's effect from chance"]
    return HyperparameterAnalysis(
        metric=metric_key,
        runs=len(runs),
        parameters=tuple(sorted(effects, key=lambda each: (-(each.importance or 0), each.name))),
        constant=tuple(name.removeprefix("param_") for name in constant),
        warnings=tuple(warnings),
    )


def _constant(runs: pd.DataFrame) -> list[str]:
    return [
        str(name) for name in runs.columns if str(name).startswith("param_") and runs[name].nunique(dropna=False) <= 1
    ]


def _effect(
    values: "pd.Series[str]", metric: "pd.Series[float]", ascending: bool, importance: float | None
) -> ParameterEffect:
    numbers, scores = _numbers(values), metric[values.index]
    by_value = scores.groupby(values).agg(["count", "mean", "std", "min", "max"]).reset_index(names="value")
    best = by_value.sort_values(["mean", "count"], ascending=[ascending, False], kind="stable")
    shown = by_value.nlargest(_MOST_VALUES, "count", keep="first")
    if numbers is not None:
        shown = shown.sort_values("value", key=lambda text: text.astype(float), kind="stable")
    else:
        shown = shown.sort_values("mean", ascending=ascending, kind="stable")
    varies = numbers is not None and scores.nunique() > 1
    return ParameterEffect(
        name=str(values.name).removeprefix("param_"),
        is_number=numbers is not None,
        runs=len(values),
        values=tuple(_value_effect(row) for row in shown.to_dict("records")),
        best_value=str(best["value"].iloc[0]),
        pearson=float(numbers.corr(scores)) if numbers is not None and varies else None,
        spearman=float(numbers.rank().corr(scores.rank())) if numbers is not None and varies else None,
        importance=importance,
    )


def _value_effect(row: Mapping[Hashable, Any]) -> ValueEffect:
    return ValueEffect(
        value=str(row["value"]),
        runs=int(row["count"]),
        mean=float(row["mean"]),
        standard_deviation=0.0 if math.isnan(row["std"]) else float(row["std"]),
        min=float(row["min"]),
        max=float(row["max"]),
    )


def _numbers(values: "pd.Series[str]") -> "pd.Series[float] | None":
    """The values as numbers; None where one of them is not a finite number."""
    numbers = pd.to_numeric(values, errors="coerce")
    return numbers.astype(float) if np.isfinite(numbers.astype(float)).all() else None


def _importances(params: pd.DataFrame, metric: "pd.Series[float]") -> dict[str, float]:
    """The importance of each parameter that every run has, by column."""
    complete = [name for name in params.columns if params[name].notna().all()]
    if not complete or metric.nunique() < 2:
        return {}
    extras.require("tune")
    import optuna
    from optuna.distributions import BaseDistribution, CategoricalDistribution, FloatDistribution
    from optuna.importance import FanovaImportanceEvaluator, get_param_importances

    chosen = params[complete].sample(min(_SAMPLE, len(params)), random_state=_SEED)
    columns: dict[str, list[float] | list[str]] = {}
    kinds: dict[str, BaseDistribution] = {}
    for name in complete:
        numbers = _numbers(chosen[name])
        if numbers is None:
            columns[name] = chosen[name].tolist()
            kinds[name] = CategoricalDistribution(sorted(set(chosen[name])))
        elif numbers.nunique() > 1:
            columns[name] = numbers.tolist()
            kinds[name] = FloatDistribution(float(numbers.min()), float(numbers.max()))
    if not kinds:
        return {}
    optuna.logging.set_verbosity(optuna.logging.WARNING)
    study = optuna.create_study(direction="maximize")
    study.add_trials(
        [
            optuna.create_trial(
                params={name: column[place] for name, column in columns.items()}, distributions=kinds, value=value
            )
            for place, value in enumerate(metric[chosen.index])
        ]
    )
    return dict(get_param_importances(study, evaluator=FanovaImportanceEvaluator(seed=_SEED)))
