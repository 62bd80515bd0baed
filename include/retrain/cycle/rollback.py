"""The verb `rollback`: a version that was in Production before goes back there."""

import logging

from retrain.cycle.context import Cycle
from retrain.errors import RollbackError
from retrain.production.apply import apply
from retrain.production.registry import Registry
from retrain.records import Promotion

log = logging.getLogger(__name__)


def rollback(cycle: Cycle, *, to: str | None = None, why: str, by: str | None = None) -> Promotion:
    """Put the version before, or the version `to`, back into Production. Run again, it takes back nothing more.

    Raises RollbackError if nothing is in Production, if there is no version to go back to, or if `to` was never there.
    """
    model, ledger = cycle.spec.model, cycle.ledger

    def in_production() -> str:
        version = apply(model, ledger, cycle.tracker)
        if version is None:
            raise RollbackError(f"{model}: nothing is in Production, so there is nothing to take back")
        return version

    # The version to take back is the one that was there at the first try.
    expects = ledger.once(cycle.key("rollback"), find=lambda: None, create=in_production)
    registry = Registry(ledger, cycle.tracker, cycle.snapshots, cycle.spec.trust)
    log.info("%s: version %s is taken back; %s.", model, expects, registry.choice(model, but=expects))
    return registry.rollback(model, expects=expects, to=to, by=cycle.by(by), why=why)
