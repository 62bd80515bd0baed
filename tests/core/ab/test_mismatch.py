"""Arms of unequal shares are found soon, and equal ones are hardly ever taken for that, however often one looks."""

from datetime import UTC, datetime

import numpy as np
import pytest

from retrain.ab.mismatch import mismatch
from retrain.arms import SURE, Exposed

DAY = datetime(2026, 1, 5, tzinfo=UTC)


def day(production, staging, phase=0):
    return Exposed(day=DAY, phase=phase, production=production, staging=staging)


def test_nothing_seen_is_nothing_wrong():
    assert mismatch([]) == 1
    assert mismatch([day(0, 0)]) == 1


def test_what_was_sure_once_stays_sure():
    assert mismatch([day(500, 500)], before=0.0004) == 0.0004


def test_more_units_in_either_arm_are_found():
    assert mismatch([day(49_000, 51_000)]) == mismatch([day(51_000, 49_000)]) < SURE
    assert mismatch([day(49_900, 50_100)]) == 1


def test_a_phase_is_held_to_its_own_shares():
    # Together they are equal: each phase is not.
    assert mismatch([day(4_600, 5_400), day(5_400, 4_600, phase=1)]) < SURE
    assert mismatch([day(4_600, 5_400), day(5_400, 4_600)]) == 1


def test_days_of_a_phase_count_together():
    assert mismatch([day(4_900, 5_100)] * 10) == mismatch([day(49_000, 51_000)])


def test_a_huge_test_has_a_number_that_is_one():
    assert mismatch([day(20_000_000, 30_000_000)]) == 0


@pytest.mark.parametrize(("share", "least", "most"), [(0.5, 0, 0.0035), (0.49, 0.93, 1)])
def test_fifty_daily_looks_find_what_is_wrong_and_err_less_than_once_in_a_thousand(share, least, most):
    dice = np.random.default_rng(4)
    found = 0
    for _ in range(1_000):
        staging, p = dice.binomial(2_000, share, 50).cumsum(), 1.0
        for look, units in enumerate(staging, 1):
            p = mismatch([day(2_000 * look - int(units), int(units))], p)
        found += p < SURE
    assert least <= found / 1_000 <= most
