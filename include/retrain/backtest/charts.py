"""The pictures of a backtest, each for a light and for a dark page."""

from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import datetime
from typing import TYPE_CHECKING, Any

import matplotlib as mpl
import numpy as np
from matplotlib.dates import AutoDateLocator, ConciseDateFormatter, date2num

from retrain.backtest import words
from retrain.backtest.compared import Compared, ComparedPolicy, What
from retrain.backtest.replayed import Rule
from retrain.gate.labels import Floats
from retrain.metrics import described
from retrain.reports.chart_style import new_figure, short, style
from retrain.text import printable

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

_WIDTH = 12.0
_LONGEST_NAME = 40
_DURATIONS = [size * each for size in (0.1, 1, 60, 3_600, 86_400) for each in (1, 3, 10, 30)]
_STEPS = [size * each for size in (0.1, 1, 60, 3_600, 86_400) for each in (1, 2, 5, 10, 20, 30)]
"""Of an axis of seconds, from its beginning."""


@dataclass(frozen=True)
class Look:
    """Colours, from the palette of Okabe and Ito as `chart_style`'s; on black the lighter ones."""

    paper: str
    ink: str
    grey: str
    grid: str
    blue: str
    """What is shown."""
    vermilion: str
    """Surely worse."""
    green: str
    """Surely better."""
    scores: str
    """Name of the colour map; it ends in the colour of the better ones."""


LIGHT = Look("white", "black", "#666666", "#DDDDDD", "#0072B2", "#D55E00", "#007A5A", "Blues")
DARK = Look("#121212", "#E8E8E8", "#A0A0A0", "#3A3A3A", "#56B4E9", "#FF8A3D", "#2CC79A", "Blues_r")


@contextmanager
def _drawn(look: Look) -> Iterator[None]:
    inks = ("text.color", "axes.labelcolor", "axes.titlecolor", "axes.edgecolor", "xtick.color", "ytick.color")
    with style():
        papers = dict.fromkeys(("figure.facecolor", "axes.facecolor"), look.paper)
        colours: dict[Any, Any] = dict.fromkeys(inks, look.ink) | papers | {"grid.color": look.grid}
        mpl.rcParams.update(colours)
        yield


def _day(moment: datetime) -> float:
    return float(date2num(moment))  # type: ignore[no-untyped-call]


def _name(policy: ComparedPolicy) -> str:
    return short(printable(policy.name), _LONGEST_NAME)


# ── over time


@dataclass(frozen=True)
class _Line:
    """Values of a policy for each block, with an interval or without."""

    values: Sequence[float | None]
    intervals: Sequence[tuple[float, float] | None]
    surely: Sequence[int]


def scores_over_time(compared: Compared, look: Look) -> "Figure":
    """Draw a panel for each policy: its score in each block with its band, and in grey that of the spec as it is."""

    def line(policy: ComparedPolicy) -> _Line:
        scores = policy.over_time
        return _Line([each.value for each in scores], [each.interval for each in scores], [0] * len(scores))

    own = line(compared.shipped)

    def draw(axes: "Axes", policy: ComparedPolicy, middles: Floats) -> None:
        if not policy.shipped:
            axes.plot(middles, _numbers(own.values), color=look.grey, linewidth=1.5)
        _draw_line(axes, middles, line(policy), look)

    return _panels(compared, compared.policies, line, draw, look)


def differences_over_time(compared: Compared, look: Look) -> "Figure":
    """Draw a panel for each policy but the spec as it is: the difference to that in each block, with its band."""
    metric = compared.metric

    def line(policy: ComparedPolicy) -> _Line:
        found = policy.difference_over_time
        values = [None if it.difference is None else words.scaled(metric, it.difference) for it in found]
        ends = [
            it.interval and (words.scaled(metric, it.interval[0]), words.scaled(metric, it.interval[1])) for it in found
        ]
        return _Line(values, ends, [it.surely for it in found])

    def draw(axes: "Axes", policy: ComparedPolicy, middles: Floats) -> None:
        axes.axhline(0, color=look.grey, linewidth=1.5)
        _draw_line(axes, middles, line(policy), look)

    return _panels(compared, [each for each in compared.policies if not each.shipped], line, draw, look)


