"""The picture of a study: its history, which parameters were tried, and which of them matter."""

import math
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from retrain.metrics import described
from retrain.reports.chart_style import BLUE, GREY, PURPLE, VERMILION, new_figure, save, short, style
from retrain.tuning.study import DONE, FAILED, PRUNED, Tried

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

_MOST_PARAMS = 8
_MOST_CHOICES = 12
_WIDTH = 12.0


def draw(name: str, metric: str, tried: Sequence[Tried], importances: Mapping[str, float]) -> "Figure":
    """Return a figure of a study. metric: its score; importances: a share of the score's variance by parameter."""
    with style():
        figure = new_figure(_WIDTH, 7.4)
        figure.suptitle(f"{short(name, 60)}: {len(tried):,} trials, {described(metric).words}", x=0.01, ha="left")
        above, below = figure.subfigures(2, 1, height_ratios=[1, 1.1], hspace=0.06, squeeze=False)[:, 0]
        history, shares = above.subplots(1, 2, width_ratios=[2, 1])
        _draw_history(history, metric, tried)
        _draw_importances(shares, importances)
        _draw_parallel(below.subplots(1, 1), metric, tried)
    return figure


def write(name: str, metric: str, tried: Sequence[Tried], importances: Mapping[str, float], folder: Path) -> Path:
    """Write the picture as `study.png` into this folder and return its path."""
    return save(draw(name, metric, tried, importances), folder, "study")


def _scored(tried: Sequence[Tried]) -> list[tuple[Tried, float]]:
    return [(each, each.value) for each in tried if each.state == DONE and each.value is not None]


def _draw_history(axes: "Axes", metric: str, tried: Sequence[Tried]) -> None:
    scored, greater = _scored(tried), described(metric).greater_is_better
    axes.set_title("Each trial, and the best so far", loc="left")
    axes.set_xlabel("trial")
    axes.set_ylabel(described(metric).words)
    axes.grid(axis="y")
    if scored:
        numbers, values = [each.number for each, _ in scored], [value for _, value in scored]
        best = np.maximum.accumulate(values) if greater else np.minimum.accumulate(values)
        axes.step(numbers, best, where="post", color=VERMILION, label="best so far")
        axes.plot(numbers, values, "o", color=BLUE, markersize=4, label="trial")
        _leave_out_outliers(axes, np.array(values), greater=greater)
    floor = axes.get_ylim()[0]
    for state, mark in ((PRUNED, "v"), (FAILED, "x")):
        numbers = [each.number for each in tried if each.state == state]
        if numbers:
            axes.plot(numbers, [floor] * len(numbers), mark, color=GREY, markersize=5, label=state, clip_on=False)
    if axes.get_legend_handles_labels()[0]:
        axes.legend(loc="best", frameon=False)


def _leave_out_outliers(axes: "Axes", values: NDArray[np.float64], *, greater: bool) -> None:
    """Let the axis show what is near the best: a few bad trials would press the others into one line."""
    low, high = np.quantile(values, (0.25, 0.75))
    reach = 3 * max(high - low, 1e-9)
    kept = values[values >= low - reach] if greater else values[values <= high + reach]
    left_out = len(values) - len(kept)
    if left_out:
        room = 0.05 * max(float(np.ptp(kept)), 1e-9)
        axes.set_ylim(kept.min() - room, kept.max() + room)
        axes.set_title(f"Each trial, and the best so far ({left_out:,} are far worse)", loc="left")


def _draw_importances(axes: "Axes", importances: Mapping[str, float]) -> None:
    axes.set_title("What share of the score each explains", loc="left")
    shown = sorted(importances.items(), key=lambda each: each[1])[-_MOST_PARAMS:]
    if not shown:
        axes.set_axis_off()
        axes.text(0, 0.5, "too few trials to say", color=GREY, transform=axes.transAxes)
        return
    places = np.arange(len(shown))
    axes.barh(places, [share for _, share in shown], color=PURPLE)
    axes.set_yticks(places, [short(name, 24) for name, _ in shown])
    axes.set_xlim(0, max(1.0, *(share for _, share in shown)))


def _draw_parallel(axes: "Axes", metric: str, tried: Sequence[Tried]) -> None:
    scored = _scored(tried)
    names = [*dict.fromkeys(name for each, _ in scored for name in each.params)][:_MOST_PARAMS]
    axes.set_title("Parameters of each trial; the better, the darker", loc="left")
    if not scored or not names:
        axes.set_axis_off()
        return
    values = np.array([value for _, value in scored])
    rank = values.argsort().argsort() / max(1, len(values) - 1)
    rank = rank if described(metric).greater_is_better else 1 - rank
    columns = [_Scale([each.params.get(name) for each, _ in scored]) for name in names]
    places = range(len(names))
    for row in rank.argsort():
        heights = [scale.height(scored[row][0].params.get(name)) for scale, name in zip(columns, names, strict=True)]
        best = rank[row] == 1
        colour = VERMILION if best else BLUE
        axes.plot(places, heights, color=colour, alpha=0.9 if best else 0.08 + 0.5 * rank[row], lw=2 if best else 1)
    axes.set_xticks([*places], [short(name, 24) for name in names])
    axes.set_yticks([])
    axes.set_ylim(-0.08, 1.08)
    axes.spines["left"].set_visible(False)
    for place, scale in zip(places, columns, strict=True):
        axes.axvline(place, color="#DDDDDD", zorder=0)
        for height, text in scale.marks:
            axes.text(place + 0.02, height, short(text, 16), fontsize=7, color=GREY, va="center")


class _Scale:
    """Where the values of one parameter are on an axis from 0 to 1; a parameter that was not used is below it."""

    def __init__(self, values: Sequence[Any]) -> None:
        used = [each for each in values if each is not None]
        self._numbers = bool(used) and all(
            isinstance(each, int | float) and not isinstance(each, bool) for each in used
        )
        if not self._numbers:
            self._choices = [*dict.fromkeys(map(str, used))]
            self.marks = [(self.height(each), each) for each in self._choices[:_MOST_CHOICES]]
            return
        low, high = float(min(used)), float(max(used))
        # Of values that differ by more than a hundredfold only the ratios can be seen.
        self._log = low > 0 and high / low > 100
        self._low, self._high = (math.log(low), math.log(high)) if self._log else (low, high)
        self.marks = [(0.0, f"{low:.3g}")] + ([(1.0, f"{high:.3g}")] if high > low else [])

    def height(self, value: Any) -> float:
        if value is None:
            return -0.05
        if not self._numbers:
            return self._choices.index(str(value)) / max(1, len(self._choices) - 1)
        number = math.log(value) if self._log else float(value)
        return (number - self._low) / (self._high - self._low) if self._high > self._low else 0.0
