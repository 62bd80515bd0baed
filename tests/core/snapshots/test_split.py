"""A row's subset follows from its content, and a row that has trained never comes back to the holdout."""

from itertools import combinations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from retrain.records import Subset
from retrain.snapshots import split as rules
from retrain.snapshots.split import SUBSETS, UNASSIGNED, Rounds, in_range, no_rounds, opened, position, subsets_by_time
from retrain.spec.source import Split

SPLIT = Split(validation=0.3, holdout=0.3)
NO_ROUNDS = no_rounds(after=0)

contents = st.integers(-(2**63), 2**63 - 1)


def keys(*values):
    return np.array(values, dtype=np.int64)


def key_at(share):
    """A content key that lies at this share of the range."""
    return np.array([int(share * 2**64)], np.uint64).view(np.int64)[0]


def subsets_by_hash(cluster, split, known, round_rows):
    return rules.subsets_by_hash(cluster, split, opened(in_range(cluster, split), known, round_rows))


def names(found):
    return [SUBSETS[code] for code in found.code]


def rounds_of(content, found):
    assigned = found.holdout_round > UNASSIGNED
    return Rounds(content[assigned], found.holdout_round[assigned], found.current)


@pytest.mark.parametrize(
    ("share", "subset"),
    [
        (0.0, Subset.HOLDOUT),
        (0.29, Subset.HOLDOUT),
        (0.31, Subset.VALIDATION),
        (0.59, Subset.VALIDATION),
        (0.61, Subset.TRAIN),
        (0.999, Subset.TRAIN),
    ],
)
def test_ranges_of_the_keys_are_holdout_then_validation_then_training(share, subset):
    assert names(subsets_by_hash(keys(key_at(share)), SPLIT, NO_ROUNDS, round_rows=1)) == [subset]


@given(st.lists(contents, min_size=1))
def test_every_key_has_its_place_below_one(content):
    where = position(keys(*content))

    assert ((where >= 0) & (where < 1)).all()


def test_the_greatest_key_lies_below_one():
    assert position(np.array([2**64 - 1], np.uint64).view(np.int64))[0] < 1


@settings(deadline=None)
@given(
    batches=st.lists(st.lists(contents, max_size=12), min_size=1, max_size=6),
    round_rows=st.integers(1, 8),
)
def test_a_row_never_moves_from_training_to_holdout(batches, round_rows):
    content, known, before = keys(), NO_ROUNDS, {}
    may_become = {
        Subset.TRAIN: {Subset.TRAIN},
        Subset.VALIDATION: {Subset.VALIDATION},
        Subset.HOLDOUT: {Subset.HOLDOUT, Subset.TRAIN},
        Subset.WAITING: {Subset.WAITING, Subset.HOLDOUT},
    }
    for batch in batches:
        content = np.concatenate([content, keys(*batch)])
        found = subsets_by_hash(content, SPLIT, known, round_rows)
        now = dict(zip(content.tolist(), names(found), strict=True))

        for key, subset in before.items():
            assert now[key] in may_become[subset]
        known, before = rounds_of(content, found), now


@given(st.lists(contents, min_size=1, max_size=20), st.randoms())
def test_subsets_do_not_depend_on_the_order_of_the_rows(content, random):
    shuffled = random.sample(content, len(content))

    by_key = [
        dict(zip(some, names(subsets_by_hash(keys(*some), SPLIT, NO_ROUNDS, round_rows=5)), strict=True))
        for some in (content, shuffled)
    ]

    assert by_key[0] == by_key[1]


@given(contents, st.integers(2, 5))
def test_rows_with_the_same_content_are_in_one_subset(content, times):
    assert len(set(names(subsets_by_hash(keys(*[content] * times), SPLIT, NO_ROUNDS, round_rows=1)))) == 1


def test_the_first_round_opens_with_whatever_is_there():
    found = subsets_by_hash(keys(1, 2), SPLIT, NO_ROUNDS, round_rows=500)

    assert found.current == 1
    assert names(found) == [Subset.HOLDOUT, Subset.HOLDOUT]


def test_too_few_new_rows_wait_and_the_open_round_goes_on_judging():
    found = subsets_by_hash(keys(1, 2, 3, 4), SPLIT, Rounds(keys(1, 2), keys(1, 1), 1), round_rows=3)

    assert found.current == 1
    assert names(found) == [Subset.HOLDOUT, Subset.HOLDOUT, Subset.WAITING, Subset.WAITING]
    assert found.holdout_round.tolist() == [1, 1, UNASSIGNED, UNASSIGNED]


