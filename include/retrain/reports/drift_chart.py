"""The picture of a drift: the PSI of every feature, and the distribution of those that moved most."""

from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from retrain.quality.drift import MUCH, SOME, Drift
from retrain.reports.chart_style import BLUE, GREY, VERMILION, new_figure, save, short, style

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

_MOST_BARS = 20
_MOST_PANELS = 4
"""Features whose bins are shown, the label among them."""
_MOST_BINS = 20


def draw(columns: Sequence[Drift], title: str) -> "Figure":
    """Return the figure of these columns, of which there must be at least one."""
    by_psi = sorted(columns, key=lambda each: -each.psi)
    label = [each for each in columns if each.name == "label"]
    shown = [*label, *(each for each in by_psi if each not in label)][:_MOST_PANELS]
    with style():
        figure = new_figure(12, 2 + max(0.25 * len(by_psi[:_MOST_BARS]), 2.2 * -(-len(shown) // 2)))
        figure.suptitle(title, x=0.01, ha="left", fontsize=11)
        left, right = figure.subfigures(1, 2, width_ratios=[2, 3], squeeze=False)[0]
        _draw_psi(left.subplots(), by_psi)
        panels = list(right.subplots(-(-len(shown) // 2), min(2, len(shown)), squeeze=False).flat)
        for axes, each in zip(panels, shown, strict=False):
            _draw_distribution(axes, each)
        for axes in panels[len(shown) :]:
            axes.remove()
        right.legend(*right.axes[0].get_legend_handles_labels(), loc="outside lower center", ncols=2, frameon=False)
    return figure


def write(columns: Sequence[Drift], title: str, folder: Path) -> Path:
    """Write the picture as `drift.png` into this folder and return its path. The same drift gives the same file."""
    return save(draw(columns, title), folder, "drift")


def _draw_psi(axes: "Axes", by_psi: list[Drift]) -> None:
    shown = by_psi[:_MOST_BARS]
    places = range(len(shown))
    axes.barh(places, [each.psi for each in shown], color=BLUE, height=0.6)
    axes.set_yticks(places, [short(each.name, 28) for each in shown])
    axes.set_ylim(len(shown) - 0.5, -0.5)  # the first one above
    for bound, line in ((SOME, ":"), (MUCH, "--")):
        axes.axvline(bound, color=GREY, linestyle=line, linewidth=1)
    axes.set_xlim(0, max(1.2 * MUCH, 1.05 * shown[0].psi))
    axes.grid(axis="x")
    more = f", {len(shown)} of {len(by_psi)}" if len(shown) < len(by_psi) else ""
    axes.set(xlabel=f"PSI (lines at {SOME} and {MUCH})", title=f"How far each has moved{more}")


def _draw_distribution(axes: "Axes", each: Drift) -> None:
    was, now = np.array(each.reference), np.array(each.current)
    # Where there are many classes, the most frequent ones; numbers never have this many bins.
    bins = np.sort(np.argsort(-(was + now), kind="stable")[:_MOST_BINS])
    places = np.arange(len(bins))
    axes.bar(places - 0.2, was[bins], 0.4, color=VERMILION, label="Production's training rows")
    axes.bar(places + 0.2, now[bins], 0.4, color=BLUE, label="rows now")
    names = [short(each.bins[place], 12) for place in bins]
    axes.set_xticks(places, names)
    if len(names) > 4:
        axes.tick_params(axis="x", labelrotation=45)
        for name in axes.get_xticklabels():
            name.set(ha="right", rotation_mode="anchor")
    what = f"length of {short(each.name, 28)}" if each.js_distance is not None else short(each.name, 28)
    axes.set(ylabel="share of rows", title=what)
