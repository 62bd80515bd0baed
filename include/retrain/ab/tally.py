"""What a look has summed so far of a split test: numbers of days, phases, arms and metrics. It reads nothing."""

from collections import Counter
from dataclasses import dataclass, field
from datetime import datetime
from typing import NamedTuple

from retrain.ab.moments import Moments, pair
from retrain.arms import Baseline, Counts, Exposed, Pair
from retrain.spec.ab import Measured


class Cell(NamedTuple):
    """One arm in one phase, for one metric."""

    metric: str
    phase: int
    staging: bool


@dataclass
class Tally:
    units: Counter[tuple[datetime, int, bool]] = field(default_factory=Counter)
    """By day, phase, and whether the arm is Staging."""
    matured: Counter[Cell] = field(default_factory=Counter)
    moments: dict[Cell, Moments] = field(default_factory=dict)
    """Of the units with an outcome."""
    crossed: int = 0
    before: int = 0
    late: int = 0
    incomplete: int = 0

    def add(self, cell: Cell, moments: Moments) -> None:
        self.moments[cell] = self.moments.get(cell, Moments.none()) + moments

    def days(self) -> tuple[Exposed, ...]:
        return tuple(
            Exposed(
                day=day, phase=phase, production=self.units[day, phase, False], staging=self.units[day, phase, True]
            )
            for day, phase in sorted({(day, phase) for day, phase, _ in self.units})
        )

    def counts(self, primary: str) -> Counts:
        return Counts(
            exposed=self.units.total(),
            matured=sum(units for cell, units in self.matured.items() if cell.metric == primary),
            crossed=self.crossed,
            before=self.before,
            late=self.late,
            incomplete=self.incomplete,
        )

    def pair(self, metric: Measured, phase: int, fixed: Baseline) -> Pair:
        production, staging = (self._all(Cell(metric.name, phase, arm)) for arm in (False, True))
        return pair(production, staging, metric.kind, fixed)

    def _all(self, cell: Cell) -> Moments:
        """Return the moments of all units that have matured: those without an outcome add to their number alone."""
        found = self.moments.get(cell, Moments.none())
        return Moments(self.matured[cell], found.sums, found.products)
