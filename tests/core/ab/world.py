"""A model with a version in Production and one in Staging, units that were split between them, and what these did."""

import json
from typing import Any
from uuid import uuid4

from retrain.ab.begin import begin
from retrain.ab.look import Looked, look
from retrain.ab.testing import Testing
from retrain.ab.units import Units
from retrain.arms import Split
from retrain.records import Outcome
from retrain.spec.ab import SplitTest
from tests.core.ab import passing
from tests.core.conftest import Make, World
from tests.core.cycle.looking import asking_for_gain, promoted

BOUGHT = {"name": "bought", "outcome": {"table": "did"}, "window": "1d"}
SLOW = {"name": "slow", "kind": "count", "outcome": {"table": "waited", "value": "value"}, "better": "lower"}
AB = {"primary": BOUGHT, "exposures": {"table": "shown"}, "effect": 0.05, "ramp": [{"share": 0.5}]}


def two_versions(make: Make) -> World:
    """Version 1 is in Production, version 2 is in Staging; a mould for `cast`."""
    model = asking_for_gain(promoted(make))
    model.feed(600)
    _, verdict = model.judge()
    assert (verdict.outcome, verdict.matchup.version) == (Outcome.HOLD, "2")
    model.tracker.transition_model_stage(model.model, "2", "Staging")
    model.execute("CREATE TABLE shown (unit text, arm text, at timestamptz)")
    model.execute("CREATE TABLE did (unit text, at timestamptz, value float8)")
    model.execute("CREATE TABLE waited (unit text, at timestamptz, value float8)")
    model.headlines()
    return model


def wanting(model: World, **changes: Any) -> World:
    ab = SplitTest.model_validate_json(json.dumps(AB | changes))
    model.spec = model.spec.model_copy(update={"ab": ab})
    return model


def stores(model: World) -> Testing:
    units = Units(model.database.connect, model.spec, {}, model.ledger.exposures)
    return Testing(model.spec, units, model.ledger, model.tracker, model.snapshots)


def begun(model: World, days_ago: int = 20, **how: Any) -> Split:
    """A test that began some days ago."""
    begin(stores(model), key=uuid4().hex, by="Kim", why="a new ranking", **how)
    since_then(model, days_ago)
    split = model.ledger.open_split(model.model)
    assert split is not None
    return split


def since_then(model: World, days: int) -> None:
    """Let as many days pass for the test that is under way: its times move back."""
    for statement in passing.statements(days, model.model):
        model.execute(statement)
    for table in ("shown", "did", "waited"):
        model.execute(f"UPDATE {table} SET at = at - interval '{days} days'")


def split_units(model: World, units: int, *, days: int = 20, staging: float = 0.5) -> None:
    """Expose as many units over the last days, an arm after the other, and some more of one where shares are wrong."""
    every = round(1 / staging, 6)
    model.execute(
        f"INSERT INTO shown SELECT 'u' || i, CASE WHEN floor(i / {every}) > floor((i - 1) / {every}) "
        "THEN 'staging' ELSE 'production' END, "
        f"now() - interval '{days} days' + i * interval '{days} days' / {units} + interval '1 second' "
        f"FROM generate_series(1, {units - 1}) i"
    )


def buying(model: World, production: float, staging: float) -> None:
    """Let a share of the units of each arm buy, an hour after they were exposed."""
    _doing(model, "did", production, staging)


def waiting(model: World, production: float, staging: float) -> None:
    _doing(model, "waited", production, staging)


def _doing(model: World, table: str, production: float, staging: float) -> None:
    model.execute(
        f"INSERT INTO {table} SELECT unit, at + interval '1 hour', 1 FROM shown WHERE "
        "('x' || substr(md5(unit), 1, 8))::bit(32)::bigint / 4294967296.0 < "
        f"CASE arm WHEN 'staging' THEN {staging} ELSE {production} END"
    )


def looked(model: World) -> Looked:
    found = look(stores(model))
    assert found is not None
    return found
