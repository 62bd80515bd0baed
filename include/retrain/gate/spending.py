"""What part of a round's alpha each of its tests gets, and how many false promotions that allows in a year."""

from retrain.spec.gate import Gate, Spending


def alpha_of(gate: Gate, test: int) -> float:
    """Return the level of a round's test, from 1; after the last one, that of the last. All of them sum to alpha.

    Valid whatever the tests have in common, by the union bound (Bonferroni).
    """
    if gate.spending is Spending.EVEN or gate.tests == 1:
        return gate.alpha / gate.tests
    halvings = max(1, min(test, gate.tests - 1))
    return gate.alpha * 0.5**halvings


def false_a_year(gate: Gate, holdout_rows_a_year: float, cycles_a_year: float | None = None) -> float:
    """Return how many promotions of what the proof excludes the gate allows in a year, at most.

    Each round allows alpha of them, and a cycle opens one round at most, however many rows wait. cycles_a_year: where
    it is known.
    """
    rounds = holdout_rows_a_year / gate.round_rows
    return gate.alpha * (rounds if cycles_a_year is None else min(rounds, cycles_a_year))
