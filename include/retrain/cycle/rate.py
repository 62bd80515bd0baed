"""How fast labelled rows arrive, from the last two snapshots."""

from datetime import timedelta

from retrain.cycle.context import Cycle
from retrain.gate.predictions import Rate
from retrain.records import Snapshot

_YEAR = timedelta(days=365.25)


def rate_of(cycle: Cycle, snapshot: Snapshot) -> Rate | None:
    """Return how many rows of the holdout, and how many cycles, a year brings if it goes on as since the last cycle.

    None before the second one, and where both snapshots reach equally far.
    """
    if snapshot.after is None:
        return None
    before = cycle.ledger.snapshot(snapshot.model, snapshot.after)
    ends = (before.watermark or before.taken_at, snapshot.watermark or snapshot.taken_at)
    if ends[0] is None or ends[1] is None or ends[1] <= ends[0]:
        return None
    a_year = _YEAR / (ends[1] - ends[0])
    return Rate(snapshot.new_rows * cycle.spec.split.judging_share * a_year, a_year)
