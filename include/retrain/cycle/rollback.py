"""The verb `rollback`: a version that was in Production goes back there."""

import logging

from retrain.cycle.context import Cycle
from retrain.errors import RollbackError
from retrain.ledger.promotions import were_in_production
from retrain.production.apply import apply
from retrain.production.registry import Registry
from retrain.records import Promotion

log = logging.getLogger(__name__)


def rollback(cycle: Cycle, *, to: str | None = None, why: str, by: str | None = None) -> Promotion:
    """Put the version before, or the one that is named, back into Production; run again, it takes back nothing more.

    Raises RollbackError where nothing is in Production, there is nothing to go back to, or `to` was never there.
    """
    model, ledger = cycle.spec.model, cycle.ledger

    def in_production() -> str:
        version = apply(model, ledger, cycle.tracker)
        if version is None:
            raise RollbackError(f"{model}: nothing is in Production, so there is nothing to take back")
        return version

    # What is to be taken back is what was there when this was first tried.
    expects = ledger.once(cycle.key("rollback"), find=lambda: None, create=in_production)
    were_there = were_in_production(ledger.history(model), but=expects)
    choice = ", ".join(were_there) or "none"
    log.info("%s: version %s is taken back; there were as well: %s.", model, expects, choice)
    if to is not None and to not in were_there:
        raise RollbackError(f"{model}: version {to} cannot go back into Production; choose from {choice}")
    registry = Registry(ledger, cycle.tracker, cycle.snapshots, cycle.spec.trust)
    return registry.rollback(model, expects=expects, to=to, by=cycle.by(by), why=why)
