"""The picture of how Production does on rows that were labelled later: a line a version, with its band."""

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

from retrain.later import CohortScore
from retrain.metrics import described
from retrain.records import Promotion, VersionId
from retrain.reports.chart_style import BLUE, GREY, PURPLE, new_figure, png, style

if TYPE_CHECKING:
    from matplotlib.axes import Axes

_COLOURS = (BLUE, PURPLE)
"""By turns: neighbours in time differ."""
_FEWEST = 50
"""Rows of a cohort that is drawn: the score of fewer would hide the others."""
_UNNAMED = "_"
"""Label of what is not in the legend."""


def draw(
    cohorts: Sequence[CohortScore], history: Sequence[Promotion], promised: dict[VersionId, float]
) -> bytes | None:
    """Return the picture as PNG; None where no cohort has a score.

    cohorts: of one metric, the oldest first. history: the changes of Production. promised: the score of each version on
    its verdict's holdout.
    """
    scored = [each for each in cohorts if each.score is not None and each.rows >= _FEWEST]
    if not scored:
        return None
    with style():
        figure = new_figure(11, 4.5)
        axes = figure.add_subplot()
        draw_versions(axes, scored, promised)
        draw_promotions(axes, scored, history)
        axes.set_ylabel(f"{described(scored[0].metric).words} on later rows")
        axes.legend(loc="upper left", ncols=3)
        return png(figure)


def draw_versions(axes: "Axes", scored: Sequence[CohortScore], promised: dict[VersionId, float]) -> None:
    """Draw a line for each version, the 95% intervals around it, and what it promised."""
    names = {"line": "score of a cohort, 95% interval", "promise": "promised"}
    for place, version in enumerate(dict.fromkeys(each.of for each in scored)):
        own = [each for each in scored if each.of == version]
        times: list[Any] = [each.begins + (each.ends - each.begins) / 2 for each in own]
        scores = [each.score or 0.0 for each in own]
        low, high = ([each.interval[end] if each.interval else each.score or 0.0 for each in own] for end in (0, 1))
        colour = _COLOURS[place % 2]
        axes.plot(times, scores, ".-", color=colour, linewidth=0.8, label=names.pop("line", _UNNAMED))
        axes.fill_between(times, low, high, color=colour, alpha=0.2, linewidth=0)
        if version in promised:
            ends: list[Any] = [own[0].begins, own[-1].ends]
            label = names.pop("promise", _UNNAMED)
            axes.plot(ends, [promised[version]] * 2, color=GREY, linewidth=1.2, label=label)


def draw_promotions(axes: "Axes", scored: Sequence[CohortScore], history: Sequence[Promotion]) -> None:
    """Mark when Production changed."""
    low = axes.get_ylim()[0]
    applied = [each.applied_at for each in history if each.applied_at is not None]
    times: list[Any] = [time for time in applied if time >= scored[0].begins]
    axes.plot(times, [low] * len(times), "|", color="black", markersize=10, label="promotion")
