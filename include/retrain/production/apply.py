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
from retrain.production.known import is_there
from retrain.records import Move, Promotion, VersionId
from retrain.tracker.client import ExperimentTracker
from retrain.tracker.transport import DEADLINE

log = logging.getLogger(__name__)

_BY_HAND = "somebody, outside of Retrain"


def apply(
    model: str, ledger: Ledger, tracker: ExperimentTracker, *, adopted: tuple[VersionId, str, str] | None = None
) -> str | None:
    """Carry out what the ledger has decided, and return the version that is in Production then.

    A change that somebody made by hand is recorded and announced, never overwritten. adopted: a version, who answers
    for it, and why: if that is the change, its row says so. Raises NoAnswerError if MLflow does not answer: the
    promotion then stays decided, and the next caller carries it out.
    """
    pending = None
    try:
        with ledger.lock_production(model) as production:
            owner = _owner(model, tracker)
            pending = production.pending()
            if pending is not None and _can_go_on(pending, owner, tracker):
                _carry_out(pending, owner, production, tracker)
                production.close(pending, applied=True, announcement=texts.of_promotion)
                log.info("Version %s of %s is in Production.", pending.to_version, model)
                return pending.to_version
            if pending is not None:
                production.close(pending, applied=False, announcement=texts.of_promotion)
            last = production.last()
            before = last.came if last else None
            if owner != before:
                by, why = _BY_HAND, _why_by_hand(before, owner, tracker.alias("Production"))
                if adopted and owner == adopted[0]:
                    by, why = adopted[1], f"adopted: {adopted[2]}"
                row = production.append(before, owner, kind=Move.BY_HAND, verdict=None, by=by, why=why)
                production.close(row, applied=True, announcement=texts.of_promotion)
            return owner.number if owner else None
    except LedgerError:
        if pending is not None:
            _repair(pending, ledger, tracker)
        raise


def _owner(model: str, tracker: ExperimentTracker) -> VersionId | None:
    found = tracker.in_production(model)
    return None if found is None else VersionId(found.version, found.identity)


def _can_go_on(pending: Promotion, owner: VersionId | None, tracker: ExperimentTracker) -> bool:
    """Return whether Production is as it was decided for, and MLflow still has the version that was decided."""
    if pending.came is None:
        raise TrackerError(f"{pending.model}: promotion {pending.seq} names no version")
    if owner == pending.came:
        return True
    return owner == pending.went and is_there(pending.model, pending.came, tracker)


def _carry_out(
    promotion: Promotion, owner: VersionId | None, production: LockedProduction, tracker: ExperimentTracker
) -> None:
    model, target = promotion.model, promotion.to_version or ""
    if owner != promotion.came:
        production.confirm()
        try:
            tracker.set_production(model, target)
        except NoAnswerError:
            _wait_for_late_write(model, target, tracker)
    has_stages = True
    if tracker.stage(model, target) != "Production":
        production.confirm()
        has_stages = tracker.transition_model_stage(model, target, "Production")
        if not has_stages:
            log.info("The registry has no stages: the alias alone says that version %s is in Production.", target)
    found, stage = tracker.production(model), tracker.stage(model, target)
    if found != target or (has_stages and stage != "Production"):
        raise TrackerError(
            f"{model}: version {target} was put into Production, but MLflow says that version {found} is there and "
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
        if tracker.production(model) == late and last.came and is_there(model, last.came, tracker):
            tracker.set_production(model, last.to_version)
        if tracker.stage(model, late) == "Production":
            tracker.transition_model_stage(model, last.to_version, "Production")
        log.warning("A late write had put version %s of %s into Production; it was undone.", late, model)


def _why_by_hand(before: VersionId | None, owner: VersionId | None, alias: str) -> str:
    found = f"version {owner.number}" if owner else "no version"
    why = f"{found} was found to own alias {alias}"
    if before and owner and before.number == owner.number:
        why += (
            f"; it is made of {owner.identity}, and the version {before.number} before it of {before.identity}: the "
            "registered model was deleted, and its numbers began again"
        )
    return why
