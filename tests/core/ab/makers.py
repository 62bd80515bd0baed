"""Split tests, and looks at them, as tests want them."""

import json
from datetime import UTC, datetime, timedelta

from retrain.ab.decide import decide
from retrain.ab.seen import Seen
from retrain.arms import Counts, Exposed, Pair, Split, SplitStep, Sums
from retrain.spec.ab import SplitTest

BEGAN = datetime(2026, 1, 5, tzinfo=UTC)
DAY = timedelta(days=1)
PRIMARY = {"name": "bought", "outcome": {"table": "orders"}}
LATENCY = {
    "name": "latency",
    "kind": "amount",
    "better": "lower",
    "margin": 5.0,
    "outcome": {"table": "calls", "value": "ms"},
}


def wanted(**changes):
    section = {"primary": PRIMARY, "effect": 0.005, "ramp": [{"share": 0.5}], **changes}
    return SplitTest.model_validate_json(json.dumps(section))


def split(test):
    return Split(
        id="Churn/1",
        model="Churn",
        version="2",
        identity=None,
        production="1",
        production_identity=None,
        began=BEGAN,
        ends=BEGAN + test.longest,
        by="ann",
        why="a new ranking",
        baselines=(),
    )


def binary(units, share):
    """Sums of an arm in which this share of the units has an outcome."""
    yes = round(units * share)
    return Sums(units=units, y=yes, d=units, yy=yes, dd=units, yd=yes)


def numbers(units, mean, deviation):
    squares = units * mean**2 + (units - 1) * deviation**2
    return Sums(units=units, y=units * mean, d=units, yy=squares, dd=units, yd=units * mean)


def arms(production, staging, units=20_000):
    """A phase of a yes-or-no, by its shares."""
    return Pair(production=binary(units, production), staging=binary(units, staging))


def slower(by, units=20_000, deviation=50.0):
    """A phase of `LATENCY`, in which Staging takes so much longer."""
    return Pair(production=numbers(units, 100.0, deviation), staging=numbers(units, 100.0 + by, deviation))


def seen(*pairs, production=20_000, staging=20_000, crossed=0):
    """One phase of each metric."""
    return Seen(
        days=(Exposed(day=BEGAN, phase=0, production=production, staging=staging),),
        counts=Counts(exposed=production + staging, matured=production + staging, crossed=crossed, before=0, late=0),
        pairs=tuple((pair,) for pair in pairs),
    )


def looked(test, found, *, day, looks=(), ends=None, phase=0):
    """The look of a day."""
    begun = split(test)
    step = SplitStep(phase=phase, began=BEGAN, ends=begun.ends if ends is None else BEGAN + ends * DAY)
    return decide(test, begun, [step], looks, found, BEGAN + day * DAY)


def daily(test, found_of, days, **more):
    """Looks of some days, each with those before."""
    looks = []
    for day in days:
        looks.append(looked(test, found_of(day), day=day, looks=looks, **more))
    return looks
