"""The verb `freeze`: no version goes forward into Production for some days."""

from datetime import UTC, datetime, timedelta

from retrain.ledger.ledger import Ledger
from retrain.messages import texts


def freeze(
    ledger: Ledger, key: str, model: str | None, *, days: float, by: str, why: str, since: datetime | None = None
) -> None:
    """Keep the Production of a model as it is, and tell the team. Run again with the same key, it changes nothing.

    model: None for every model of this ledger. days: from `since`, by default now, on; 0 ends a freeze.
    """
    until = (since or datetime.now(UTC)) + timedelta(days=days)
    ledger.freeze(key, model, until=until, by=by, why=why, announcement=texts.of_freeze)
