"""Whether the arms have other shares of the exposed units than they should: then the test measures something else.

In each phase as many units should be served by Staging as by its control group. Against that stands a mixture over
other shares (Lindon and Malek 2022): the ratio of the two, over all phases, is a martingale as long as the shares are
right, so one over its greatest value is a p-value at whichever look.
"""

from collections.abc import Iterable
from math import exp, log

from scipy.special import betaln

from retrain.arms import Exposed

_UNITS = 2_500
"""How closely the mixture lies around equal shares, as units seen before: it finds 49 to 51 soonest."""


def mismatch(days: Iterable[Exposed], before: float = 1.0) -> float:
    """Return how well the units that were exposed by now go with equal shares: a p-value over all looks.

    before: that of the look before.
    """
    phases: dict[int, list[int]] = {}
    for day in days:
        units = phases.setdefault(day.phase, [0, 0])
        units[0] += day.production
        units[1] += day.staging
    against = sum(_against(*units) for units in phases.values())
    return min(before, exp(-max(0.0, against)))


def _against(production: int, staging: int) -> float:
    """Return the logarithm of how much likelier the units of a phase are under other shares than under equal ones."""
    half = _UNITS / 2
    mixed = betaln(half + production, half + staging) - betaln(half, half)
    return float(mixed + (production + staging) * log(2))
