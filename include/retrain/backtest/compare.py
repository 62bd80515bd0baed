"""Policies compared on the rows of a backtest, and one of them chosen."""

from collections.abc import Sequence
from datetime import datetime

import numpy as np

from retrain.backtest.aging import PERIODS, matrix
from retrain.backtest.best import with_the_best
from retrain.backtest.compared import (
    Block,
    Choice,
    Compared,
    ComparedPolicy,
    Counts,
    Difference,
    Event,
    Score,
    Standing,
    What,
)
from retrain.backtest.following import surely
from retrain.backtest.replayed import Backtest, Replayed, Rule
from retrain.backtest.resampling import Clusters, Draws
from retrain.backtest.weeks import spans, widening
from retrain.backtest.words import reason
from retrain.metrics import described
from retrain.snapshots.split import as_datetime, as_time

_BLOCKS = 24
_SHARE_TO_CHOOSE = 2 / 3


def compare(backtest: Backtest, *, choose_until: datetime | None = None) -> Compared:
    """Compare the policies of a backtest, of which at least one row counts.

    choose_until: the end of the time that a policy is chosen on, with its zone; default: the first two thirds.
    """
    begins, ends = as_datetime(backtest.times[0]), as_datetime(backtest.times[-1])
    until = choose_until or _midnight(begins + _SHARE_TO_CHOOSE * (ends - begins))
    cut = int(np.searchsorted(backtest.times, as_time(until)))
    clusters = Clusters(backtest, cut)
    blocks, periods = (_blocks(clusters, most) for most in (_BLOCKS, PERIODS))
    whole = clusters.draws(0, len(backtest.times))
    over_time = [clusters.draws(each.first_row, each.after_row, roughly=True) for each in blocks]
    standings = _standings(backtest, clusters.draws(0, cut))
    policies = tuple(
        _policy(backtest, place, whole, over_time, standings.get(place)) for place in range(len(backtest.replays))
    )
    return Compared(
        model=backtest.spec.model,
        metric=backtest.spec.gate.metric,
        positive=backtest.spec.gate.positive,
        first=backtest.first,
        begins=begins,
        ends=ends,
        rows=len(backtest.times),
        unit=clusters.unit,
        blocks=blocks,
        policies=policies,
        choice=_choice(backtest, policies, until, cut, clusters.draws(cut, len(backtest.times))),
        periods=periods,
        models=matrix(backtest, periods),
        remarks=backtest.remarks,
    )


# ── time


def _midnight(moment: datetime) -> datetime:
    return moment.replace(hour=0, minute=0, second=0, microsecond=0)


def _blocks(clusters: Clusters, most: int) -> tuple[Block, ...]:
    made = []
    for each in spans(clusters.numbers, most):
        first_row, after_row = clusters.rows(each.first, each.after)
        begins, ends = (clusters.unit.begin(number) for number in (each.first, each.after))
        made.append(Block(begins=begins, ends=ends, first_row=first_row, after_row=after_row))
    return tuple(made)


# ── one policy


def _policy(
    backtest: Backtest, place: int, whole: Draws | None, over_time: Sequence[Draws | None], standing: Standing | None
) -> ComparedPolicy:
    replayed, metric = backtest.replays[place], backtest.spec.gate.metric
    shipped = place == 0
    return ComparedPolicy(
        name=replayed.policy.name,
        rule=replayed.policy.rule,
        changes=dict(replayed.policy.changes),
        shipped=shipped,
        score=_score(whole, place),
        against_shipped=None if shipped else _against_shipped(whole, place, metric),
        over_time=tuple(_score(each, place) for each in over_time),
        difference_over_time=() if shipped else tuple(_against_shipped(each, place, metric) for each in over_time),
        counts=_counts(replayed),
        standing=standing,
        events=_events(replayed),
    )


def _score(draws: Draws | None, place: int) -> Score:
    if draws is None or not np.isfinite(draws.observed[place]):
        return Score(value=None, interval=None)
    return Score(value=float(draws.observed[place]), interval=draws.interval(place))


