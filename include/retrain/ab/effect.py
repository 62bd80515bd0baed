"""What one metric shows: Staging less Production, combined over the phases of the ramp.

Units of one phase are compared with each other alone: shares and seasons change between phases. A phase counts as much
as it has matured units, in whichever arm, so that no outcome has a say in its weight.
"""

from collections.abc import Sequence
from math import sqrt
from typing import NamedTuple

from retrain.arms import Pair, Sums
from retrain.spec.ab import Kind

OUTCOMES = 50
"""So many both arms must have together before an interval is believed: see `outcomes`. Equal arms are skewed alike, so
that even 10 err no more often than they may, also with heavy tails; this leaves room."""


class Estimate(NamedTuple):
    difference: float
    """In the metric's units."""
    error: float
    """Its standard error."""


def estimate(phases: Sequence[Pair]) -> Estimate | None:
    """Return what all phases show together; None where no phase has two units in each arm, and a denominator."""
    known = [each for each in phases if _is_known(each.production) and _is_known(each.staging)]
    if not known:
        return None
    units = [each.production.units + each.staging.units for each in known]
    difference = variance = 0.0
    for weight, pair in zip((each / sum(units) for each in units), known, strict=True):
        staging, production = _ratio(pair.staging), _ratio(pair.production)
        difference += weight * (staging.value - production.value)
        variance += weight**2 * (staging.variance + production.variance)
    return Estimate(difference, sqrt(variance))


def outcomes(phases: Sequence[Pair], kind: Kind) -> float:
    """Return how many outcomes there are: of heavy tails, as many equal ones as weigh the same.

    The square of a sum over the sum of squares: a yes counts as 1 and a no as 0, and where one buyer spends as much as
    all others, as little more than 1. Of a yes-or-no, the rarer answer counts. Both arms count together: a Staging that
    loses every outcome has none of its own, and must be found out.
    """
    arms = [arm for each in phases for arm in (each.production, each.staging)]
    found = _equal_ones(sum(arm.y for arm in arms), sum(arm.yy for arm in arms))
    if kind is Kind.BINARY:
        return min(found, sum(arm.units for arm in arms) - found)
    if kind is Kind.RATIO:
        return min(found, _equal_ones(sum(arm.d for arm in arms), sum(arm.dd for arm in arms)))
    return found


def _equal_ones(sum_: float, squares: float) -> float:
    return sum_**2 / squares if squares > 0 else 0.0


class _Ratio(NamedTuple):
    value: float
    variance: float


def _is_known(sums: Sums) -> bool:
    return sums.units >= 2 and sums.d != 0


def _ratio(sums: Sums) -> _Ratio:
    """Return the sum of y over that of d; its variance by the delta method."""
    value = sums.y / sums.d
    squares = sums.yy - 2 * value * sums.yd + value**2 * sums.dd
    # The difference of great sums may come out a little below 0.
    return _Ratio(value, max(0.0, squares) / sums.d**2 * sums.units / (sums.units - 1))
