"""A product that two versions serve: units come, are shown an arm, buy or wait, by a true effect that is known."""

from contextlib import closing
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from typing import Any

import numpy as np
import psycopg2
from psycopg2.extras import execute_values

from retrain.arms import Split
from retrain.ledger.ledger import Ledger
from retrain.live.assignment import Arm, Experiment, assign
from stack.local import Running
from tests.core.ab import passing

_BUY, _WAIT = 0.2, 0.1
"""Shares of the units that do so in Production's arm."""


@dataclass
class Product:
    stack: Running
    name: str
    """Of its tables."""
    gain: float = 0.0
    """How many more units buy in Staging's arm."""
    slower: float = 0.0
    """How many more wait there."""
    lost: float = 0.0
    """Share of Staging's exposures that are never written."""
    units: int = 0
    dice: np.random.Generator = field(default_factory=lambda: np.random.default_rng(11))

    def section(self) -> dict[str, Any]:
        """Section `ab` of its spec."""
        own = {"unit": "user_id", "window": "1d"}
        outcomes = {each: {"table": f"{self.name}_{each}", "unit": own["unit"]} for each in ("bought", "waited")}
        return {
            "exposures": {"table": f"{self.name}_shown", "unit": own["unit"]},
            "primary": {"name": "bought", "outcome": outcomes["bought"], "window": own["window"]},
            "guardrails": [
                {
                    "name": "waited",
                    "better": "lower",
                    "margin": 0.05,
                    "outcome": outcomes["waited"],
                    "window": own["window"],
                }
            ],
            "effect": 0.05,
            "ramp": [{"share": 0.5}],
        }

    def open(self) -> None:
        self._execute(
            f"CREATE TABLE {self.name}_shown (user_id text, arm text, at timestamptz)",
            *(f"CREATE TABLE {self.name}_{each} (user_id text, at timestamptz)" for each in ("bought", "waited")),
        )

    def serve(self, split: Split, units: int, days: int) -> None:
        """Serve new units over the next days, as a program of the product's own would: by the id of the test."""
        shown, bought, waited = [], [], []
        for place in range(units):
            unit, self.units = f"user {self.units}", self.units + 1
            to = assign(unit, Experiment(split.id, 0.5))
            in_staging = to.arm is Arm.STAGING
            at = datetime.now(UTC) + (place + 1) * timedelta(days=days) / (units + 1)
            if not (in_staging and self.dice.random() < self.lost):
                shown.append((unit, to.arm.value, at))
            if self.dice.random() < _BUY + in_staging * self.gain:
                bought.append((unit, at + timedelta(hours=1)))
            if self.dice.random() < _WAIT + in_staging * self.slower:
                waited.append((unit, at + timedelta(minutes=1)))
        with closing(psycopg2.connect(self.stack.dsn("source"))) as database, database, database.cursor() as cursor:
            for table, rows in (("shown", shown), ("bought", bought), ("waited", waited)):
                execute_values(cursor, f"INSERT INTO {self.name}_{table} VALUES %s", rows)

    def wait(self, ledger_model: str, days: int) -> None:
        """Let the days pass, in the product and in the ledger."""
        tables = (f"{self.name}_{each}" for each in ("shown", "bought", "waited"))
        self._execute(*(f"UPDATE {each} SET at = at - interval '{days} days'" for each in tables))
        with closing(psycopg2.connect(self.stack.dsn("retrain"))) as database, database, database.cursor() as cursor:
            for statement in passing.statements(days, ledger_model):
                cursor.execute(statement)

    def _execute(self, *statements: str) -> None:
        with closing(psycopg2.connect(self.stack.dsn("source"))) as database, database, database.cursor() as cursor:
            for statement in statements:
                cursor.execute(statement)


def open_split(ledger: Ledger, model: str) -> Split:
    split = ledger.open_split(model)
    assert split is not None
    return split
