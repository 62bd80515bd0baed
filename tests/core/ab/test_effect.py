"""Staging less Production: within phases, by the delta method for ratios, and weights that no outcome moves."""

from math import sqrt

import numpy as np
import pytest

from retrain.ab.effect import estimate, outcomes
from retrain.arms import Pair, Sums
from retrain.spec.ab import Kind
from tests.core.ab.makers import arms, binary, numbers


def sums(y, d=None):
    y = np.asarray(y, float)
    d = np.ones_like(y) if d is None else np.asarray(d, float)
    return Sums(units=len(y), y=y.sum(), d=d.sum(), yy=(y * y).sum(), dd=(d * d).sum(), yd=(y * d).sum())


def test_one_phase_is_a_difference_of_means_with_its_error():
    dice = np.random.default_rng(1)
    production, staging = dice.normal(3, 2, 400), dice.normal(4, 1, 300)
    found = estimate([Pair(production=sums(production), staging=sums(staging))])
    assert found.difference == pytest.approx(staging.mean() - production.mean())
    assert found.error == pytest.approx(sqrt(production.var(ddof=1) / 400 + staging.var(ddof=1) / 300))


def test_the_error_of_a_ratio_is_the_deviation_of_what_is_drawn_again_and_again():
    dice = np.random.default_rng(2)
    differences, errors = [], []
    for _ in range(2_000):
        arm = []
        for rate in (0.2, 0.25):
            views = dice.poisson(dice.gamma(2, 4, 500)) + 1
            clicks = dice.binomial(views, dice.beta(10 * rate, 10 * (1 - rate), 500))
            arm.append(sums(clicks, views))
        found = estimate([Pair(production=arm[0], staging=arm[1])])
        differences.append(found.difference)
        errors.append(found.error)
    assert np.mean(differences) == pytest.approx(0.05, abs=0.001)
    assert np.mean(errors) == pytest.approx(np.std(differences), rel=0.05)


def test_a_ramp_does_not_take_a_season_for_an_effect():
    # Staging has most of its units in the second phase, where all buy more: pooled, it would be ahead by 0.05.
    first = Pair(production=binary(9_000, 0.1), staging=binary(1_000, 0.1))
    second = Pair(production=binary(5_000, 0.2), staging=binary(5_000, 0.2))
    found = estimate([first, second])
    assert found.difference == 0
    assert found.error > 0


def test_phases_count_by_their_units_alone():
    found = estimate([arms(0.1, 0.2, units=3_000), arms(0.1, 0.1, units=1_000)])
    assert found.difference == pytest.approx(0.75 * 0.1)
    parts = [estimate([each]).error for each in (arms(0.1, 0.2, units=3_000), arms(0.1, 0.1, units=1_000))]
    assert found.error == pytest.approx(sqrt((0.75 * parts[0]) ** 2 + (0.25 * parts[1]) ** 2))


@pytest.mark.parametrize("staging", [sums([]), sums([1.0]), sums([0.0, 0.0], [0.0, 0.0])])
def test_without_two_units_and_a_denominator_in_each_arm_nothing_is_known(staging):
    assert estimate([Pair(production=sums([1.0, 0.0]), staging=staging)]) is None
    assert estimate([]) is None


def test_a_phase_that_has_hardly_begun_does_not_hide_the_others():
    begun = Pair(production=sums([1.0]), staging=sums([]))
    assert estimate([arms(0.1, 0.2), begun]) == estimate([arms(0.1, 0.2)])


def test_equal_values_have_no_error_below_zero_by_rounding():
    same = sums([0.1] * 1_000)
    assert estimate([Pair(production=same, staging=same)]).error == pytest.approx(0, abs=1e-9)


def test_outcomes_of_a_yes_or_no_are_the_rarer_answers_of_both_arms():
    assert outcomes([arms(0.01, 0.02, units=1_000), arms(0.01, 0.02, units=1_000)], Kind.BINARY) == 60
    assert outcomes([arms(0.99, 0.97, units=1_000)], Kind.BINARY) == pytest.approx(40)


def test_an_arm_that_has_lost_all_of_its_outcomes_does_not_hide_behind_that():
    assert outcomes([arms(0.5, 0, units=1_000)], Kind.BINARY) == 500
    assert outcomes([arms(0, 0, units=1_000)], Kind.BINARY) == 0


def test_a_few_great_amounts_are_few_outcomes():
    even, uneven = sums([10.0] * 100), sums([1.0] * 99 + [901.0])
    assert outcomes([Pair(production=even, staging=even)], Kind.AMOUNT) == pytest.approx(200)
    assert outcomes([Pair(production=even, staging=uneven)], Kind.AMOUNT) < 5


def test_a_ratio_needs_both_of_its_sums():
    clicks = sums([1.0] * 200, [1.0] * 199 + [5_000.0])
    assert outcomes([Pair(production=clicks, staging=clicks)], Kind.RATIO) < 3
    assert outcomes([Pair(production=numbers(50, 1, 0), staging=numbers(60, 1, 0))], Kind.RATIO) == pytest.approx(110)
