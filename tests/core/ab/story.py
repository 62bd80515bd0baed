"""A split test of two metrics with a ramp, and its looks, as a report and the dashboard show them."""

from retrain.ab.decide import decide
from retrain.ab.power import found_by_the_end
from retrain.ab.seen import Seen
from retrain.arms import Baseline, Counts, Exposed, PlannedPhase, SplitLook, SplitNeed, SplitPlan, SplitStep
from tests.core.ab.makers import BEGAN, DAY, LATENCY, arms, slower, split, wanted

TEST = wanted(guardrails=[LATENCY], ramp=[{"share": 0.1}, {"share": 0.5}])
PLAN = SplitPlan(
    phases=(PlannedPhase(share=0.5, begins=0, units=50_000),),
    needs=(
        SplitNeed(metric="bought", mean=0.05, deviation=0.218, effect=0.005, days=63, units=60_000, smallest=0.0062),
    ),
    longest=56,
    units=50_000,
    enough=False,
)
BEGUN = split(TEST).model_copy(
    update={
        "baselines": (
            Baseline(metric="bought", units=20_000, mean=0.05, deviation=0.218, cap=None, weight=0.0),
            Baseline(metric="latency", units=20_000, mean=100.0, deviation=50.0, cap=380.0, weight=0.4),
        ),
        "plan": PLAN,
    }
)
STEPS = [
    SplitStep(phase=0, began=BEGAN, ends=BEGUN.ends),
    SplitStep(phase=1, began=BEGAN + 7 * DAY, ends=BEGUN.ends),
]


def looks(better: float = 0.0, latency: float = 0.0, days: int = 21) -> list[SplitLook]:
    """A look each third day; units of two phases come as many a day."""
    found: list[SplitLook] = []
    for day in range(9, days + 1, 3):
        units = 500 * day
        came = tuple(
            Exposed(day=BEGAN + each * DAY, phase=int(each >= 7), production=500, staging=500) for each in range(day)
        )
        counts = Counts(exposed=2 * units, matured=units, crossed=3, before=31, late=12)
        of_bought, of_latency = arms(0.05, 0.05 + better, units), slower(latency, units)
        seen = Seen(came, counts, ((of_bought,), (of_latency,)))
        look = decide(TEST, BEGUN, STEPS, found, seen, BEGAN + day * DAY)
        found.append(look.model_copy(update={"smallest": found_by_the_end(TEST, BEGUN, [*found, look])}))
    return found
