"""How a round's tests share its alpha."""

import pytest

from retrain.gate.spending import alpha_of, false_a_year
from retrain.spec.gate import Gate, Spending


def parts(tests, spending):
    gate = Gate(alpha=0.05, tests=tests, spending=spending)
    return [alpha_of(gate, test) for test in range(1, tests + 1)]


@pytest.mark.parametrize("spending", Spending)
@pytest.mark.parametrize("tests", [1, 2, 3, 5, 20])
def test_the_tests_of_a_round_spend_all_of_its_alpha_and_no_more(tests, spending):
    assert sum(parts(tests, spending)) == pytest.approx(0.05)


def test_early_each_test_gets_half_of_what_is_left_and_the_last_two_get_the_same():
    assert [0.05 / each for each in parts(5, Spending.EARLY)] == pytest.approx([2, 4, 8, 16, 16])


def test_even_each_test_gets_the_same():
    assert parts(10, Spending.EVEN) == pytest.approx([0.005] * 10)


def test_a_test_beyond_the_round_has_the_level_of_the_last():
    assert alpha_of(Gate(), 9) == alpha_of(Gate(), 5)


def test_a_year_allows_alpha_for_each_round_that_opens():
    gate = Gate(alpha=0.05, round_rows=500)

    assert false_a_year(gate, 6_000) == pytest.approx(12 * 0.05)
    assert false_a_year(gate, 6_000, cycles_a_year=4) == pytest.approx(4 * 0.05)
    assert false_a_year(gate, 6_000, cycles_a_year=365) == pytest.approx(12 * 0.05)
