"""What follows from sums of products, without a database: the adjustment by values of before."""

import numpy as np
import pytest

from retrain.ab.moments import PRODUCTS, Moments, baseline, pair
from retrain.spec.ab import Kind
from tests.core.ab.split_tables import fixed


def moments(values):
    """values: y, d, y of before and d of before, a row for each unit."""
    values = np.asarray(values, dtype=float)
    products = [float(values[:, one] @ values[:, other]) for one, other in PRODUCTS]
    return Moments.of(len(values), [*values.sum(axis=0), *products])


def drawn(seed, units, level):
    """Units of whom some were more active before, and are so still; level: of their denominators."""
    random = np.random.default_rng(seed)
    taste = random.gamma(2.0, level, units)
    before, d = random.poisson(taste), random.poisson(taste)
    return np.column_stack([d * random.uniform(0.2, 0.4, units), d, before * 0.3, before])


def test_moments_of_parts_are_those_of_the_whole():
    values = drawn(1, 100, 3.0)

    both = moments(values[:30]) + moments(values[30:])

    assert both.units == 100
    assert both.products == pytest.approx(moments(values).products)


def test_the_adjustment_makes_a_difference_sharper_and_moves_no_mean_of_both_arms():
    staging, production = drawn(2, 4000, 3.0), drawn(3, 4000, 3.0)
    whole = moments(np.vstack([staging, production]))
    weight = baseline("metric", Kind.COUNT, whole, None, exposed=True).weight

    plain = pair(moments(production), moments(staging), Kind.COUNT, fixed())
    sharp = pair(moments(production), moments(staging), Kind.COUNT, fixed(weight=weight))

    assert sharp.production.y + sharp.staging.y == pytest.approx(plain.production.y + plain.staging.y)
    assert sharp.production.yy + sharp.staging.yy < plain.production.yy + plain.staging.yy
    assert sharp.staging.d == sharp.staging.units == 4000


def test_units_who_were_less_active_before_than_those_of_the_baseline_keep_their_denominators():
    """With the baseline's own mean of before, 10, the denominators would be five times as great."""
    staging, production = moments(drawn(4, 4000, 0.5)), moments(drawn(5, 4000, 0.5))
    weights = fixed(weight=0.5, weight_per=0.5, before=3.0, before_per=10.0)

    found = pair(production, staging, Kind.RATIO, weights)

    assert found.production.d + found.staging.d == pytest.approx(production.sums[1] + staging.sums[1])
    assert found.staging.y / found.staging.d == pytest.approx(0.3, rel=0.02)


def test_nothing_follows_from_no_units():
    found = baseline("metric", Kind.RATIO, Moments.none(), None, exposed=False)

    assert (found.units, found.mean, found.deviation, found.weight, found.weight_per) == (0, 0.0, 0.0, 0.0, 0.0)
    assert pair(Moments.none(), Moments.none(), Kind.RATIO, found).staging.units == 0
