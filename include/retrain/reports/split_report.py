"""The report of a split test: its arms, whom it has met, what each metric shows, and what would change the answer."""

from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime

from retrain import extras
from retrain.arms import SURE, Effect, Split, SplitEnd, SplitLook, SplitNeed, SplitStep
from retrain.reports.page import Links, Page, Part, Picture, Section, Table
from retrain.spec.ab import Guardrail, Measured, SplitTest

if extras.has("report"):
    from retrain.reports import split_chart

_ANSWERS = {
    "promote": "Staging is better",
    "drop": "Staging is worse",
    "same": "no change that matters",
    "harm": "Staging does harm",
    "invalid": "the test is invalid",
    "undecided": "not decided within the time",
    "wait": "not decided yet",
}


@dataclass(frozen=True)
class Facts:
    """What the ledger holds of a test."""

    wanted: SplitTest
    """The section that it began with."""
    split: Split
    steps: Sequence[SplitStep]
    looks: Sequence[SplitLook]
    end: SplitEnd | None
    links: Sequence[tuple[str, str]] = ()


def of_split(facts: Facts) -> Page:
    """Return the report as it is after the last look."""
    split = facts.split
    sections = [
        ("Arms", _arms(facts)),
        ("Exposure", _exposure(facts)),
        ("What it shows", _shows(facts)),
        ("What would change the answer", _would_change(facts)),
        ("Looks", _looks(facts)),
        ("As it began", _began(facts)),
    ]
    built = ((title, [*parts]) for title, parts in sections)
    return Page(
        title=f"Split test of {split.model}: version {split.version} against version {split.production}",
        parts=[*_above(facts)],
        sections=[Section(title, parts) for title, parts in built if parts],
    )


def _above(facts: Facts) -> Iterator[Part]:
    if facts.end is not None:
        yield f"It has ended, {facts.end.outcome}, on {_moment(facts.end.at)}: {facts.end.why}"
    elif facts.looks:
        last = facts.looks[-1]
        yield f"By the look of {_moment(last.at)}: {_ANSWERS[last.answer]}. {last.why}"
    else:
        yield "Nobody has looked at it yet."
    if facts.links:
        yield Links(facts.links)


def _arms(facts: Facts) -> Iterator[Part]:
    split, last = facts.split, facts.looks[-1] if facts.looks else None
    met = Counter[str]()
    for day in last.days if last else ():
        met["Production"] += day.production
        met["Staging"] += day.staging
    share = facts.wanted.ramp[facts.steps[-1].phase].share
    rows = [
        ("Production", split.production, f"{1 - share:.0%}", f"{met['Production']:,}"),
        ("Staging", split.version, f"{share:.0%}", f"{met['Staging']:,}"),
    ]
    yield Table(rows, ["arm", "version", "share of all units", "units exposed in the test"])
    if facts.end is None:
        yield (
            "As many units as Staging has are its control group; all others are served by Production, outside of the "
            f"test. It ends on {facts.steps[-1].ends:%Y-%m-%d} at the latest."
        )


def _exposure(facts: Facts) -> Iterator[Part]:
    if not facts.looks:
        return
    last = facts.looks[-1]
    counts = last.counts
    rows = [
        ("exposed", f"{counts.exposed:,}"),
        ("matured: their window has passed", f"{counts.matured:,}"),
        ("seen in both arms; each counts in its first", f"{counts.crossed:,}"),
        ("exposures without a unit, an arm or a time", f"{counts.incomplete:,}"),
        ("outcomes before the exposure, not counted", f"{counts.before:,}"),
        ("outcomes after the window, not counted", f"{counts.late:,}"),
        (f"mismatch of the arms, p over all looks; wrong below {SURE:g}", f"{last.mismatch:.3g}"),
    ]
    yield Table(rows, ["units", "until the last look"])
    if extras.has("report") and (png := split_chart.draw_exposure(facts.looks, facts.steps)) is not None:
        alt = "Units exposed to each arm over time, when Staging's share grew, and the p-value of their mismatch."
        yield Picture("exposure", alt, png)


def _shows(facts: Facts) -> Iterator[Part]:
    if not facts.looks:
        return
    rows = [
        (
            f"{metric.name}, {'decides' if place == 0 else 'guardrail'}",
            metric.better.value,
            _number(effect.difference),
            f"{_number(effect.low)} to {_number(effect.high)}",
            f"±{facts.wanted.interest(metric):g}" if place == 0 else f"a loss of {facts.wanted.interest(metric):g}",
            _says(facts.wanted, metric, effect),
        )
        for place, (metric, effect) in enumerate(zip(facts.wanted.metrics, facts.looks[-1].effects, strict=True))
    ]
    yield Table(rows, ["metric", "better", "Staging less Production", "interval", "what matters", "found"])
    yield (
        f"The intervals hold at all looks together, with alpha = {facts.wanted.alpha:g} for the whole test: half of it "
        "for a promotion, half for harm."
    )
    margins = [_margins(facts.wanted, metric) for metric in facts.wanted.metrics]
    if extras.has("report") and (png := split_chart.draw_differences(facts.looks, margins)) is not None:
        alt = "Staging less Production for each metric, look by look, with the interval, zero, and what matters."
        yield Picture("differences", alt, png)


