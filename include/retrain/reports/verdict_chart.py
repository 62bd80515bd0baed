"""The picture of a verdict: both scores, their difference, and where the two models are right and wrong."""

import textwrap
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Literal

import numpy as np
from numpy.typing import NDArray

from retrain.gate.additive import reliability
from retrain.gate.labels import Floats, Integers
from retrain.gate.predictions import Evidence, Predictions
from retrain.metrics import described
from retrain.records import Verdict
from retrain.reports.chart_style import BLUE, GREY, PURPLE, VERMILION, new_figure, save, short, style
from retrain.spec.gate import Gate

if TYPE_CHECKING:
    from matplotlib.artist import Artist
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure, SubFigure

# The two models also differ in shape and in place.
_COLOURS = {"challenger": BLUE, "Production": VERMILION}
_SHAPES = {"challenger": "o", "Production": "s"}
_MOST_CLASSES = 20
_MOST_POINTS = 5_000
_MOST_CLASSES_WITH_COUNTS = 12
"""A matrix of more classes has no room for numbers."""
_WIDTH = 12.0


def draw(evidence: Evidence, gate: Gate, verdict: Verdict) -> "Figure":
    """Return a figure of the verdict that `judge(evidence, gate)` returned; a model without predictions is left out."""
    models = {
        name: predictions
        for name, predictions in (("challenger", evidence.challenger), ("Production", evidence.production))
        if predictions is not None
    }
    below = bool(models) and len(evidence.labels) > 0
    rows = 1 + len(verdict.slices)
    heights = [2.6 + 0.42 * rows, _height_of_predictions(evidence) if below else 0.0]
    with style():
        figure = new_figure(_WIDTH, 1.3 + sum(heights))
        figure.suptitle(_title(verdict), x=0.01, ha="left", fontsize=11, linespacing=1.4)
        parts = figure.subfigures(1 + below, 1, height_ratios=heights[: 1 + below], hspace=0.06, squeeze=False)[:, 0]
        _draw_metrics(parts[0], evidence, gate, verdict, models)
        if below:
            _draw_predictions(parts[1], evidence, models)
    return figure


def write(evidence: Evidence, gate: Gate, verdict: Verdict, folder: Path) -> Path:
    """Write the picture as `verdict.png` into this folder and return its path. The same verdict gives the same file."""
    return save(draw(evidence, gate, verdict), folder, "verdict")


# ── metrics


def _draw_metrics(
    part: "SubFigure", evidence: Evidence, gate: Gate, verdict: Verdict, models: dict[str, Predictions]
) -> None:
    calibrated = bool(len(evidence.labels)) and any(each.probabilities is not None for each in models.values())
    compared = verdict.difference is not None
    axes = iter(part.subplots(1, 1 + compared + calibrated, squeeze=False)[0])
    _draw_scores(next(axes), gate, verdict)
    if compared:
        _draw_difference(next(axes), gate, verdict)
    if calibrated:
        _draw_calibration(next(axes), evidence, verdict, models)
    # One legend below all panels: it hides nothing there, and each colour means the same in all of them.
    known: dict[str, Artist] = {}
    for each in part.axes:
        for handle, label in zip(*each.get_legend_handles_labels(), strict=True):
            known.setdefault(str(label), handle)
    part.legend(list(known.values()), list(known), loc="outside lower center", ncols=len(known), frameon=False)


def _draw_scores(axes: "Axes", gate: Gate, verdict: Verdict) -> None:
    """Draw one row for all rows of the holdout, and one for each slice."""
    places = _rows(axes, verdict)
    values = {
        "challenger": [(verdict.score, verdict.score_interval), *((each.score, None) for each in verdict.slices)],
        "Production": [
            (verdict.production_score, verdict.production_interval),
            *((each.production_score, None) for each in verdict.slices),
        ],
    }
    for shift, (name, scores) in zip((-0.14, 0.14), values.items(), strict=True):
        known = [
            (place + shift, score, ends)
            for place, (score, ends) in zip(places, scores, strict=True)
            if score is not None
        ]
        for place, _, ends in known:
            if ends is not None:
                axes.plot(ends, (place, place), color=_COLOURS[name], linewidth=2)
        if known:
            y, x, _ = zip(*known, strict=True)
            axes.plot(x, y, _SHAPES[name], color=_COLOURS[name], label=_named(name, verdict))
    limit = gate.limit
    for bound, word in ((limit.floor, "floor"), (limit.ceiling, "ceiling")):
        if bound is not None:
            axes.axvline(bound, color=GREY, linestyle="--", linewidth=1, label=f"{word} {bound:g}")
    words = described(gate.metric).words + (f" of {gate.positive}" if gate.positive is not None else "")
    axes.set_xlabel(f"{words}, with 95% interval" if verdict.score_interval else words)
    axes.set_title("Scores")


