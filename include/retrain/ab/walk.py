"""How likely a test of no effect crosses a bound by now: the recursion of Armitage, McPherson and Rowe.

A difference in standard errors, looked at again and again while information grows, is a standard normal at each look.
Two looks have a correlation of the root of the share of their information. What is left of its density between looks
that did not end the test is kept at the points of a Gauss-Legendre rule.
"""

from dataclasses import dataclass
from math import inf, pi, sqrt

import numpy as np
from numpy.typing import NDArray
from scipy.optimize import brentq
from scipy.special import ndtr, ndtri

Floats = NDArray[np.float64]

_NODES, _WEIGHTS = np.polynomial.legendre.leggauss(192)
_FAR = 6.0
"""Beyond as many standard errors is nothing."""
_NEWS = 0.07
"""Least standard deviation of what a look adds, such that the points stand closely enough."""
LEAST = 1e-6
"""A smaller chance is kept for the next look: the normal distribution is not believed as far out."""


@dataclass(frozen=True, eq=False)  # compared and hashed as what it is, not by its arrays
class Paths:
    """Tests without an effect that have not crossed."""

    information: float
    """At the last look: one over its squared standard error."""
    z: Floats
    """Points, shape (192,)."""
    mass: Floats
    """Share of the tests at each."""


def bound(paths: Paths | None, information: float, allowed: float) -> float:
    """Return what z must exceed at a look such that the share `allowed` does; infinite where it is less than LEAST.

    paths: None at the first look.
    """
    if allowed < LEAST:
        return inf
    if paths is None:
        return float(-ndtri(allowed))
    if allowed >= crossing(paths, information, -_FAR):
        return -_FAR
    return float(brentq(lambda z: crossing(paths, information, z) - allowed, -_FAR, _FAR, xtol=1e-9))


def crossing(paths: Paths | None, information: float, z: float) -> float:
    """Return the share of all tests that cross at this look, and have not before."""
    if paths is None:
        return float(ndtr(-z))
    kept, news = _step(paths, information)
    return float(paths.mass @ ndtr((kept * paths.z - z) / news))


def after(paths: Paths | None, information: float, z: float) -> Paths:
    """Return what has not crossed z at this look either."""
    half = (min(max(z, -_FAR), _FAR) + _FAR) / 2
    points = half * (_NODES + 1) - _FAR
    if paths is None:
        density = _normal(points.copy())
    else:
        kept, news = _step(paths, information)
        density = _normal(np.subtract.outer(points / news, kept / news * paths.z)) @ paths.mass / news
    return Paths(information, points, density * half * _WEIGHTS)


def _step(paths: Paths, information: float) -> tuple[float, float]:
    """Return which part of z stays until the next look, and the deviation of what is new.

    Where there is hardly any news, or information seems to shrink, more is taken as new than is: looks that depend
    less on each other cross more often (Slepian), so the bound errs to the safe side.
    """
    news = max(_NEWS, sqrt(max(0.0, 1 - paths.information / information)))
    return sqrt(1 - news**2), news


def _normal(z: Floats) -> Floats:
    """Return the density, in place of z. What is beyond ten is as at ten: numbers near nothing are slow to compute."""
    np.multiply(z, z, out=z)
    np.minimum(z, 100, out=z)
    np.multiply(z, -0.5, out=z)
    np.exp(z, out=z)
    z /= sqrt(2 * pi)
    return z
