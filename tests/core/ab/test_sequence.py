"""Bounds over all looks: held against published figures, and against drawn Brownian motions."""

from math import isinf, sqrt
from statistics import NormalDist

import numpy as np
import pytest

from retrain.ab.sequence import Moment, Side, mixed, reach, share, spent, tuned
from retrain.spec.ab import Method

WEEKS = [Moment(float(day), day / 56) for day in range(1, 57)]
DICE = np.random.default_rng(28)
DRAWN = np.cumsum(DICE.normal(size=(100_000, 56)), axis=1) / np.sqrt(np.arange(1, 57))
"""Tests without an effect, a look a day, in standard errors."""


def bounds(side, level=0.025, moments=WEEKS):
    return spent(moments, side, level)


def test_a_mixture_has_the_bound_of_confseq():
    # gostevehoward/confseq, test/uniform_boundaries_unittest.cpp (commit 53f1ce8), "from a reference implementation in
    # R": OneSidedNormalMixture(v_opt=100, alpha_opt=0.05).bound(100, log(1 / 0.05)) = 27.66071, on a sum of variance
    # 100; its rho is TwoSidedNormalMixture::best_rho(100, 0.10). best_rho(100, 0.05) = 12.60056.
    effect = 2.8 / sqrt(100)  # at which we tune for an information of 100
    assert tuned(effect, 0.05 / 2) == pytest.approx(12.60056, abs=1e-5)
    assert mixed(100, tuned(effect, 0.05), 0.05) * sqrt(100) == pytest.approx(27.66071, abs=1e-5)


def test_alpha_spent_as_by_obrien_and_fleming_has_the_bounds_of_the_literature():
    # Five equal looks at a one-sided 0.025: 4.8769, 3.3569, 2.6803, 2.2898, 2.0310 (Jennison and Turnbull 2000; the
    # packages ldbounds, gsDesign (sfLDOF) and rpact (asOF) print them). The first would spend less than we ever do.
    found = bounds(Side.GOOD, moments=[Moment(float(place), place / 5) for place in range(1, 6)])
    assert isinf(found[0])
    assert found[1:] == pytest.approx([3.3569, 2.6803, 2.2898, 2.0310], abs=1e-4)


@pytest.mark.parametrize("side", Side)
@pytest.mark.parametrize("level", [0.025, 0.025 / 21])
def test_as_many_tests_cross_as_may(side, level):
    crossed = (bounds(side, level) < DRAWN).any(axis=1).mean()
    assert crossed == pytest.approx(level, abs=4 * sqrt(level / len(DRAWN)))


def test_a_mixture_is_crossed_by_no_more_than_may_however_long_one_looks():
    information = np.geomspace(1, 1e5, 200)
    steps = np.diff(information, prepend=0)
    walks = np.cumsum(np.random.default_rng(5).normal(size=(20_000, 200)) * np.sqrt(steps), axis=1)
    rho = tuned(2.8 / sqrt(1_000), 0.025)
    crossed = (walks / np.sqrt(information) > [mixed(each, rho, 0.025) for each in information]).any(axis=1).mean()
    assert 0.012 < crossed < 0.025


def test_information_that_comes_by_a_ramp_is_spent_as_exactly():
    grown = np.concatenate([np.full(14, 1.0), np.full(14, 10.0), np.full(28, 50.0)]).cumsum()
    found = bounds(Side.GOOD, moments=[Moment(each, (day + 1) / 56) for day, each in enumerate(grown)])
    walks = np.cumsum(DICE.normal(size=(100_000, 56)) * np.sqrt(np.diff(grown, prepend=0)), axis=1) / np.sqrt(grown)
    assert (walks > found).any(axis=1).mean() == pytest.approx(0.025, abs=0.002)


def test_looks_without_news_and_information_that_shrinks_do_not_err_more_often():
    grown = np.repeat(np.arange(1.0, 9.0), 7)
    shrunk = [Moment(each * (0.98 if day % 7 == 6 else 1), (day + 1) / 56) for day, each in enumerate(grown)]
    walks = np.repeat(DRAWN[:, :8], 7, axis=1)
    assert (walks > bounds(Side.BAD, moments=shrunk)).any(axis=1).mean() <= 0.0255