def _draw_difference(axes: "Axes", gate: Gate, verdict: Verdict) -> None:
    """In the same rows as the scores."""
    sign = described(gate.metric).sign
    places = _rows(axes, verdict)
    axes.tick_params(labelleft=False)
    differences = [(verdict.difference, verdict.interval)]
    for each in verdict.slices:
        known = each.score is not None and each.production_score is not None
        differences.append((each.score - each.production_score if known else None, each.interval))  # type: ignore[operator]
    for place, (difference, ends) in zip(places, differences, strict=True):
        if ends is not None:
            axes.plot(ends, (place, place), color="black", linewidth=2)
        if difference is not None:
            axes.plot(difference, place, "D", color="black")
    axes.axvline(0, color=GREY, linewidth=1)
    _mark(axes, [0], [sign * verdict.threshold], "--", "what the gain must exceed")
    if verdict.slices:
        margins = [-sign * each.margin for each in gate.slices]
        _mark(axes, places[1:], margins, ":", "the loss allowed in a slice")
    better = "right of 0 is better" if sign > 0 else "left of 0 is better"
    axes.set_xlabel(f"difference, with 95% interval ({better})")
    axes.set_title("Challenger minus Production")


def _mark(axes: "Axes", places: Sequence[int], bounds: Sequence[float], style: Literal["--", ":"], label: str) -> None:
    low, high = ([place + shift for place in places] for shift in (-0.35, 0.35))
    axes.vlines(bounds, low, high, color=PURPLE, linestyle=style, linewidth=2, label=label)


def _rows(axes: "Axes", verdict: Verdict) -> range:
    names = [f"all {verdict.rows:,} rows", *(f"{each.name} ({each.rows:,})" for each in verdict.slices)]
    places = range(len(names))
    axes.set_yticks(places, [short(name, 32) for name in names])
    axes.set_ylim(len(names) - 0.5, -0.5)  # the first one above
    axes.grid(axis="x")
    return places


def _draw_calibration(axes: "Axes", evidence: Evidence, verdict: Verdict, models: dict[str, Predictions]) -> None:
    """Draw how often the most probable class is right against its probability, in bins of equal width."""
    axes.plot((0, 1), (0, 1), color=GREY, linewidth=1)
    for name, predictions in models.items():
        if predictions.probabilities is None:
            continue
        known = np.isfinite(predictions.probabilities).all(axis=1)
        if not known.any():
            continue
        labels = evidence.labels[known].astype(np.int64)
        rows, confidence, right = reliability(predictions.probabilities[known].clip(0, 1), labels)
        some = rows > 0
        x, y = confidence[some] / rows[some], right[some] / rows[some]
        axes.plot(x, y, color=_COLOURS[name], marker=_SHAPES[name], label=_named(name, verdict), clip_on=False)
    axes.set(xlabel="probability of the most probable class", ylabel="share that is right", xlim=(0, 1), ylim=(0, 1))
    axes.set_title("Calibration")
    axes.grid()


# ── predictions


def _height_of_predictions(evidence: Evidence) -> float:
    return 3.2 + 0.16 * min(len(evidence.classes), _MOST_CLASSES) if evidence.classes else 5.0


def _draw_predictions(part: "SubFigure", evidence: Evidence, models: dict[str, Predictions]) -> None:
    axes = part.subplots(1, max(2, len(models)), squeeze=False)[0]
    for unused in axes[len(models) :]:
        unused.remove()
    if evidence.classes:
        _draw_matrices(part, axes, evidence, models)
    else:
        _draw_numbers(axes, evidence.labels.astype(np.float64), models)


