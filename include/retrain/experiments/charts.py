"""Pictures of a comparison: the runs' metrics side by side, and the metric over each parameter."""

import math
from collections.abc import Sequence
from typing import TYPE_CHECKING

import numpy as np
import pandas as pd

from retrain.experiments.compare import HyperparameterAnalysis, ParameterEffect
from retrain.reports.chart_style import BLUE, GREY, VERMILION, new_figure, short, style

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

_MOST_RUNS = 30
_MOST_PARAMETERS = 12
_MOST_VALUES = 12
_MOST_POINTS = 2_000


def plot_metric_comparison(
    compared: pd.DataFrame, metric_keys: Sequence[str], *, ascending: Sequence[str] = ()
) -> "Figure":
    """Draw a panel for each metric, with a dot for each of the runs that are best in the first metric.

    compared: what `compare_experiments` returns. ascending: the metrics where smaller is better. Raises KeyError for a
    metric that no run has, and ValueError where no metric is named.
    """
    if not metric_keys:
        raise ValueError("name a metric to draw")
    first = metric_keys[0]
    shown = compared[np.isfinite(compared[f"metric_{first}"].astype(float))]
    shown = shown.sort_values(f"metric_{first}", ascending=first in ascending, kind="stable")
    total, shown = len(shown), shown.head(_MOST_RUNS)
    places = np.arange(len(shown))
    with style():
        figure = new_figure(3.2 + 2.6 * len(metric_keys), 1.4 + 0.24 * max(len(shown), 3))
        some = f"the best {len(shown)} of {total:,} runs" if len(shown) < total else f"{total:,} runs"
        figure.suptitle(f"{some}, by {short(first, 40)}", x=0.01, ha="left", fontsize=11)
        panels = figure.subplots(1, len(metric_keys), sharey=True, squeeze=False)[0]
        for axes, name in zip(panels, metric_keys, strict=True):
            values = shown[f"metric_{name}"].astype(float)
            axes.hlines(places, np.nanmin(values) if values.notna().any() else 0, values, color="#DDDDDD", linewidth=1)
            axes.plot(values, places, "o", color=BLUE, markersize=5)
            axes.set_title(short(name, 32))
            axes.set_xlabel("smaller is better" if name in ascending else "greater is better")
            axes.grid(axis="x")
        panels[0].set_yticks(places, [short(str(name), 32) for name in shown["run_name"]])
        panels[0].set_ylim(len(shown) - 0.5, -0.5)  # the best above
    return figure


def plot_hyperparameter_impact(
    compared: pd.DataFrame, analysis: HyperparameterAnalysis, *, most: int = _MOST_PARAMETERS
) -> "Figure":
    """Draw a panel for each parameter, the most important first: points over numbers, a box for each other value.

    compared: the runs that were analysed. Raises ValueError where no parameter differs between them.
    """
    shown = analysis.parameters[:most]
    if not shown:
        raise ValueError(f"no parameter differs between runs that have {analysis.metric}")
    columns = min(3, len(shown))
    rows = math.ceil(len(shown) / columns)
    with style():
        figure = new_figure(4 * columns, 0.7 + 2.8 * rows)
        few = f"; {'; '.join(analysis.warnings)}" if analysis.warnings else ""
        title = f"{short(analysis.metric, 40)} of {analysis.runs:,} runs, by parameter{few}"
        figure.suptitle(title, x=0.01, ha="left", fontsize=11)
        panels = figure.subplots(rows, columns, squeeze=False).flat
        for axes, effect in zip(panels, shown, strict=False):
            having = compared[compared[f"param_{effect.name}"].notna()]
            draw = _draw_number if effect.is_number else _draw_category
            draw(axes, effect, having[f"param_{effect.name}"], having[f"metric_{analysis.metric}"].astype(float))
            axes.set_title(_title(effect))
            axes.grid(axis="y")
        for axes in list(panels)[len(shown) :]:
            axes.remove()
    return figure


def _draw_number(axes: "Axes", effect: ParameterEffect, values: "pd.Series[str]", metric: "pd.Series[float]") -> None:
    step = math.ceil(len(values) / _MOST_POINTS)
    numbers = values.astype(float)
    axes.plot(numbers[::step], metric[::step], "o", color=BLUE, markersize=4, alpha=0.6, markeredgewidth=0)
    axes.axvline(float(effect.best_value), color=VERMILION, linestyle="--", linewidth=1)
    # Learning rates and the like: equal factors get equal room.
    if numbers.min() > 0 and numbers.max() / numbers.min() >= 1000:
        axes.set_xscale("log")
        # Matplotlib's own labels of powers are TeX, which is off: a dollar sign in a name must stay one.
        from matplotlib.ticker import FuncFormatter

        axes.xaxis.set_major_formatter(FuncFormatter(lambda value, _: f"{value:g}"))
    axes.set_xlabel(f"best {short(effect.best_value, 20)}")


def _draw_category(axes: "Axes", effect: ParameterEffect, values: "pd.Series[str]", metric: "pd.Series[float]") -> None:
    shown = effect.values[:_MOST_VALUES]
    groups = [metric[values == each.value].dropna().to_numpy() for each in shown]
    axes.boxplot(
        groups,
        orientation="vertical",
        widths=0.5,
        medianprops={"color": VERMILION},
        boxprops={"color": BLUE},
        whiskerprops={"color": GREY},
        capprops={"color": GREY},
        flierprops={"marker": ".", "markeredgecolor": GREY},
    )
    names = [f"{short(each.value, 14)} ({each.runs:,})" for each in shown]
    axes.set_xticks(range(1, len(names) + 1), names)
    if len(names) > 3:
        axes.tick_params(axis="x", labelrotation=30)
        for name in axes.get_xticklabels():
            name.set(ha="right", rotation_mode="anchor")


def _title(effect: ParameterEffect) -> str:
    parts = [short(effect.name, 28)]
    if effect.importance is not None:
        parts.append(f"importance {effect.importance:.2f}")
    if effect.spearman is not None:
        parts.append(f"ρ {effect.spearman:+.2f}")
    return ", ".join(parts)
