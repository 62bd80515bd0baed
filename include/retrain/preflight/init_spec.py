"""The sections of the spec that `retrain init` writes: what was decided, as fields with why they are so."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Any

from retrain.preflight.init_estimators import Recipe
from retrain.preflight.init_gate import Judging
from retrain.preflight.init_label import Label
from retrain.preflight.init_places import Key, LabelTime
from retrain.preflight.init_wish import Feature, LeftOut, counted, number_text
from retrain.preflight.init_yaml import Field, yaml_text
from retrain.source.sample import Counts
from retrain.spec.checks import Checks
from retrain.spec.gate import Gate
from retrain.spec.source import Split, Threshold
from retrain.spec.task import Task
from retrain.text import shorten

_GATE, _THRESHOLD, _SPLIT = Gate(), Threshold(), Split()
_NULL_SHARE = Checks().null_share.max
_MOST_LEFT_OUT, _MOST_NOTES = 30, 20
"""That comments name."""


@dataclass(frozen=True)
class Decided:
    """Everything that the spec says, and what is good to know about it."""

    model: str
    table: str
    query: str | None
    """Name of the query file, where a spec cannot name the table."""
    connection: str | None
    counts: Counts
    key: Key
    label: Label
    time: LabelTime | None
    no_time: str
    """Why there is no label time."""
    features: tuple[Feature, ...]
    left_out: tuple[LeftOut, ...]
    judging: Judging
    recipes: tuple[Recipe, ...]
    notes: tuple[str, ...]


def spec_text(decided: Decided, module: str) -> str:
    """Return the text of the spec. module: that of the estimators."""
    head = [
        f"Written by `retrain init` from {decided.table}. It is yours: change what you know better.",
        "A field that is not here has its default.",
        *(f"Note: {note}." for note in decided.notes[:_MOST_NOTES]),
    ]
    return yaml_text(head, [*_fields(decided, module)])


def _fields(decided: Decided, module: str) -> Iterator[Field]:
    label, judging = decided.label, decided.judging
    yield Field("model", decided.model)
    yield Field("source", tuple(_source(decided)))
    if judging.rows != _THRESHOLD.rows:
        yield Field(
            "threshold", (Field("rows", judging.rows, judging.why_rows),), "new labelled rows that start a cycle"
        )
    if judging.holdout != _SPLIT.holdout:
        why = "there are few rows: more of them judge"
        yield Field("split", (Field("holdout", judging.holdout, why),))
    if label.task is Task.REGRESSION:
        yield Field("task", str(label.task), label.why)
    yield Field("candidates", [tuple(_candidate(each, module)) for each in decided.recipes])
    if max(each.missing for each in decided.features) > _NULL_SHARE:
        yield _null_share(decided.features)
    yield Field("gate", tuple(_gate(label, judging)))
    yield Field("schedule", "@daily", "looks for new rows; without it, each cycle is started by hand")


def _source(decided: Decided) -> Iterator[Field]:
    label, counts, time = decided.label, decided.counts, decided.time
    if decided.connection is not None:
        yield Field("connection", decided.connection)
    if decided.query is not None:
        yield Field("query", decided.query, "the name of the table has a dot or a blank")
    else:
        yield Field("table", decided.table)
    yield Field("key", decided.key.name, decided.key.why)
    none = f"No label_time: {decided.no_time}. Without it every labelled row is counted each time."
    yield Field("label", label.name, described(label), below=() if time else (none,))
    if time is not None:
        yield Field("label_time", time.name, time.why)
        if time.zone is not None:
            yield Field("time_zone", time.zone, f"{time.name} has none; this is the database's")
    if counts.empty:
        why = f"{counted(counts.empty, 'label is', 'labels are')} empty; `class` if that is a class like another"
        yield Field("empty_label", "unlabelled", why)
    yield Field("features", [each.name for each in decided.features], below=tuple(_left_out(decided.left_out)))


def _left_out(left_out: Sequence[LeftOut]) -> Iterator[str]:
    if left_out:
        yield "Left out:"
    for each in left_out[:_MOST_LEFT_OUT]:
        yield f"- {each.name}: {each.why}"
    if len(left_out) > _MOST_LEFT_OUT:
        yield f"- and {len(left_out) - _MOST_LEFT_OUT:,} more"


def _candidate(recipe: Recipe, module: str) -> Iterator[Field]:
    yield Field("name", recipe.name)
    yield Field("estimator", f"{module}:{recipe.function}")
    if recipe.params:
        yield Field("params", tuple(Field(name, value) for name, value in recipe.params))


def _null_share(features: Sequence[Feature]) -> Field:
    worst = max(features, key=lambda each: each.missing)
    why = f"the usual is {_NULL_SHARE}, and {worst.name} is empty in {worst.missing:.0%} of the rows"
    most = Field("max", min(1.0, round(worst.missing + 0.1, 1)), why)
    return Field("checks", (Field("null_share", (most,)),))


def _gate(label: Label, judging: Judging) -> Iterator[Field]:
    if judging.metric != _GATE.metric:
        yield Field("metric", judging.metric)
    if judging.metric == "f1":
        rows = label.classes[1][1]
        yield Field(
            "positive", _positive(label.positive), f"the rarer class, {rows / label.rows:.1%} of the labelled rows"
        )
    regression = label.task is Task.REGRESSION
    above = "stay below" if regression else "reach"
    why = f"{judging.why_limit}; a first model must {above} this: write what you need"
    yield Field("ceiling" if regression else "floor", judging.limit, why)
    why = f"the usual {_GATE.min_rows} are more than there are to judge"
    if judging.min_rows != _GATE.min_rows:
        yield Field("min_rows", judging.min_rows, why)
    if judging.min_positives not in (None, _GATE.min_positives):
        yield Field("min_positives", judging.min_positives, why)
    if judging.round_rows != _GATE.round_rows:
        few = (
            "there are few rows" if judging.round_rows < _GATE.round_rows else "so that a round has enough of its class"
        )
        yield Field("round_rows", judging.round_rows, few)


def _positive(value: Any) -> Any:
    """Return a class as YAML writes it: a whole number without a point."""
    return int(value) if isinstance(value, float) and value == int(value) else value


def described(label: Label) -> str:
    """Return what the labels are, for people."""
    if label.task is Task.REGRESSION:
        return f"from {number_text(min(label.values))} to {number_text(max(label.values))}"
    shown = [
        f"{shorten(name, 30)} {share:.0%}" for (name, _), share in zip(label.classes[:3], label.shares[:3], strict=True)
    ]
    more = f" and {len(label.classes) - 3:,} more" if len(label.classes) > 3 else ""
    return f"{counted(len(label.classes), 'class', 'classes')}: {', '.join(shown)}{more}"
