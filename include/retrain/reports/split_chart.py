"""The pictures of a split test: whom it has met, and what each metric shows, look by look."""

from collections import Counter
from collections.abc import Sequence
from datetime import timedelta
from itertools import pairwise
from typing import TYPE_CHECKING, Any

from retrain.arms import SURE, SplitLook, SplitStep
from retrain.reports.chart_style import BLUE, GREY, PURPLE, VERMILION, new_figure, png, short, style

if TYPE_CHECKING:
    from matplotlib.axes import Axes

_MOST = 6
"""Metrics that are drawn; the others are in the report's table."""
_LEAST = 1e-12
"""Smaller values of the mismatch's p are drawn here."""
_DAY = timedelta(days=1)


def draw_exposure(looks: Sequence[SplitLook], steps: Sequence[SplitStep]) -> bytes | None:
    """Return the units of both arms over time, and how sure it is that their shares are wrong, as PNG.

    None where no unit was exposed.
    """
    if not looks or not looks[-1].days:
        return None
    with style():
        figure = new_figure(9, 4.6)
        above, below = figure.subplots(2, 1, sharex=True, height_ratios=[2, 1])
        _draw_units(above, looks[-1])
        _draw_mismatch(below, looks)
        _mark_phases([above, below], steps)
        figure.autofmt_xdate()
        return png(figure)


def draw_differences(looks: Sequence[SplitLook], margins: Sequence[tuple[float, float]]) -> bytes | None:
    """Return the difference of each metric with its interval, look by look, as PNG; None where none is known.

    margins: for each metric, in the order of the looks, the two differences that matter: of the primary metric the
    smallest effect of interest on both sides, of a guardrail the loss that is accepted, twice.
    """
    shown = [place for place in range(len(margins)) if any(_is_known(look, place) for look in looks)][:_MOST]
    if not shown:
        return None
    with style():
        figure = new_figure(9, 1 + 2.1 * len(shown))
        rows = figure.subplots(len(shown), 1, sharex=True, squeeze=False)[:, 0]
        for axes, place in zip(rows, shown, strict=True):
            _draw_metric(axes, [look for look in looks if _is_known(look, place)], place, margins[place])
        rows[0].legend(loc="upper left", ncols=3, frameon=False)
        figure.autofmt_xdate()
        return png(figure)


def _is_known(look: SplitLook, place: int) -> bool:
    return look.effects[place].difference is not None


def _draw_units(axes: "Axes", last: SplitLook) -> None:
    days = sorted({each.day for each in last.days})
    ends: list[Any] = [day + _DAY for day in days]
    for name, colour, dash in (("production", BLUE, "-"), ("staging", VERMILION, "--")):
        came = Counter[Any]()
        for each in last.days:
            came[each.day] += getattr(each, name)
        total, met = 0, []
        for day in days:
            total += came[day]
            met.append(total)
        label = f"{name.capitalize()}, {total:,}"
        axes.plot(ends, met, dash, marker=".", color=colour, linewidth=1.4, label=label)
    axes.set_ylabel("units exposed, in all")
    axes.yaxis.set_major_formatter(lambda value, _: f"{value:,.0f}")
    axes.set_ylim(bottom=0)
    axes.legend(loc="upper left", frameon=False)
    axes.grid(axis="y")


def _draw_mismatch(axes: "Axes", looks: Sequence[SplitLook]) -> None:
    times: list[Any] = [look.at for look in looks]
    axes.plot(times, [max(_LEAST, look.mismatch) for look in looks], ".-", color=GREY, linewidth=1)
    axes.axhline(SURE, color=PURPLE, linestyle="--", linewidth=1)
    axes.annotate(
        "below: the shares are wrong",
        (0.01, SURE),
        (0, -4),
        ("axes fraction", "data"),
        "offset points",
        fontsize=7,
        color=PURPLE,
        va="top",
    )
    axes.set_yscale("log")
    axes.yaxis.set_major_formatter(lambda value, _: f"{value:g}")  # the style parses no mathematics
    axes.set_ylim(min(SURE / 20, *(max(_LEAST, look.mismatch) / 3 for look in looks)), 3)
    axes.set_ylabel("mismatch, p")


def _mark_phases(rows: Sequence["Axes"], steps: Sequence[SplitStep]) -> None:
    """Mark when the share grew."""
    for before, step in pairwise(steps):
        if step.phase > before.phase:
            when: Any = step.began
            for axes in rows:
                axes.axvline(when, color=GREY, linestyle=":", linewidth=1)


def _draw_metric(axes: "Axes", looks: Sequence[SplitLook], place: int, margins: tuple[float, float]) -> None:
    effects = [look.effects[place] for look in looks]
    times: list[Any] = [look.at for look in looks]
    values = [each.difference or 0.0 for each in effects]
    axes.axhline(0, color="black", linewidth=0.8)
    for margin in dict.fromkeys(margins):
        axes.axhline(
            margin, color=PURPLE, linestyle="--", linewidth=1, label="what matters" if margin == margins[0] else None
        )
    axes.plot(times, values, ".-", color=BLUE, linewidth=1.4, label="Staging less Production")
    # One side may have no end yet, so the two are drawn by themselves.
    ends = [
        (when, value, each.low, each.high)
        for when, value, each in zip(times, values, effects, strict=True)
        if each.low is not None or each.high is not None
    ]
    if ends:
        low, high = (
            [value if end is None else end for _, value, *both in ends for end in [both[side]]] for side in (0, 1)
        )
        axes.fill_between(
            [when for when, *_ in ends], low, high, color=BLUE, alpha=0.18, linewidth=0, label="its interval"
        )
        _leave_out_wide(axes, low, high, margins)
    axes.set_title(short(effects[-1].metric, 60), loc="left")
    axes.grid(axis="y")


def _leave_out_wide(axes: "Axes", low: Sequence[float], high: Sequence[float], margins: tuple[float, float]) -> None:
    """Let the axis show the intervals of the later half: the first ones are so wide that they would hide all others."""
    half = len(low) // 2
    values = [*low[half:], *high[half:], *margins, 0.0]
    room = 0.1 * (max(values) - min(values) or 1.0)
    axes.set_ylim(min(values) - room, max(values) + room)
