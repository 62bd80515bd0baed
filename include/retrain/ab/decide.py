"""What a look at a split test says: pure, of the spec, the test, the looks before and what is seen now.

Half of alpha is for promotion. The other half is for harm, in equal parts for the primary metric and each guardrail.
That a guardrail holds its margin is shown at half of alpha each: all must, so nothing is divided.
"""

from collections.abc import Iterator, Sequence
from datetime import datetime
from math import inf, isfinite
from typing import Literal, NamedTuple

from retrain.ab.effect import OUTCOMES, estimate, outcomes
from retrain.ab.mismatch import mismatch
from retrain.ab.seen import Seen
from retrain.ab.sequence import Moment, Side, reach
from retrain.arms import SURE, Counts, Effect, Pair, Split, SplitLook, SplitStep
from retrain.spec.ab import Guardrail, Measured, SplitTest

_CROSSED = 0.01
"""Share of the exposed units which may be seen in both arms."""
_FEW_CROSSED = 20
"""As many may in any case: 1% of a few units is chance."""

Answer = Literal["promote", "drop", "same", "harm", "invalid", "undecided", "wait"]


class Said(NamedTuple):
    answer: Answer
    why: str


def decide(  # noqa: PLR0917 - what it is pure of, in the order in which it comes to be
    wanted: SplitTest, split: Split, steps: Sequence[SplitStep], looks: Sequence[SplitLook], seen: Seen, now: datetime
) -> SplitLook:
    """Return the look that follows on those before.

    steps: the changes of the test, at least the first; the last one says how it is now. looks: all before, the oldest
    first, as they are stored. seen: what there is by now, with the phases of each metric of the spec.
    """
    step = steps[-1]
    effects = tuple(
        _effect(wanted, metric, pairs, split, known(looks, metric.name), at=now, ends=step.ends)
        for metric, pairs in zip(wanted.metrics, seen.pairs, strict=True)
    )
    found = SplitLook(
        split=split.id,
        place=len(looks),
        at=now,
        ends=step.ends,
        phase=step.phase,
        days=seen.days,
        counts=seen.counts,
        mismatch=mismatch(seen.days, looks[-1].mismatch if looks else 1.0),
        effects=effects,
        answer="wait",
        why="",
    )
    said = next(_said(wanted, split, found))
    return found.model_copy(update={"answer": said.answer, "why": said.why})


def next_phase(wanted: SplitTest, step: SplitStep, last: SplitLook, now: datetime) -> SplitStep | None:
    """Return the ramp's next phase, where it is due after the last look; None where the test stays as it is."""
    if last.answer != "wait" or last.phase != step.phase or step.phase + 1 >= len(wanted.ramp):
        return None
    if now - step.began < wanted.ramp[step.phase].at_least or now >= step.ends:
        return None
    return SplitStep(phase=step.phase + 1, began=now, ends=step.ends)


# ── intervals


class Levels(NamedTuple):
    """Parts of alpha, each over all looks."""

    promotion: float
    harm: float
    """Of one metric."""

    @classmethod
    def of(cls, wanted: SplitTest) -> "Levels":
        return cls(wanted.alpha / 2, wanted.alpha / 2 / len(wanted.metrics))


class Known(NamedTuple):
    """A look at which a metric had an interval, on one side at least."""

    information: float
    at: datetime
    ends: datetime
    """When the test was to end, as it was at the look."""


def known(looks: Sequence[SplitLook], metric: str) -> list[Known]:
    """Return those that are stored."""
    return [
        Known(effect.error**-2, look.at, look.ends)
        for look in looks
        for effect in look.effects
        if effect.metric == metric and effect.error and (effect.low is not None or effect.high is not None)
    ]


def moments(split: Split, looks: Sequence[Known]) -> list[Moment]:
    """Return the looks as far as their bounds depend on them."""
    found, before = [], split.began
    for information, at, ends in looks:
        found.append(Moment(information, _time(split, at, ends), _time(split, before, ends)))
        before = at
    return found


def _time(split: Split, at: datetime, ends: datetime) -> float:
    return min(1.0, (at - split.began) / (ends - split.began))


def _effect(
    wanted: SplitTest,
    metric: Measured,
    pairs: tuple[Pair, ...],
    split: Split,
    before: Sequence[Known],
    *,
    at: datetime,
    ends: datetime,
) -> Effect:
    """Return what a look shows of a metric. before: of the looks before."""
    now, low, high = estimate(pairs), None, None
    if now is not None and now.error > 0 and outcomes(pairs, metric.kind) >= OUTCOMES:
        all_, levels = moments(split, [*before, Known(now.error**-2, at, ends)]), Levels.of(wanted)
        good, bad = (
            now.error * reach(wanted.method, all_, side, level=level, effect=wanted.interest(metric))
            for side, level in ((Side.GOOD, levels.promotion), (Side.BAD, levels.harm))
        )
        below, above = (good, bad) if metric.sign > 0 else (bad, good)
        low, high = _finite(now.difference - below), _finite(now.difference + above)
    return Effect(
        metric=metric.name,
        phases=pairs,
        difference=None if now is None else now.difference,
        error=None if now is None else now.error,
        low=low,
        high=high,
    )