def _panels(
    compared: Compared,
    policies: Sequence[ComparedPolicy],
    line: Callable[[ComparedPolicy], _Line],
    draw: Callable[["Axes", ComparedPolicy, Floats], None],
    look: Look,
) -> "Figure":
    columns = min(3, max(1, len(policies)))
    rows = -(-len(policies) // columns)
    middles = np.array([_day(each.begins + (each.ends - each.begins) / 2) for each in compared.blocks])
    # A first model that stays may fall so far that nothing could be seen of the others.
    limits = _limits([line(each) for each in policies if each.rule is not Rule.NEVER] or [*map(line, policies)])
    with _drawn(look):
        figure = new_figure(_WIDTH, 0.4 + 1.95 * rows)
        axes = figure.subplots(rows, columns, squeeze=False, sharex=True)
        for place, policy in enumerate(policies):
            panel: Axes = axes.flat[place]
            draw(panel, policy, middles)
            own_scale = policy.rule is Rule.NEVER and _is_outside(line(policy), limits)
            panel.set_ylim(*(_limits([line(policy)]) if own_scale else limits))
            title = _name(policy)
            panel.set_title(f"{title} (a scale of its own)" if own_scale else title, loc="left")
            panel.axvline(_day(compared.choice.until), color=look.grey, linestyle=":", linewidth=1)
            panel.grid(axis="y")
            _time_axis(panel, compared.blocks[0].begins, compared.blocks[-1].ends)
        for unused in list(axes.flat)[len(policies) :]:
            unused.remove()
        for column in range(columns):  # the lowest of each column shows the time
            lowest = [place for place in range(len(policies)) if place % columns == column][-1]
            axes.flat[lowest].tick_params(labelbottom=True)
    return figure


def _draw_line(axes: "Axes", middles: Floats, line: _Line, look: Look) -> None:
    low, high = (_numbers([ends and ends[side] for ends in line.intervals]) for side in (0, 1))
    values = _numbers(line.values)
    axes.fill_between(middles, low, high, color=look.blue, alpha=0.25, linewidth=0)
    axes.plot(middles, values, color=look.blue, linewidth=1.5, marker="o", markersize=3)
    for sure, colour, shape in ((1, look.green, "^"), (-1, look.vermilion, "v")):
        at = [place for place, each in enumerate(line.surely) if each == sure]
        axes.plot(middles[at], values[at], shape, color=colour, markersize=6)


def _numbers(values: Sequence[float | None]) -> Floats:
    return np.array([np.nan if each is None else each for each in values], np.float64)


def _limits(lines: Sequence[_Line]) -> tuple[float, float]:
    values = [each for line in lines for each in line.values if each is not None]
    values += [end for line in lines for ends in line.intervals if ends is not None for end in ends]
    if not values:
        return 0.0, 1.0
    # Bands of blocks with few rows may reach far beyond everything else.
    low, high = np.quantile(values, (0.01, 0.99))
    room = 0.08 * (high - low) or 0.01
    return float(low - room), float(high + room)


def _is_outside(line: _Line, limits: tuple[float, float]) -> bool:
    return any(each is not None and not limits[0] <= each <= limits[1] for each in line.values)


def _time_axis(axes: "Axes", begins: datetime, ends: datetime, most: int = 6) -> None:
    axes.set_xlim(_day(begins), _day(ends))
    locator = AutoDateLocator(minticks=3, maxticks=most)  # type: ignore[no-untyped-call]
    axes.xaxis.set_major_locator(locator)
    axes.xaxis.set_major_formatter(ConciseDateFormatter(locator, show_offset=False))  # type: ignore[no-untyped-call]


# ── cost


def cost(compared: Compared, look: Look) -> "Figure":
    """Draw the score of each policy over the CPU time of its trainings, its name beside it."""
    metric, policies = compared.metric, [each for each in compared.policies if each.score.value is not None]
    with _drawn(look):
        figure = new_figure(_WIDTH, 1.4 + max(3.2, 0.26 * len(policies)))
        axes = figure.subplots()
        lines = [
            _Line([each.score.value], [each.score.interval], [0]) for each in policies if each.rule is not Rule.NEVER
        ]
        low, high = _limits(lines)
        axes.set_ylim(low, high)
        shown = [float(np.clip(each.score.value or 0.0, low, high)) for each in policies]
        beside = _spread([(each - low) / (high - low) for each in shown], 0.9 / max(len(policies), 12))
        for policy, value, place in zip(policies, shown, beside, strict=True):
            _draw_cost(axes, compared, policy, value, look)
            outside = value != policy.score.value
            text = _name(policy)
            text += f" ({words.score(metric, policy.score.value)}, outside)" if outside else ""
            axes.annotate(
                text,
                xy=(policy.counts.cpu_seconds, value),
                xytext=(1.03, place),
                textcoords="axes fraction",
                va="center",
                annotation_clip=False,
                arrowprops={"arrowstyle": "-", "color": look.grey, "linewidth": 0.5, "shrinkB": 4},
            )
        seconds = [each.counts.cpu_seconds for each in policies]
        if min(seconds) > 0 and max(seconds) > 20 * min(seconds):
            axes.set_xscale("log")
            low, high = min(seconds) / 1.3, max(seconds) * 1.3
            axes.set_xlim(low, high)
            axes.set_xticks([each for each in _DURATIONS if low <= each <= high])
        else:
            most = max(seconds) or 1.0
            axes.set_xlim(0, 1.05 * most)
            step = next((each for each in _STEPS if most <= 6 * each), most / 6)
            axes.set_xticks(np.arange(0, 1.05 * most, step))
        axes.xaxis.set_major_formatter(lambda value, _: words.duration(value))
        axes.xaxis.set_minor_formatter(lambda *_: "")
        axes.set_xlabel("CPU time of all trainings")
        better = "" if described(metric).greater_is_better else " (smaller is better)"
        axes.set_ylabel(f"{described(metric).words}{better}, with 95% interval")
        axes.grid()
    return figure


def _draw_cost(axes: "Axes", compared: Compared, policy: ComparedPolicy, value: float, look: Look) -> None:
    x = policy.counts.cpu_seconds
    gated = policy.rule is Rule.GATE
    colour = look.blue if gated else look.grey
    if policy.score.interval is not None:
        axes.plot((x, x), policy.score.interval, color=colour, linewidth=1.5, alpha=0.6)
    shape = "*" if policy.name == compared.choice.recommended else "o" if gated else "s"
    filled = colour if not gated or policy.name in compared.choice.best else look.paper
    axes.plot(
        x, value, shape, color=colour, markerfacecolor=filled, markersize=13 if shape == "*" else 7, clip_on=False
    )


def _spread(places: Sequence[float], gap: float) -> list[float]:
    """Return the places moved apart, so that texts beside each other can be read; their order stays."""
    order = np.argsort(places, kind="stable")
    moved = np.array(places, np.float64)[order]
    for each in range(1, len(moved)):
        moved[each] = max(moved[each], moved[each - 1] + gap)
    moved -= max(0.0, moved[-1] - 1) if len(moved) else 0
    for each in range(len(moved) - 2, -1, -1):
        moved[each] = min(moved[each], moved[each + 1] - gap)
    result = np.empty(len(moved))
    result[order] = moved
    return [float(each) for each in result]


# ── promotions and holds


def strip(compared: Compared, look: Look) -> "Figure":
    """Draw a line for each policy, with a stroke for each of its cycles, and a mark where it was surely wrong."""
    kinds: Sequence[tuple[str, What, int | None, str]] = (
        ("promoted", What.PROMOTED, None, look.blue),
        ("held: Production stayed", What.HELD, None, look.grey),
        ("ended by a check of the rows", What.BLOCKED, None, look.grey),
        ("promoted, though surely worse", What.PROMOTED, -1, look.vermilion),
        ("held, though surely better", What.HELD, 1, look.green),
    )
    with _drawn(look):
        figure = new_figure(_WIDTH, 1.1 + 0.42 * max(len(compared.policies), 3))
        axes = figure.subplots()
        for label, what, sure, colour in kinds:
            x, y = list[float](), list[float]()
            for place, policy in enumerate(compared.policies):
                at = [_day(each.at) for each in policy.events if each.what is what and sure in (None, each.surely)]
                x += at
                y += [float(place)] * len(at)
            if not x:
                continue
            if sure is not None:
                beside = np.array(y) - 0.3 * sure  # above its stroke what was better, below it what was worse
                axes.plot(x, beside, "v" if sure < 0 else "^", color=colour, markersize=5, label=label)
            elif what is What.BLOCKED:
                axes.plot(x, y, "x", color=colour, markersize=5, label=label)
            else:
                height, width = (0.22, 1.4) if what is What.PROMOTED else (0.1, 1.2)
                lower, upper = (np.array(y) + side * height for side in (-1, 1))
                axes.vlines(x, lower, upper, color=colour, linewidth=width, label=label)
        places = range(len(compared.policies))
        axes.set_yticks(places, [_name(each) for each in compared.policies])
        axes.set_ylim(len(compared.policies) - 0.4, -0.6)
        room = (compared.ends - compared.first) / 100
        _time_axis(axes, compared.first - room, compared.ends + room, most=12)
        axes.grid(axis="x")
        axes.spines["left"].set_visible(False)
        axes.tick_params(axis="y", length=0)
        figure.legend(loc="outside lower center", ncols=5, frameon=False)
    return figure


# ── models by time


def models_by_time(compared: Compared, look: Look) -> "Figure":
    """Draw the score of each model of the spec as it is in each period; a frame is around those in which it served."""
    metric = described(compared.metric)
    table = np.array([_numbers(each.scores) for each in compared.models])
    colours = mpl.colormaps[look.scores if metric.greater_is_better else _reversed(look.scores)]
    with _drawn(look):
        figure = new_figure(_WIDTH, 1.3 + 0.34 * max(len(table), 3))
        axes = figure.subplots()
        picture = axes.imshow(table, cmap=colours, aspect="auto")
        for (row, column), value in np.ndenumerate(table):
            if np.isfinite(value):
                red, green, blue, _ = colours(picture.norm(value))
                ink = "black" if 0.3 * red + 0.59 * green + 0.11 * blue > 0.5 else "white"
                axes.text(column, row, words.score(compared.metric, value), ha="center", va="center", color=ink)
            if compared.models[row].served[column]:
                frame = mpl.patches.Rectangle(
                    (column - 0.47, row - 0.44), 0.94, 0.88, fill=False, edgecolor=look.vermilion, linewidth=2
                )
                axes.add_patch(frame)
        axes.set_xticks(range(len(compared.periods)), [words.day(each.begins) for each in compared.periods])
        axes.tick_params(axis="x", labelrotation=30)
        for label in axes.get_xticklabels():
            label.set(ha="right", rotation_mode="anchor")
        axes.set_yticks(range(len(table)), [words.day(each.at) for each in compared.models])
        axes.set(xlabel="the period that begins then", ylabel="the model promoted then")
        for side in axes.spines.values():
            side.set_visible(False)
        figure.colorbar(picture, ax=axes, label=metric.words, pad=0.01)
    return figure


def _reversed(name: str) -> str:
    return name.removesuffix("_r") if name.endswith("_r") else f"{name}_r"
