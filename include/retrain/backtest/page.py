"""A backtest as one HTML page that needs nothing beside it: pictures, and the numbers behind each."""

import json
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from retrain.backtest import charts, words
from retrain.backtest.compared import Compared, ComparedPolicy, What
from retrain.backtest.replayed import Rule
from retrain.metrics import described
from retrain.reports.chart_style import png
from retrain.reports.page import TEMPLATES

if TYPE_CHECKING:
    from matplotlib.figure import Figure


@dataclass(frozen=True)
class Numbers:
    """A table of texts, the first column of which names the rows."""

    columns: Sequence[str]
    rows: Sequence[Sequence[str]]
    texts: Sequence[str] = ()
    """The columns that are not numbers."""
    under: Sequence[str] = ()
    """A second line below the name of each row."""
    named: int | None = None
    """The row that stands out."""


@dataclass(frozen=True)
class Picture:
    title: str
    says: str
    """What to look for."""
    alt: str
    light: bytes
    dark: bytes
    table: Numbers


def to_html(compared: Compared) -> str:
    """Return the page. The same backtest gives the same page."""
    *said, answer = words.sentences(compared)
    return TEMPLATES.get_template("backtest.html.jinja").render(
        title=f"Backtest of {compared.model}: how often to train, and with which gate",
        answer=answer,
        sentences=said,
        policies=_policies(compared),
        notes=[*_notes(compared)],
        pictures=[*_pictures(compared)],
        remarks=compared.remarks,
    )


def write_html(compared: Compared, path: Path) -> None:
    # UTF-8 cannot hold half a surrogate pair, which a name may hold.
    path.write_text(to_html(compared), encoding="utf-8", errors="replace")


# ── policies


def _policies(compared: Compared) -> Numbers:
    metric, policies = compared.metric, compared.policies
    against = f"against the spec, {words.unit(metric)} (95%)"
    columns = ["policy", described(metric).words, against, "in the choice", "trainings", "CPU"]
    columns += ["promoted (surely worse)", "held (surely better)"]
    rows = [
        [
            each.name,
            words.score(metric, each.score.value),
            "" if each.against_shipped is None else words.difference(metric, each.against_shipped),
            _standing(compared, each),
            f"{each.counts.trainings:,}",
            words.duration(each.counts.cpu_seconds),
            *words.counts_of(each),
        ]
        for each in policies
    ]
    if any(each.counts.blocked for each in policies):
        columns.append("blocked")
        rows = [[*row, f"{each.counts.blocked:,}"] for row, each in zip(rows, policies, strict=True)]
    names = [each.name for each in policies]
    named = None if compared.choice.recommended is None else names.index(compared.choice.recommended)
    return Numbers(columns, rows, texts=("in the choice",), under=[*map(_changes, policies)], named=named)


def _changes(policy: ComparedPolicy) -> str:
    if policy.rule is not Rule.GATE:
        return "; ".join([words.WITHOUT_GATE[policy.rule], *_flat(policy.changes)])
    return "; ".join(_flat(policy.changes)) or "the spec as it is"


def _flat(changes: object, path: str = "") -> Iterator[str]:
    """Yield `threshold.rows: 2000` for each field."""
    if isinstance(changes, dict) and changes:
        for name, value in changes.items():
            yield from _flat(value, f"{path}.{name}" if path else str(name))
    elif path:
        text = changes if isinstance(changes, str) else json.dumps(changes, ensure_ascii=False, default=str)
        yield f"{path}: {text}"


def _standing(compared: Compared, policy: ComparedPolicy) -> str:
    if policy.rule is not Rule.GATE:
        return "no gate"
    if policy.standing is None:
        return "–"
    if policy.name == compared.choice.recommended:
        return "recommended"
    return "among the best" if policy.standing.may_be_best else "surely not the best"


def _notes(compared: Compared) -> Iterator[str]:
    yield (
        "Promoted (surely worse): promotions, and how many of these were surely worse than Production on the rows that "
        "followed. Held (surely better): cycles after which Production stayed, and in how many of these the new model "
        f"was surely better. {words.explained(compared)} Blocked: a check of the rows ended the cycle before training."
    )
    yield (
        f"All 95% intervals come from resampling whole {compared.unit}s, the same ones for every policy. Among the "
        "best: multiple comparisons with the best (Hsu 1984) on the time of the choice. CPU: of all trainings, as a "
        "policy that shares none with the others would pay for them."
    )


# ── pictures


