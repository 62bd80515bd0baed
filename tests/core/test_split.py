"""A row's side follows from its content, and it never comes back to the holdout once it has trained."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from retrain.nouns import Side
from retrain.spec import Split
from retrain.split import NO_EPOCHS, SIDES, UNASSIGNED, Epochs, position, sides

SPLIT = Split(validation=0.3, holdout=0.3)

contents = st.integers(-(2**63), 2**63 - 1)


def keys(*values):
    return np.array(values, dtype=np.int64)


def key_at(share):
    """A content key that lies at this share of the range."""
    return np.array([int(share * 2**64)], np.uint64).view(np.int64)[0]


def names(found):
    return [SIDES[code] for code in found.code]


def epochs_of(content, found):
    held = found.epoch > UNASSIGNED
    return Epochs(content[held], found.epoch[held], found.current)


@pytest.mark.parametrize(
    ("share", "side"),
    [
        (0.0, Side.HOLDOUT),
        (0.29, Side.HOLDOUT),
        (0.31, Side.VALIDATION),
        (0.59, Side.VALIDATION),
        (0.61, Side.TRAIN),
        (0.999, Side.TRAIN),
    ],
)
def test_ranges_of_the_keys_are_holdout_then_validation_then_training(share, side):
    assert names(sides(keys(key_at(share)), SPLIT, NO_EPOCHS, epoch_rows=1)) == [side]


@given(st.lists(contents, min_size=1))
def test_every_key_has_its_place_below_one(content):
    where = position(keys(*content))

    assert ((where >= 0) & (where < 1)).all()


def test_the_greatest_key_lies_below_one():
    assert position(np.array([2**64 - 1], np.uint64).view(np.int64))[0] < 1


@settings(deadline=None)
@given(
    batches=st.lists(st.lists(contents, max_size=12), min_size=1, max_size=6),
    epoch_rows=st.integers(1, 8),
)
def test_a_row_never_moves_from_training_to_holdout(batches, epoch_rows):
    content, known, before = keys(), NO_EPOCHS, {}
    may_become = {
        Side.TRAIN: {Side.TRAIN},
        Side.VALIDATION: {Side.VALIDATION},
        Side.HOLDOUT: {Side.HOLDOUT, Side.TRAIN},
        Side.WAITING: {Side.WAITING, Side.HOLDOUT},
    }
    for batch in batches:
        content = np.concatenate([content, keys(*batch)])
        found = sides(content, SPLIT, known, epoch_rows)
        now = dict(zip(content.tolist(), names(found), strict=True))

        for key, side in before.items():
            assert now[key] in may_become[side]
        known, before = epochs_of(content, found), now


@given(st.lists(contents, min_size=1, max_size=20), st.randoms())
def test_sides_do_not_depend_on_the_order_of_the_rows(content, random):
    shuffled = random.sample(content, len(content))

    by_key = [
        dict(zip(some, names(sides(keys(*some), SPLIT, NO_EPOCHS, epoch_rows=5)), strict=True))
        for some in (content, shuffled)
    ]

    assert by_key[0] == by_key[1]


@given(contents, st.integers(2, 5))
def test_rows_with_the_same_content_fall_on_one_side(content, times):
    assert len(set(names(sides(keys(*[content] * times), SPLIT, NO_EPOCHS, epoch_rows=1)))) == 1


def test_the_first_epoch_opens_with_whatever_is_there():
    found = sides(keys(1, 2), SPLIT, NO_EPOCHS, epoch_rows=500)

    assert found.current == 1
    assert names(found) == [Side.HOLDOUT, Side.HOLDOUT]


def test_too_few_new_rows_wait_and_the_open_epoch_goes_on_judging():
    found = sides(keys(1, 2, 3, 4), SPLIT, Epochs(keys(1, 2), keys(1, 1), 1), epoch_rows=3)

    assert found.current == 1
    assert names(found) == [Side.HOLDOUT, Side.HOLDOUT, Side.WAITING, Side.WAITING]
    assert found.epoch.tolist() == [1, 1, UNASSIGNED, UNASSIGNED]


def test_enough_new_rows_open_the_next_epoch_and_send_the_old_ones_to_training():
    found = sides(keys(1, 2, 3, 4), SPLIT, Epochs(keys(1, 2), keys(1, 1), 1), epoch_rows=2)

    assert found.current == 2
    assert names(found) == [Side.TRAIN, Side.TRAIN, Side.HOLDOUT, Side.HOLDOUT]
    assert found.epoch.tolist() == [1, 1, 2, 2]


def test_copies_of_one_row_do_not_open_an_epoch():
    found = sides(keys(1, 3, 3, 3), SPLIT, Epochs(keys(1), keys(1), 1), epoch_rows=2)

    assert names(found) == [Side.HOLDOUT, Side.WAITING, Side.WAITING, Side.WAITING]


def test_a_copy_of_a_holdout_row_joins_its_epoch():
    found = sides(keys(1, 1), SPLIT, Epochs(keys(1), keys(1), 1), epoch_rows=1)

    assert found.epoch.tolist() == [1, 1]


def test_an_old_epoch_does_not_judge_again_when_the_rows_of_the_newest_are_deleted():
    found = sides(keys(1, 5), SPLIT, Epochs(keys(1), keys(1), 2), epoch_rows=500)

    assert found.current == 3
    assert names(found) == [Side.TRAIN, Side.HOLDOUT]


def test_no_rows_have_no_sides():
    assert names(sides(keys(), SPLIT, NO_EPOCHS, epoch_rows=1)) == []


def test_shares_of_many_rows_are_those_of_the_split():
    content = np.random.default_rng(0).integers(-(2**63), 2**63 - 1, 20_000)

    code = sides(content, Split(validation=0.1, holdout=0.25), NO_EPOCHS, epoch_rows=1).code

    shares = np.bincount(code, minlength=len(SIDES)) / len(code)
    assert dict(zip(SIDES, shares, strict=True)) == pytest.approx(
        {Side.TRAIN: 0.65, Side.VALIDATION: 0.1, Side.HOLDOUT: 0.25, Side.WAITING: 0.0}, abs=0.02
    )
