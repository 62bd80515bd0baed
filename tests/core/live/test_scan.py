"""The alarm on Production errs as often as it may, however often it looks, and sees what is lost."""

import tracemalloc
from math import inf, isnan, nan, sqrt
from statistics import NormalDist

import numpy as np
import pytest

from retrain.live.scan import Look, Promise, Window, scan, windows_of

DEVIATION = 0.4
"""Of one row's score."""
ROWS = 500
PROMISE = Promise(0.8, DEVIATION / sqrt(2_000))
ALPHA = 0.05


def look(number, scores, rows=ROWS, years=None):
    """The look at which so many cohorts have closed; a score for each window, or one for all."""
    lengths = windows_of(number)
    scores = [scores] * len(lengths) if isinstance(scores, float) else scores
    windows = (Window(each, score, DEVIATION / sqrt(each * rows)) for each, score in zip(lengths, scores, strict=True))
    return Look(rows, number / 52 if years is None else years, tuple(windows))


def weeks(*scores):
    """A look after each of the weeks with these scores."""
    return [
        look(number, [float(np.mean(scores[number - each : number])) for each in windows_of(number)])
        for number in range(1, len(scores) + 1)
    ]


def scanned(looks, id="scan", promise=PROMISE, **changes):
    return scan(id, promise, looks, **{"sign": 1, "margin": 0.0, "alpha": ALPHA, **changes})


def test_the_windows_are_the_last_month_the_last_quarter_and_all():
    assert [windows_of(each) for each in (1, 4, 5, 13, 14, 60)] == [
        (1,),
        (4,),
        (4, 5),
        (4, 13),
        (4, 13, 14),
        (4, 13, 60),
    ]


def kept_and_watched(number, drop=0.0, since=0):
    """A holdout and a year of weeks, drawn: whether the scan raised an alarm before the drop, and after it."""
    rng = np.random.default_rng([7, number])
    true = 0.8 - drop * (np.arange(52) >= since)
    promise = Promise(0.8 + PROMISE.error * rng.normal(), PROMISE.error)
    alarms = [
        each.alarm
        for each in scanned(
            weeks(*(true + DEVIATION / sqrt(ROWS) * rng.normal(size=52))), str(number), promise, draws=1_000
        )
    ]
    return any(alarms[:since]), any(alarms[since:])


def test_a_model_that_keeps_its_promise_raises_an_alarm_in_alpha_of_the_years():
    false = np.mean([kept_and_watched(number)[1] for number in range(200)])

    assert 0.01 <= false <= 0.096  # .05, and three standard errors of 200 years


def test_a_loss_of_five_points_in_the_middle_of_the_year_is_seen():
    assert np.mean([kept_and_watched(number, 0.05, 26)[1] for number in range(60)]) >= 0.9


def test_the_first_look_has_the_part_of_alpha_that_its_time_is_of_a_year():
    for years in (0.02, 0.5):
        (found,) = scanned([look(1, 0.8, years=years)])

        assert found.bound == pytest.approx(NormalDist().inv_cdf(1 - ALPHA * years), abs=0.1)


def test_a_window_that_is_there_twice_costs_nothing():
    looks = weeks(*[0.8] * 10)
    twice = [Look(each.rows, each.years, each.windows * 2) for each in looks]

    assert scanned(twice) == scanned(looks)


def test_windows_that_overlap_cost_less_than_as_many_tests():
    looks = weeks(*[0.8] * 20)
    found = scanned(looks)
    allowed = sum(len(at.windows) * (1 - NormalDist().cdf(each.bound)) for each, at in zip(found, looks, strict=True))

    assert allowed > 1.5 * ALPHA * 20 / 52


def test_the_holdouts_noise_is_that_of_all_looks():
    """With a holdout that says little, twenty looks are nearly one test."""
    looks = weeks(*[0.8] * 20)
    little, much = (scanned(looks, promise=Promise(0.8, error))[-1].bound for error in (1.0, 0.0001))

    # All of alpha until now in one test.
    assert little == pytest.approx(NormalDist().inv_cdf(1 - ALPHA * 20 / 52), abs=0.35)
    assert much > little + 0.2


def test_what_a_look_has_shown_is_computed_again_from_the_looks_and_a_further_one_changes_nothing():
    looks = weeks(*np.random.default_rng(3).normal(0.79, 0.02, size=20))

    assert scanned(looks) == scanned(looks)
    assert scanned(looks)[:15] == scanned(looks[:15])
    assert scanned(looks) != scanned(looks, id="another")