def _pictures(compared: Compared) -> Iterator[Picture]:
    words_of = described(compared.metric).words
    name = words_of[:1].upper() + words_of[1:]
    parts = words.counted(len(compared.blocks), "part")
    yield _picture(
        compared,
        "Score over time",
        f"{name} on rows that the model had not learnt from, in {parts} of the time. The band is a 95% interval; the "
        "grey line is the spec as it is. The choice was made on what is left of the dotted line.",
        charts.scores_over_time,
        _over_time(compared, compared.policies, _scores),
    )
    others = [each for each in compared.policies if not each.shipped]
    if others:
        above = "above" if described(compared.metric).greater_is_better else "below"
        yield _picture(
            compared,
            "Difference to the spec as it is",
            f"Each policy minus the spec as it is, in {words.unit(compared.metric)}, on the same rows: {above} 0 the "
            "policy is better. Triangles mark where that is sure.",
            charts.differences_over_time,
            _over_time(compared, others, _differences),
        )
    if any(each.score.value is not None for each in compared.policies):
        yield _picture(
            compared,
            "Cost against score",
            "Filled circles cannot be told apart from the best in the time of the choice, the star is recommended, and "
            "grey squares have no gate. What is cheap stands on the left.",
            charts.cost,
            _costs(compared),
        )
    yield _picture(
        compared,
        "Promotions and holds",
        "Each stroke is a cycle: long where a model went into Production, short where Production stayed. Triangles "
        "mark what turned out surely wrong on the rows that followed.",
        charts.strip,
        _events(compared),
    )
    if compared.models:
        yield _picture(
            compared,
            "Models by time",
            f"{name} of each model of the spec as it is in each period; a frame marks when it was in Production. Along "
            "a row you see how a model ages; down a column, what a newer model would have given.",
            charts.models_by_time,
            _models(compared),
        )


def _picture(
    compared: Compared,
    title: str,
    says: str,
    draw: "Callable[[Compared, charts.Look], Figure]",
    table: Numbers,
) -> Picture:
    light, dark = (png(draw(compared, look)) for look in (charts.LIGHT, charts.DARK))
    return Picture(title, says, f"{title}. The numbers are in the table below.", light, dark, table)


def _over_time(
    compared: Compared,
    policies: Sequence[ComparedPolicy],
    cells: Callable[[str, ComparedPolicy], Sequence[str]],
) -> Numbers:
    columns = [cells(compared.metric, each) for each in policies]
    rows = [
        (
            f"{words.day(block.begins)} to {words.day(block.ends)}",
            f"{block.rows:,}",
            *(column[place] for column in columns),
        )
        for place, block in enumerate(compared.blocks)
    ]
    return Numbers(("from, to", "rows", *(each.name for each in policies)), rows)


def _scores(metric: str, policy: ComparedPolicy) -> Sequence[str]:
    return [
        words.score(metric, each.value) + (f" ({words.score_interval(metric, each)})" if each.interval else "")
        for each in policy.over_time
    ]


def _differences(metric: str, policy: ComparedPolicy) -> Sequence[str]:
    return [words.difference(metric, each) for each in policy.difference_over_time]


def _costs(compared: Compared) -> Numbers:
    metric = compared.metric
    rows = [
        (
            each.name,
            f"{each.counts.trainings:,}",
            words.duration(each.counts.cpu_seconds),
            words.score(metric, each.score.value),
            words.score_interval(metric, each.score),
        )
        for each in sorted(compared.policies, key=lambda policy: policy.counts.cpu_seconds)
    ]
    return Numbers(("policy", "trainings", "CPU", described(metric).words, "95%"), rows)


def _events(compared: Compared) -> Numbers:
    rows = [
        (
            each.name,
            words.day(event.at),
            {What.PROMOTED: "promoted", What.HELD: "held", What.BLOCKED: "ended by a check"}[event.what],
            "" if event.what is What.BLOCKED else {1: "surely better", -1: "surely worse"}.get(event.surely, ""),
        )
        for each in compared.policies
        for event in each.events
    ]
    texts = ("cycle of", "what", "on the rows that followed")
    return Numbers(("policy", *texts), rows, texts=texts)


def _models(compared: Compared) -> Numbers:
    rows = [
        (words.day(each.at), each.model, *(words.score(compared.metric, value) for value in each.scores))
        for each in compared.models
    ]
    periods = (f"from {words.day(each.begins)}" for each in compared.periods)
    return Numbers(("promoted", "model", *periods), rows, texts=("model",))