def _finite(value: float) -> float | None:
    return value if isfinite(value) else None


# ── the answer


class _Gain(NamedTuple):
    """An interval in the direction that is better: above 0 is a gain."""

    low: float
    high: float

    @classmethod
    def of(cls, metric: Measured, effect: Effect) -> "_Gain":
        low = -inf if effect.low is None else effect.low
        high = inf if effect.high is None else effect.high
        return cls(low, high) if metric.sign > 0 else cls(-high, -low)


def _said(wanted: SplitTest, split: Split, look: SplitLook) -> Iterator[Said]:
    """Yield what can be said of a look; the first counts."""
    yield from _invalid(look)
    effects = dict(zip(wanted.metrics, look.effects, strict=True))
    gains = {metric: _Gain.of(metric, effect) for metric, effect in effects.items()}
    for guardrail in wanted.guardrails:
        if gains[guardrail].high < 0:
            yield Said("harm", f"Guardrail {_shown(effects[guardrail])}, which is worse.")
    primary, shown = gains[wanted.primary], _shown(effects[wanted.primary])
    early = look.at - split.began < wanted.shortest
    if primary.high < 0 and early:
        yield Said("harm", f"{shown}, which is worse, and so clearly that the test need not last {_days(wanted)}.")
    open_ = [_lacking(each, effects[each]) for each in wanted.guardrails if gains[each].low <= -each.margin]
    if early:
        yield Said("wait", f"{shown}. Before {_days(wanted)} are over, harm or wrong shares alone end the test.")
    if primary.low > 0 and not open_:
        held = "".join(f" Guardrail {_shown(effects[each])}: within its margin." for each in wanted.guardrails)
        yield Said("promote", f"{shown}, which is better.{held}")
    if -wanted.effect < primary.low and primary.high < wanted.effect:
        yield Said("same", f"{shown}: a change that matters, of {wanted.effect:g}, is ruled out.")
    if primary.high < 0:
        yield Said("drop", f"{shown}, which is worse.")
    lacking = "; ".join([*([] if primary.low > 0 else [_needed(wanted)]), *open_])
    if look.at >= look.ends:
        yield Said("undecided", f"The time is over, and it is not decided: {shown}. For a promotion lacks: {lacking}.")
    yield Said("wait", f"{shown}. For a promotion lacks: {lacking}.")


def _invalid(look: SplitLook) -> Iterator[Said]:
    staging, production = sum(day.staging for day in look.days), sum(day.production for day in look.days)
    if look.mismatch < SURE:
        yield Said(
            "invalid",
            f"{staging:,} units were exposed to Staging and {production:,} to Production, and it should be as many: "
            f"that is no chance (p = {look.mismatch:.1g}, over all looks). Something loses or adds units of one arm, "
            "so what is measured is not the model; find it, and start a new test.",
        )
    if _too_many_crossed(look.counts):
        yield Said(
            "invalid",
            f"{look.counts.crossed:,} of {look.counts.exposed:,} exposed units were seen in both arms, more than "
            f"{_CROSSED:.0%}: units are not served as they are assigned; find out why, and start a new test.",
        )


def _too_many_crossed(counts: Counts) -> bool:
    return counts.crossed > max(_FEW_CROSSED, _CROSSED * counts.exposed)


def _shown(effect: Effect) -> str:
    if effect.difference is None or (effect.low is None and effect.high is None):
        return f"{effect.metric}: too few outcomes for an interval"
    low = "…" if effect.low is None else f"{effect.low:+.3g}"
    high = "…" if effect.high is None else f"{effect.high:+.3g}"
    return f"{effect.metric}: Staging is {effect.difference:+.3g} [{low}, {high}] from Production"


def _needed(wanted: SplitTest) -> str:
    side = "above" if wanted.primary.sign > 0 else "below"
    return f"all of the interval of {wanted.primary.name} {side} 0"


def _lacking(guardrail: Guardrail, effect: Effect) -> str:
    side = "above" if guardrail.sign > 0 else "below"
    return f"all of the interval of {guardrail.name} {side} {-guardrail.sign * guardrail.margin:+g} ({_shown(effect)})"


def _days(wanted: SplitTest) -> str:
    return f"{wanted.shortest.days} days"
