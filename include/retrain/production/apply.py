"""Apply promotions: the ledger decides, MLflow follows (DESIGN rule 1).

A row in the ledger decides a promotion; the next process that calls `apply` carries it out. Under the model's lock it
sets the alias (the commit point), then the stage, reads both back, and marks the row as applied. If it is killed at any
point, the next caller goes on from what it finds; nothing is withdrawn.
"""

import logging
import time

from retrain.errors import LedgerError, NoAnswerError, TrackerError
from retrain.ledger.ledger import Ledger
from retrain.ledger.promotions import LockedProduction
from retrain.messages import texts
from retrain.records import Move, Promotion
from retrain.tracker.client import ExperimentTracker
from retrain.tracker.transport import DEADLINE

log = logging.getLogger(__name__)

_BY_HAND = "somebody, outside of Retrain"


def apply(model: str, ledger: Ledger, tracker: ExperimentTracker) -> str | None:
    """Carry out what the ledger has decided, and return the version that is in Production then.

    A change that somebody made by hand is recorded and announced, never overwritten. Raises NoAnswerError if MLflow
    does not answer: the promotion then stays decided, and the next caller carries it out.
    """
    pending = None
    try:
        with ledger.lock_production(model) as production:
            owner = tracker.production(model)
            pending = production.pending()
            if pending is not None and owner in (pending.from_version, pending.to_version):
                _carry_out(pending, owner, production, tracker)
                production.close(pending, applied=True, announcement=texts.of_promotion)
                log.info("Version %s of %s is in Production.", pending.to_version, model)
                return pending.to_version
            if pending is not None:
                production.close(pending, applied=False, announcement=texts.of_promotion)
            if owner != production.head():
                _record_by_hand(production, owner)
            return owner
    except LedgerError:
        if pending is not None:
            _repair(pending, ledger, tracker)
        raise


def _carry_out(
    promotion: Promotion, owner: str | None, production: LockedProduction, tracker: ExperimentTracker
) -> None:
    model, target = promotion.model, promotion.to_version
    if target is None:
        raise TrackerError(f"{model}: promotion {promotion.seq} names no version")
    if owner != target:
        production.confirm()
        try:
            tracker.set_production(model, target)
        except NoAnswerError:
            _wait_for_late_write(model, target, tracker)
    if tracker.stage(model, target) != "Production":
        production.confirm()
        tracker.transition_model_stage(model, target, "Production")
    owner, stage = tracker.production(model), tracker.stage(model, target)
    if owner != target or stage != "Production":
        raise TrackerError(
            f"{model}: version {target} was put into Production, but MLflow says that version {owner} is there and "
            f"that version {target} is in {stage}; somebody changes it at the same time"
        )


def _wait_for_late_write(model: str, target: str, tracker: ExperimentTracker) -> None:
    """Keep the lock until the write has landed or can no longer land. Raises NoAnswerError if it has not landed."""
    until = time.monotonic() + DEADLINE
    while time.monotonic() < until:
        try:
            if tracker.production(model) == target:
                return
        except NoAnswerError as error:
            log.info("MLflow does not answer yet: %s", error)
        time.sleep(1)
    raise NoAnswerError(f"{model}: MLflow did not confirm that version {target} owns the alias of Production")


def _repair(promotion: Promotion, ledger: Ledger, tracker: ExperimentTracker) -> None:
    """Undo writes that this process may have sent after it lost the lock, so that later decisions hold.

    A process that stood still for longer than every deadline goes on with what it was about to do. If it were killed
    instead, the next caller would find its write and record it as a change by hand.
    """
    model, late = promotion.model, promotion.to_version
    with ledger.lock_production(model) as production:
        last = production.last()
        if late is None or last is None or last.seq <= promotion.seq or last.to_version in (None, late):
            return
        if tracker.production(model) == late:
            tracker.set_production(model, last.to_version)
        if tracker.stage(model, late) == "Production":
            tracker.transition_model_stage(model, last.to_version, "Production")
        log.warning("A late write had put version %s of %s into Production; it was undone.", late, model)


def _record_by_hand(production: LockedProduction, owner: str | None) -> None:
    found = f"version {owner}" if owner else "no version"
    row = production.append(
        production.head(),
        owner,
        kind=Move.BY_HAND,
        verdict=None,
        by=_BY_HAND,
        why=f"{found} was found to own the alias of Production",
    )
    production.close(row, applied=True, announcement=texts.of_promotion)