def test_what_would_be_harm_is_seen_earlier_than_what_would_be_promoted():
    good, bad = bounds(Side.GOOD), bounds(Side.BAD)
    assert all(isinf(each) for each in good[:7])
    assert bad[0] < 3.4
    assert good[-1] < 2.2 < bad[-1] < 2.5


def extended(day, longest=84):
    """Looks a day; at this one, of 56 days, the end moves away."""
    moved = Moment(float(day + 1), (day + 1) / longest, day / longest)
    return [*WEEKS[:day], moved, *(Moment(float(each), each / longest) for each in range(day + 2, longest + 1))]


@pytest.mark.parametrize("side", Side)
def test_an_end_that_moves_away_leaves_spent_what_is_spent(side):
    found = bounds(side, moments=extended(40))
    assert found[:40] == bounds(side)[:40]
    steps = np.random.default_rng(6).normal(size=(100_000, 84))
    walks = np.cumsum(steps, axis=1) / np.sqrt(np.arange(1, 85))
    assert (walks > found).any(axis=1).mean() == pytest.approx(0.025, abs=0.002)


@pytest.mark.parametrize("side", Side)
def test_a_test_whose_end_has_moved_away_is_watched_on_from_the_next_day(side):
    assert max(bounds(side, moments=extended(40))[40:]) < 3.3


def test_time_that_passes_without_a_look_is_not_lost():
    sparse = [WEEKS[6], WEEKS[30], WEEKS[55]]
    assert bounds(Side.BAD, moments=sparse) == bounds(
        Side.BAD, moments=[sparse[0], sparse[1]._replace(since=7 / 56), sparse[2]._replace(since=31 / 56)]
    )
    walks = DRAWN[:, [6, 30, 55]]
    assert (walks > bounds(Side.BAD, moments=sparse)).any(axis=1).mean() == pytest.approx(0.025, abs=0.002)


def test_an_extension_by_whoever_likes_what_is_seen_errs_little_more():
    # Whoever extends where the test is close to its bound, and else does not, chooses the better of two tests.
    plain, further = np.array(bounds(Side.GOOD)), np.array(bounds(Side.GOOD, moments=extended(50)))
    walks = np.cumsum(np.random.default_rng(7).normal(size=(200_000, 84)), axis=1) / np.sqrt(np.arange(1, 85))
    before = (walks[:, :50] > plain[:50]).any(axis=1)
    rest, longer = (walks[:, 50:56] > plain[50:]).any(axis=1), (walks[:, 50:] > further[50:]).any(axis=1)
    worst = max((before | np.where(walks[:, 49] < limit, longer, rest)).mean() for limit in np.linspace(0, 2.2, 12))
    assert worst < 0.030


def test_time_that_has_not_begun_spends_nothing_and_all_is_spent_at_the_end():
    for side in Side:
        assert share(0, side, 0.025) == 0
        assert share(1, side, 0.025) == pytest.approx(0.025)
        assert share(2, side, 0.025) == pytest.approx(0.025)


def test_each_look_follows_from_those_before_alone():
    found = bounds(Side.GOOD, moments=WEEKS[:30])
    assert found == bounds(Side.GOOD)[:30]


def test_a_look_a_day_for_years_is_gone_through():
    assert bounds(Side.BAD, moments=[Moment(float(day), day / 1_500) for day in range(1, 1_501)])[-1] > 2.4


def test_a_method_says_how_far_an_interval_reaches():
    found = {each: reach(each, WEEKS, Side.GOOD, level=0.025, effect=2.8 / sqrt(56)) for each in Method}
    fixed = NormalDist().inv_cdf(0.975)
    assert fixed < found[Method.GROUP_SEQUENTIAL] < 2.2
    assert 2.7 < found[Method.ALWAYS_VALID] < 3.1
