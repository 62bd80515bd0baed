"""What became of a verdict: the challenger against the Production of that time, on the rows that came after it."""

import numpy as np

from retrain.backtest.replayed import Following
from retrain.backtest.weeks import Interval, effective, widened
from retrain.gate.comparison import loss
from retrain.gate.predictions import Evidence
from retrain.gate.significance import tie
from retrain.metrics import described
from retrain.spec.gate import Gate

ALPHA = 0.05


def following(evidence: Evidence, gate: Gate) -> Following:
    """Compare the two on all rows of `evidence`, whose clusters are those of `weeks.to_follow`."""
    rows = len(evidence.labels)
    found = loss(evidence, gate, 0.0, ALPHA)
    if found is None:
        return Following(rows=rows, difference=None, interval=None, surely=0)
    difference = found.own - found.theirs
    _, sizes = np.unique(evidence.clusters, return_counts=True)
    interval = widened(found.interval, difference, effective(sizes))
    return Following(
        rows=rows,
        difference=difference,
        interval=interval,
        surely=surely(interval, gate.metric, tie(found.own, found.theirs)),
    )


def surely(interval: Interval, metric: str, slack: float = 0.0) -> int:
    """Return 1 where the interval of a difference says better, -1 where it says worse, and 0 where it holds 0."""
    if interval is None or (interval[0] <= slack and interval[1] >= -slack):
        return 0
    return described(metric).sign * (1 if interval[0] > slack else -1)
