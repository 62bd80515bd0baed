"""A model in Production for some weeks, and rows that are labelled meanwhile."""

from datetime import UTC, datetime, timedelta

from retrain.live.observing import Observing
from retrain.source.served import Served
from retrain.source.table import FIRST_MONDAY
from tests.core.conftest import Make, World
from tests.core.cycle.looking import promoted

WEEK = timedelta(days=7)


def week(ago: int) -> datetime:
    """Return when the week begins that ended so many weeks ago; 0: the one that has not ended."""
    return FIRST_MONDAY + ((datetime.now(UTC) - FIRST_MONDAY) // WEEK - ago) * WEEK


def in_production_for_weeks(make: Make) -> World:
    """Version 1 is in Production since ten weeks ago; a mould for `cast`."""
    model = promoted(make)
    came(model, "1", week(10))
    return model


def came(model: World, version: str, at: datetime) -> None:
    """Let a version have come into Production at another time than now."""
    model.execute(
        f"UPDATE retrain.promotions SET applied_at = '{at.isoformat()}' "
        f"WHERE model = '{model.model}' AND to_version = '{version}'"
    )


def observing(model: World) -> Observing:
    of = model.spec.predictions
    served = None if of is None else Served(model.source, of)
    return Observing(model.spec, model.source, model.snapshots, model.ledger, model.tracker, served)


def labelled(model: World, rows: int, begins: datetime, **how: float) -> None:
    """Add rows that are labelled a second apart, from this time on."""
    model.feed(rows, start=begins - timedelta(seconds=model._rows), **how)
