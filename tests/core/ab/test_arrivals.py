"""How many units come, by a table of exposures."""

import pytest

from retrain.ab.units import FEWEST
from tests.core.ab.split_tables import OWN, day, did, shown, units, wanted


def test_a_unit_comes_once_on_its_first_day(schema):
    """1,000 come within ten days, each on two of them; nobody came before."""
    shown(schema, [(f"u{each}", "production", day(each % 10 + again)) for each in range(1_000) for again in (0, 3)])
    did(schema, [])
    came = units(schema, wanted()).arrivals(day(20))
    assert came == [*range(100, 1_001, 100), *[1_000] * 10]


def test_of_a_table_that_began_long_ago_a_test_would_have_met_the_last_days(schema):
    shown(schema, [(f"u{each}", "staging", day(each // 20)) for each in range(2_000)])
    did(schema, [])
    came = units(schema, wanted()).arrivals(day(100))
    assert (len(came), came[0], came[-1]) == (56, 20, 56 * 20)


@pytest.mark.parametrize("exposures", [None, OWN])
def test_of_few_units_it_is_not_known_how_many_come(schema, exposures):
    shown(schema, [(f"u{each}", "staging", day(0)) for each in range(FEWEST - 1)])
    did(schema, [])
    assert units(schema, wanted(exposures=exposures)).arrivals(day(3)) is None