def test_enough_new_rows_open_the_next_round_and_send_the_old_ones_to_training():
    found = subsets_by_hash(keys(1, 2, 3, 4), SPLIT, Rounds(keys(1, 2), keys(1, 1), 1), round_rows=2)

    assert found.current == 2
    assert names(found) == [Subset.TRAIN, Subset.TRAIN, Subset.HOLDOUT, Subset.HOLDOUT]
    assert found.holdout_round.tolist() == [1, 1, 2, 2]


def test_copies_of_one_row_do_not_open_a_round():
    found = subsets_by_hash(keys(1, 3, 3, 3), SPLIT, Rounds(keys(1), keys(1), 1), round_rows=2)

    assert names(found) == [Subset.HOLDOUT, Subset.WAITING, Subset.WAITING, Subset.WAITING]


def test_a_copy_of_a_holdout_row_joins_its_round():
    found = subsets_by_hash(keys(1, 1), SPLIT, Rounds(keys(1), keys(1), 1), round_rows=1)

    assert found.holdout_round.tolist() == [1, 1]


def test_an_old_round_does_not_judge_again_when_the_rows_of_the_newest_are_deleted():
    found = subsets_by_hash(keys(1, 5), SPLIT, Rounds(keys(1), keys(1), 2), round_rows=500)

    assert found.current == 3
    assert names(found) == [Subset.TRAIN, Subset.HOLDOUT]


def test_no_rows_have_no_subsets():
    assert names(subsets_by_hash(keys(), SPLIT, NO_ROUNDS, round_rows=1)) == []


def test_shares_of_many_rows_are_those_of_the_split():
    content = np.random.default_rng(0).integers(-(2**63), 2**63 - 1, 20_000)

    code = subsets_by_hash(content, Split(validation=0.1, holdout=0.25), NO_ROUNDS, round_rows=1).code

    shares = np.bincount(code, minlength=len(SUBSETS)) / len(code)
    assert dict(zip(SUBSETS, shares, strict=True)) == pytest.approx(
        {Subset.TRAIN: 0.65, Subset.VALIDATION: 0.1, Subset.HOLDOUT: 0.25, Subset.WAITING: 0.0, Subset.GAP: 0.0},
        abs=0.02,
    )


def test_a_split_version_counts_its_rounds_on_from_the_one_before():
    assert subsets_by_hash(keys(1, 2), SPLIT, no_rounds(after=3), round_rows=1).current == 4
    assert subsets_by_time(keys(1, 2), days(1, 2), BY_TIME, no_rounds(after=3), round_rows=1).current == 4


# ── by time


BY_TIME = Split(by="time", validation=0.2, holdout=0.2)
GAPPED = Split(by="time", validation=0.2, holdout=0.2, gap="2d")


def days(*numbers):
    """Times on these days; None for a row without a label time."""
    return np.array(["NaT" if day is None else np.datetime64("2026-01-01") + day for day in numbers], "datetime64[us]")


def by_day(numbers, split=BY_TIME, content=None, known=NO_ROUNDS, round_rows=1_000):
    """The subsets of rows labelled on these days, each of a content of its own unless `content` is given."""
    content = keys(*(range(len(numbers)) if content is None else content))
    return subsets_by_time(content, days(*numbers), split, known, round_rows)


def letters(found):
    return "".join(name[0] for name in names(found))


def after(found):
    return Rounds(keys(), keys(), found.current, found.span)


def test_the_newest_rows_judge_and_those_before_them_choose():
    assert letters(by_day(range(10))) == "ttttttvvhh"


def test_subsets_follow_the_label_time_and_not_the_order_of_the_rows():
    assert letters(by_day([9, 0, 8, 1, 7, 2, 6, 3, 5, 4])) == "hthtvtvttt"


def test_rows_within_the_gap_before_validation_and_holdout_are_in_no_subset():
    assert letters(by_day(range(10), GAPPED)) == "ttggvvgghh"


def test_a_gap_longer_than_the_rows_go_back_leaves_none_to_train():
    assert letters(by_day(range(10), Split(by="time", gap="30d"))) == "gggggggghh"


def test_rows_of_one_moment_are_not_divided():
    assert letters(by_day([1, 2, 3, 4, 5, 6, 7, 8, 8, 8])) == "tttttvvhhh"
    assert letters(by_day([1, 1, 1])) == "hhh"