def test_other_paths_that_are_held_to_the_bounds_pass_them_as_often_as_the_time_allows():
    """Cohorts of unequal sizes, and three windows; the paths are means of normal rows, and know nothing of the scan."""
    rows = np.array([100, 900, 400, 400, 1_000, 200, 300, 700, 500, 500, 800, 100, 600, 600, 400])
    years = np.arange(1, 16) / 15
    rng, paths = np.random.default_rng(5), 10_000
    shared = PROMISE.error * rng.normal(size=paths)
    sums = rng.normal(size=(paths, 15)) * np.sqrt(rows) * DEVIATION
    looks, losses = [], []
    for closed in range(1, 16):
        parts = [slice(closed - each, closed) for each in windows_of(closed)]
        errors = [DEVIATION / sqrt(rows[part].sum()) for part in parts]
        means = [sums[:, part].sum(axis=1) / rows[part].sum() for part in parts]
        lengths = windows_of(closed)
        looks.append(
            Look(
                int(rows[closed - 1]),
                float(years[closed - 1]),
                tuple(Window(each, 0.8, error) for each, error in zip(lengths, errors, strict=True)),
            )
        )
        losses.append(
            np.max(
                [(shared - mean) / np.hypot(error, PROMISE.error) for mean, error in zip(means, errors, strict=True)],
                axis=0,
            )
        )

    bounds = [each.bound for each in scanned(looks, alpha=0.3)]
    passed = np.maximum.accumulate(bounds < np.array(losses).T, axis=1).mean(axis=0)

    assert passed == pytest.approx(0.3 * years, abs=0.02)


def test_a_loss_within_the_margin_is_no_alarm():
    looks = weeks(*[0.77] * 30)

    assert scanned(looks)[-1].alarm
    assert not scanned(looks, margin=0.03)[-1].alarm
    assert scanned(looks, margin=0.03)[-1].z == pytest.approx(0)


def test_where_less_is_better_more_is_a_loss():
    better, worse = weeks(*[0.7] * 30), weeks(*[0.9] * 30)

    assert [scanned(each, sign=-1)[-1].alarm for each in (better, worse)] == [False, True]
    assert [scanned(each, sign=1)[-1].alarm for each in (better, worse)] == [True, False]
    assert scanned(weeks(*[0.83] * 30), sign=-1, margin=0.03)[-1].z == pytest.approx(0)


def test_an_alarm_names_its_window():
    found = scanned(weeks(*[0.8] * 40, *[0.7] * 4))[-1]
    slow = scanned(weeks(*[0.787] * 52))[-1]

    assert (found.alarm, found.window) == (True, 0)
    assert slow.window == 2


@pytest.mark.parametrize(
    ("score", "error"), [(nan, 0.01), (inf, 0.01), (0.5, 0.0), (0.5, nan), (0.5, inf), (0.5, -0.01)]
)
def test_a_window_without_a_score_does_not_count(score, error):
    looks = weeks(*[0.8] * 6)
    odd = Window(4, score, error)
    without = [*looks[:5], Look(ROWS, 6 / 52, looks[5].windows[1:])]
    looks[5] = Look(ROWS, 6 / 52, (odd, looks[5].windows[1]))

    found, alone = scanned(looks)[-1], scanned(without)[-1]

    assert (found.z, found.bound) == (alone.z, alone.bound)
    assert (found.window, alone.window) == (1, 0)


def test_a_look_without_a_score_decides_nothing_and_spends_nothing():
    looks = weeks(*[0.8] * 6)
    blind = [*(Look(each.rows, each.years, ()) for each in looks[:5]), looks[5]]

    *first, last = scanned(blind)

    assert all(isnan(each.z) and (each.window, each.bound, each.alarm) == (-1, inf, False) for each in first)
    # What five looks did not spend is there for the sixth.
    assert last.bound < scanned(looks)[5].bound - 0.1


@pytest.mark.parametrize("promise", [Promise(nan, 0.01), Promise(0.8, nan), Promise(inf, 0.01)])
def test_without_a_promise_nothing_is_decided(promise):
    assert not any(each.alarm or each.bound < inf for each in scanned(weeks(*[0.1] * 5), promise=promise))


def test_alpha_too_small_for_the_draws_raises_no_alarm():
    assert scanned([look(1, 0.0)], alpha=1e-6)[0].bound == inf


def test_after_more_years_than_paths_are_quiet_a_gain_is_still_no_alarm():
    first, late = scanned([look(1, 0.9), look(2, 0.9, years=40.0)])

    assert first.bound > 2
    assert (late.bound, late.alarm) == (0, False)


@pytest.mark.parametrize("rows", [0, -1])
def test_a_cohort_without_rows_is_refused(rows):
    with pytest.raises(ValueError, match=f"cohort 1 has {rows} rows"):
        scanned([look(1, 0.8), Look(rows, 0.1, (Window(2, 0.8, 0.01),))])


@pytest.mark.parametrize("cohorts", [0, 3])
def test_a_window_of_cohorts_that_there_are_not_is_refused(cohorts):
    with pytest.raises(ValueError, match=f"a window of {cohorts} cohorts, at a look at which 2 have closed"):
        scanned([look(1, 0.8), Look(ROWS, 0.1, (Window(cohorts, 0.8, 0.01),))])


def test_ten_years_of_weeks_take_the_memory_of_a_quarter():
    looks = weeks(*[0.8] * 520)
    tracemalloc.start()
    try:
        scanned(looks, draws=4_000)
        _, peak = tracemalloc.get_traced_memory()
    finally:
        tracemalloc.stop()

    assert peak < 40 * 4_000 * 8