def _draw_matrices(
    part: "SubFigure", axes: NDArray[np.object_], evidence: Evidence, models: dict[str, Predictions]
) -> None:
    """Draw, for each true class, which share of it the model predicts as each class; one matrix beside the other."""
    truth = evidence.labels.astype(np.int64)
    predicted = {name: predictions.labels.astype(np.int64) for name, predictions in models.items()}
    truth, predicted, names = _most_frequent(truth, predicted, evidence.classes)
    columns = names
    if any((label_codes < 0).any() for label_codes in predicted.values()):
        columns = [*names, "none of these"]
    for ax, (name, label_codes) in zip(axes, predicted.items(), strict=False):
        counts = np.zeros((len(names), len(columns)), np.int64)
        np.add.at(counts, (truth, label_codes), 1)  # -1 is the last column
        shares = counts / np.maximum(counts.sum(axis=1, keepdims=True), 1)
        picture = ax.imshow(shares, vmin=0, vmax=1, cmap="Blues", aspect="auto")
        if len(columns) <= _MOST_CLASSES_WITH_COUNTS:
            for (row, column), count in np.ndenumerate(counts):
                colour = "white" if shares[row, column] > 0.5 else "black"
                ax.text(column, row, f"{count:,}", ha="center", va="center", color=colour, fontsize=9)
        flat = len(columns) <= 5 and max(map(len, columns)) <= 15
        turned = {} if flat else {"rotation": 90 if len(columns) > _MOST_CLASSES_WITH_COUNTS else 30, "ha": "right"}
        if not flat:
            turned["rotation_mode"] = "anchor"
            turned["va"] = "center" if len(columns) > _MOST_CLASSES_WITH_COUNTS else "top"
        ax.set_xticks(range(len(columns)), [short(each, 16) for each in columns], **turned)
        ax.set_yticks(range(len(names)), [short(each, 16) for each in names])
        ax.set(xlabel="predicted class", title=f"Confusion matrix of {_the(name)}")
    axes[0].set_ylabel("true class")
    part.colorbar(picture, ax=list(axes[: len(predicted)]), label="share of the true class", pad=0.01)


def _most_frequent(
    truth: Integers, predicted: dict[str, Integers], classes: tuple[str, ...]
) -> tuple[Integers, dict[str, Integers], list[str]]:
    """Return the same in label codes of the 20 most frequent classes and one for all others, with their names."""
    if len(classes) <= _MOST_CLASSES:
        return truth, predicted, list(classes)
    often = np.argsort(-np.bincount(truth, minlength=len(classes)), kind="stable")[:_MOST_CLASSES]
    place = np.full(len(classes) + 1, _MOST_CLASSES)
    place[np.sort(often)] = np.arange(_MOST_CLASSES)
    place[-1] = -1  # a prediction of -1 stays one
    names = [classes[each] for each in np.sort(often)]
    names.append(f"{len(classes) - _MOST_CLASSES} others")
    return place[truth], {name: place[label_codes] for name, label_codes in predicted.items()}, names


def _draw_numbers(axes: NDArray[np.object_], truth: Floats, models: dict[str, Predictions]) -> None:
    """Draw predicted against actual values of both models on the same axes."""
    step = -(-len(truth) // _MOST_POINTS)
    predicted = {name: predictions.labels.astype(np.float64) for name, predictions in models.items()}
    every = np.concatenate([truth, *predicted.values()])
    every = every[np.isfinite(every)]
    ends = (every.min(), every.max()) if len(every) else (0.0, 1.0)
    room = 0.03 * ((ends[1] - ends[0]) or 1.0)
    for ax, (name, values) in zip(axes, predicted.items(), strict=False):
        ax.plot(ends, ends, color=GREY, linewidth=1)
        # As an image in an SVG: thousands of circles make a browser slow.
        ax.plot(
            *(truth[::step], values[::step], "o"),
            color=_COLOURS[name],
            markersize=4,
            markeredgewidth=0,
            alpha=float(np.clip(20 / np.sqrt(len(truth[::step])), 0.2, 0.8)),
            rasterized=True,
        )
        limits = (ends[0] - room, ends[1] + room)
        some = f" (one row in {step})" if step > 1 else ""
        ax.set(xlim=limits, ylim=limits, xlabel="actual", ylabel="predicted")
        ax.set_title(f"Predicted against actual of {_the(name)}{some}")
        ax.grid()


# ── words


def _title(verdict: Verdict) -> str:
    matchup = verdict.matchup
    about = f"{matchup.model}: {verdict.result} {matchup.candidate}"
    return "\n".join([about, *textwrap.wrap(verdict.reason, 150, max_lines=3, placeholder=" …")])


def _named(name: str, verdict: Verdict) -> str:
    version = verdict.matchup.version if name == "challenger" else verdict.matchup.production
    return name if version is None else f"{name} (version {version})"


def _the(name: str) -> str:
    return "the challenger" if name == "challenger" else name
