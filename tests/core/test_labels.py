"""A class has one spelling, wherever it comes from."""

from decimal import Decimal
from unicodedata import normalize

import numpy as np
import pytest

from retrain.labels import WHITE_SPACE, code, spelled


@pytest.mark.parametrize(
    ("value", "spelling"),
    [
        (True, "true"),
        (np.bool_(False), "false"),
        (1, "1"),
        (np.int8(-3), "-3"),
        (1.0, "1"),
        (np.float32(0.5), "0.5"),
        (Decimal("1.00"), "1"),
        (Decimal("0.10"), "0.1"),
        (1e20, "100000000000000000000"),
        (float("nan"), "NaN"),
        (float("-inf"), "-Infinity"),
        ("1.0", "1.0"),
        ("True", "True"),
        (np.str_("좋다"), "좋다"),
        (normalize("NFD", "좋다"), "좋다"),
    ],
    ids=repr,
)
def test_each_value_has_one_spelling(value, spelling):
    assert spelled(value) == spelling


@pytest.mark.parametrize(
    ("value", "classes", "place"),
    [
        (1, ("false", "true"), 1),
        (0.0, ("false", "true"), 0),
        ("True", ("false", "true"), 1),
        (True, ("0", "1"), 1),
        (True, ("False", "True"), 1),
        (1.0, ("0", "1"), 1),
        (1, ("true",), 0),
        (2, ("false", "true"), None),
        (True, ("0", "1", "2"), None),
        ("yes", ("no", "yes"), 1),
        ("YES", ("no", "yes"), None),
        ("1.0", ("0", "1"), None),
        ("1", (), None),
        (None, ("0", "None"), None),
    ],
)
def test_a_value_is_compared_with_classes_as_what_it_is(value, classes, place):
    assert code(value, classes) == place


def test_white_space_of_any_kind_is_known():
    assert all(each in WHITE_SPACE for each in " \t\n\r\v\f\x1f\x85\xa0\u2003\u3000\u200b\ufeff")
    assert not any(each.isalnum() for each in WHITE_SPACE)
