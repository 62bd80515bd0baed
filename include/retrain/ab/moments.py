"""Sums over units of four values and of their products, and what follows from them: pure.

The values of a unit: y, its outcome; d, its denominator in a ratio; and both of before its first exposure.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from itertools import combinations_with_replacement
from math import sqrt

import numpy as np

from retrain.arms import Baseline, Pair, Sums
from retrain.spec.ab import Kind

Y, D, Y_BEFORE, D_BEFORE = range(4)
PRODUCTS = tuple(combinations_with_replacement(range(4), 2))
"""The order in which the sums of products come."""
_NO_SPREAD = 1e-12
"""Of the mean square: a variance below it is the rounding of equal values."""


@dataclass(frozen=True)
class Moments:
    units: int
    sums: np.ndarray
    """Of the four values."""
    products: np.ndarray
    """Four by four."""

    @staticmethod
    def none() -> "Moments":
        return Moments(0, np.zeros(4), np.zeros((4, 4)))

    @staticmethod
    def of(units: int, row: Sequence[float]) -> "Moments":
        """Read what SQL returns: the four sums, then those of `PRODUCTS`."""
        products = np.zeros((4, 4))
        for (one, other), value in zip(PRODUCTS, row[4:], strict=True):
            products[one, other] = products[other, one] = value
        return Moments(units, np.array(row[:4], dtype=float), products)

    def __add__(self, other: "Moments") -> "Moments":
        return Moments(self.units + other.units, self.sums + other.sums, self.products + other.products)

    @property
    def means(self) -> np.ndarray:
        return self.sums / max(self.units, 1)


def pair(production: Moments, staging: Moments, kind: Kind, baseline: Baseline) -> Pair:
    """Return the sums of both arms in one phase, adjusted by the baseline's weights.

    What a weight multiplies is the difference of a unit's value of before from the mean of all units in the phase.
    Which number it is differs from changes no difference of means; but a ratio's denominators stay as great as they
    are only if it is the mean of these units, and not of those before the test.
    """
    means = (production + staging).means
    return Pair(
        production=_adjusted(production, kind, baseline, means), staging=_adjusted(staging, kind, baseline, means)
    )


def baseline(metric: str, kind: Kind, moments: Moments, cap: float | None, *, exposed: bool) -> Baseline:
    """Return what is fixed of a metric, by units of before. exposed: as in `Baseline`."""
    means = moments.means
    fixed = Baseline(
        metric=metric,
        units=moments.units,
        mean=0.0,
        deviation=0.0,
        cap=cap,
        weight=_weight(moments, Y, Y_BEFORE),
        weight_per=_weight(moments, D, D_BEFORE) if kind is Kind.RATIO else 0.0,
        before=float(means[Y_BEFORE]),
        before_per=float(means[D_BEFORE]),
        exposed=exposed,
    )
    sums = _adjusted(moments, kind, fixed, means)
    if not sums.units or not sums.d:
        return fixed
    mean = sums.y / sums.d
    squares = sums.yy - 2 * mean * sums.yd + mean**2 * sums.dd
    deviation = sqrt(max(0.0, squares) / sums.units) / abs(sums.d / sums.units)
    return fixed.model_copy(update={"mean": mean, "deviation": deviation})


def _weight(moments: Moments, value: int, before: int) -> float:
    """Return the covariance of a value with that of before, over the variance of the latter; 0 where it has none."""
    means, units = moments.means, max(moments.units, 1)
    square = moments.products[before, before] / units
    variance = square - means[before] ** 2
    if variance <= _NO_SPREAD * square:
        return 0.0
    return float((moments.products[value, before] / units - means[value] * means[before]) / variance)


def _adjusted(moments: Moments, kind: Kind, fixed: Baseline, means: np.ndarray) -> Sums:
    """Return the sums of y less weight · (y of before less its mean), and the same of d, which is 1 but in a ratio."""
    turn = np.zeros((2, 4))
    turn[0, Y], turn[0, Y_BEFORE] = 1, -fixed.weight
    shift = np.array([fixed.weight * means[Y_BEFORE], 1.0])
    if kind is Kind.RATIO:
        turn[1, D], turn[1, D_BEFORE] = 1, -fixed.weight_per
        shift[1] = fixed.weight_per * means[D_BEFORE]
    turned = turn @ moments.sums
    both = np.outer(turned, shift)
    products = turn @ moments.products @ turn.T + both + both.T + moments.units * np.outer(shift, shift)
    y, d = turned + moments.units * shift
    return Sums(
        units=moments.units,
        y=float(y),
        d=float(d),
        yy=float(products[0, 0]),
        dd=float(products[1, 1]),
        yd=float(products[0, 1]),
    )