def test_a_row_without_a_label_time_is_in_no_subset():
    assert letters(by_day([None, *range(10), None])) == "gttttttvvhhg"


def test_rows_without_any_label_time_open_a_round_of_none():
    found = by_day([None, None])

    assert (letters(found), found.current, found.span) == ("gg", 1, None)
    assert letters(by_day(range(10), known=after(found))) == "ttttttvvhh"


def test_no_rows_have_no_subsets_by_time():
    assert letters(by_day([])) == ""


def test_too_few_later_rows_wait_and_the_open_round_goes_on_judging():
    found = by_day(range(13), known=after(by_day(range(10))), round_rows=4)

    assert (letters(found), found.current) == ("ttttttvvhhwww", 1)


def test_enough_later_rows_open_the_next_round_and_send_the_old_ones_to_training():
    found = by_day(range(14), GAPPED, known=after(by_day(range(10), GAPPED)), round_rows=4)

    assert (letters(found), found.current) == ("tttggvvvgghhhh", 2)
    assert found.holdout_round.tolist() == [UNASSIGNED] * 10 + [2] * 4


def test_a_row_that_arrives_late_falls_where_it_would_have_fallen():
    known = after(by_day(range(0, 20, 2)))

    late = by_day([*range(0, 20, 2), 3, 17, 19], known=known)

    assert letters(late)[10:] == "thw"


def test_a_round_whose_rows_are_gone_makes_place_for_whatever_waits():
    known = after(by_day(range(10)))

    assert letters(by_day(range(8), known=known)) == "ttttttvv"
    found = by_day([*range(8), 10], known=known)
    assert (letters(found), found.current) == ("ttttttvvh", 2)


def test_of_equal_contents_the_oldest_keeps_its_subset_and_copies_elsewhere_have_none():
    assert letters(by_day(range(10), content=[0, 1, 2, 3, 4, 5, 6, 0, 8, 6])) == "ttttttvghg"


def test_copies_in_one_subset_stay_there():
    assert letters(by_day(range(10), content=[0, 0, 0, 3, 4, 5, 6, 6, 8, 8])) == "ttttttvvhh"


def test_copies_of_older_rows_do_not_open_a_round():
    found = by_day(range(14), content=[*range(10), 1, 8, 8, 13], known=after(by_day(range(10))), round_rows=2)

    assert (letters(found), found.current) == ("ttttttvvhhgggw", 1)


arrivals = st.lists(st.lists(st.tuples(st.integers(0, 9), st.integers(0, 20) | st.none()), max_size=8), max_size=6)


@settings(deadline=None)
@given(batches=arrivals, round_rows=st.integers(1, 4), gap=st.sampled_from(["0d", "1d", "3d"]))
def test_by_time_no_content_that_has_trained_judges_later(batches, round_rows, gap):
    split = Split(by="time", validation=0.2, holdout=0.3, gap=gap)
    rows, known, trained = [], NO_ROUNDS, set()
    for batch in batches:
        rows += batch
        content = [content for content, _ in rows]
        found = by_day([day for _, day in rows], split, content, known, round_rows)

        on = {
            subset: {row for row, of in zip(content, names(found), strict=True) if of is subset} for subset in SUBSETS
        }
        assert not on[Subset.HOLDOUT] & trained
        subsets = [on[subset] for subset in SUBSETS if subset is not Subset.GAP]
        assert sum(map(len, subsets)) == len(set().union(*subsets))
        trained |= on[Subset.TRAIN] | on[Subset.VALIDATION]
        known = after(found)


@settings(deadline=None)
@given(batches=arrivals, gap=st.sampled_from([0, 1, 3]))
def test_by_time_what_trains_is_older_than_what_judges_by_the_gap(batches, gap):
    split, known, rows = Split(by="time", validation=0.2, holdout=0.3, gap=f"{gap}d"), NO_ROUNDS, []
    for batch in batches:
        rows += [day for _, day in batch]
        found = by_day(rows, split, known=known, round_rows=2)

        on = {subset: [day for day, of in zip(rows, names(found), strict=True) if of is subset] for subset in SUBSETS}
        subsets = (Subset.TRAIN, Subset.VALIDATION, Subset.HOLDOUT)
        for older, newer in combinations([on[subset] for subset in subsets if on[subset]], 2):
            assert max(older) + gap < min(newer)
        assert max(on[Subset.HOLDOUT], default=-1) < min(on[Subset.WAITING], default=99)
        known = after(found)