def _against_shipped(draws: Draws | None, place: int, metric: str) -> Difference:
    difference, interval = (None, None) if draws is None else draws.difference(place, 0)
    return Difference(difference=difference, interval=interval, surely=surely(interval, metric))


def _events(replayed: Replayed) -> tuple[Event, ...]:
    events = [Event(at=each.at, what=What.BLOCKED) for each in replayed.blocked]
    for each in replayed.decisions:
        sure = 0 if each.following is None else each.following.surely
        events.append(Event(at=each.at, what=What.PROMOTED if each.promoted else What.HELD, surely=sure))
    return tuple(sorted(events, key=lambda event: event.at))


def _counts(replayed: Replayed) -> Counts:
    events = _events(replayed)

    def count(what: What, *sure: int) -> int:
        return sum(each.what is what and (not sure or each.surely in sure) for each in events)

    return Counts(
        trainings=replayed.trainings,
        rows_fitted=replayed.rows_fitted,
        cpu_seconds=replayed.cpu_seconds,
        promoted=count(What.PROMOTED),
        promoted_worse=count(What.PROMOTED, -1),
        held=count(What.HELD),
        held_better=count(What.HELD, 1),
        blocked=count(What.BLOCKED),
    )


# ── the choice


def _standings(backtest: Backtest, draws: Draws | None) -> dict[int, Standing]:
    """Return the standing of each policy that has a gate and a score, by its place; none where the spec as it is has
    no score, or the weeks are too few.
    """
    if draws is None:
        return {}
    gated = [place for place, each in enumerate(backtest.replays) if each.policy.rule is Rule.GATE]
    gated = [place for place in gated if np.isfinite(draws.observed[place])]
    sign, factor = described(backtest.spec.gate.metric).sign, widening(draws.blocks)
    if 0 not in gated or not np.isfinite(factor):
        return {}
    places = with_the_best(sign * draws.observed[gated], sign * draws.drawn[gated], factor)
    return {
        place: Standing(
            score=_score(draws, place),
            may_be_best=each.may_be_best,
            behind=each.behind if np.isfinite(each.behind).all() else None,
        )
        for place, each in zip(gated, places, strict=True)
    }


def _choice(
    backtest: Backtest, policies: Sequence[ComparedPolicy], until: datetime, cut: int, rest: Draws | None
) -> Choice:
    best = [place for place, each in enumerate(policies) if each.standing is not None and each.standing.may_be_best]
    # Of equally cheap ones, the spec as it is; then the one with the better score.
    sign = described(backtest.spec.gate.metric).sign

    def cost(place: int) -> tuple[float, bool, float]:
        standing = policies[place].standing
        value = None if standing is None else standing.score.value
        return policies[place].counts.rows_fitted, place != 0, -sign * (value or 0.0)

    chosen = min(best, key=cost, default=None)
    test = None
    if chosen is not None and chosen != 0 and rest is not None:
        test = _against_shipped(rest, chosen, backtest.spec.gate.metric)
        test = None if test.interval is None else test
    recommended = 0 if chosen is None else _recommended(policies, chosen, test)
    return Choice(
        until=until,
        rows=cut,
        best=tuple(policies[place].name for place in best),
        chosen=None if chosen is None else policies[chosen].name,
        test_rows=len(backtest.times) - cut,
        test=test,
        recommended=None if chosen is None else policies[recommended].name,
        reason=reason(backtest.spec.gate.metric, policies, chosen, test, recommended),
    )


def _recommended(policies: Sequence[ComparedPolicy], chosen: int, test: Difference | None) -> int:
    """Return the place of the policy to recommend: the chosen one if the test shows that it is better, or if it is
    cheaper and not distinguishable; else the spec as it is.
    """
    cheaper = policies[chosen].counts.rows_fitted < policies[0].counts.rows_fitted
    passed = test is not None and (test.surely > 0 or (test.surely == 0 and cheaper))
    return chosen if passed else 0