def _would_change(facts: Facts) -> Iterator[Part]:
    if not facts.looks or facts.end is not None:
        return
    last, wanted = facts.looks[-1], facts.wanted
    yield last.why
    effect, sign = last.effects[0], wanted.primary.sign
    reach = _reach(wanted.primary, effect)
    if reach is not None:
        good, bad = reach
        said = [f"better, from a difference of {sign * good:+.3g} on"] if good is not None else []
        said += [f"worse, from {-sign * bad:+.3g} on"] if bad is not None else []
        yield f"With the units of now, {wanted.primary.name} would be taken as {'; as '.join(said)}."
    if last.smallest is not None:
        enough = "which is less than" if last.smallest <= wanted.effect else "which is more than"
        yield (
            f"As it goes, a gain of {last.smallest:.3g} is found by {facts.steps[-1].ends:%Y-%m-%d} in 4 of 5 tests, "
            f"{enough} the effect of interest, {wanted.effect:g}."
        )


def _looks(facts: Facts) -> Iterator[Part]:
    if not facts.looks:
        return
    rows = [
        (
            _moment(look.at),
            str(look.phase + 1),
            f"{look.counts.exposed:,}",
            f"{look.counts.matured:,}",
            f"{look.mismatch:.3g}",
            _number(look.effects[0].difference),
            f"{_number(look.effects[0].low)} to {_number(look.effects[0].high)}",
            look.answer,
        )
        for look in reversed(facts.looks)
    ]
    primary = facts.wanted.primary.name
    yield Table(rows, ["look", "phase", "exposed", "matured", "mismatch", primary, "interval", "answer"])


def _began(facts: Facts) -> Iterator[Part]:
    split, plan = facts.split, facts.split.plan
    yield f"Begun on {_moment(split.began)} by {split.by}: {split.why}. Its id is {split.id}."
    fixed = [
        (
            each.metric,
            f"{each.mean:.4g}",
            f"{each.deviation:.4g}",
            _number(each.cap, ""),
            f"{each.weight:.3g}",
            f"{each.units:,}",
        )
        for each in split.baselines
    ]
    yield "Fixed when it began, by the rows of before:"
    yield Table(fixed, ["metric", "mean", "deviation", "cut at", "weight of before", "units"])
    if plan is not None:
        yield (
            f"As planned, {plan.units:,} units are exposed in {plan.longest // 7} weeks, and each metric by itself "
            "needs:"
        )
        yield Table(
            [_planned(each) for each in plan.needs], ["metric", "to be found", "weeks", "units", "found by the end"]
        )


def _planned(need: SplitNeed) -> tuple[str, ...]:
    weeks = "not within two years" if need.days is None else str(need.days // 7)
    return (
        need.metric,
        f"{need.effect:g}",
        weeks,
        "" if need.units is None else f"{need.units:,}",
        _number(need.smallest, ""),
    )


def _margins(wanted: SplitTest, metric: Measured) -> tuple[float, float]:
    if isinstance(metric, Guardrail):
        return (-metric.sign * metric.margin,) * 2
    return wanted.effect, -wanted.effect


def _reach(metric: Measured, effect: Effect) -> tuple[float | None, float | None] | None:
    """Return how far the interval goes to the worse side and to the better one: a greater gain, or loss, is shown."""
    if effect.difference is None or (effect.low is None and effect.high is None):
        return None
    below = None if effect.low is None else effect.difference - effect.low
    above = None if effect.high is None else effect.high - effect.difference
    return (below, above) if metric.sign > 0 else (above, below)


def _says(wanted: SplitTest, metric: Measured, effect: Effect) -> str:
    if effect.low is None and effect.high is None:
        return "too few outcomes for an interval"
    low, high = (effect.low, effect.high) if metric.sign > 0 else (_negative(effect.high), _negative(effect.low))
    margin = wanted.interest(metric)
    if high is not None and high < 0:
        return "worse"
    if low is not None and low > 0:
        return "better"
    if isinstance(metric, Guardrail):
        return "within its margin" if low is not None and low > -margin else "a greater loss is not ruled out"
    if low is not None and high is not None and -margin < low and high < margin:
        return "no change that matters"
    return "not decided"


def _negative(value: float | None) -> float | None:
    return None if value is None else -value


def _number(value: float | None, unknown: str = "…") -> str:
    return unknown if value is None else f"{value:+.3g}" if unknown else f"{value:.4g}"


def _moment(time: datetime) -> str:
    return f"{time.astimezone(UTC):%Y-%m-%d %H:%M} UTC"
