"""The verb `promote`: the judged version goes into Production, if the verdict and the spec allow it."""

from retrain.cycle import report
from retrain.cycle.context import Cycle
from retrain.errors import RetrainError
from retrain.live.trial_begin import becomes_trial
from retrain.production.apply import apply
from retrain.production.known import refuse_foreign
from retrain.production.mode import mode_of
from retrain.records import Outcome, Promotion, Verdict
from retrain.spec.operation import Mode


def may_promote(cycle: Cycle, verdict: Verdict, *, force: str | None = None) -> bool:
    """Return whether this verdict may change Production, by its outcome and the mode of the model.

    force: why a person wants it whatever the verdict says, for example because Production cannot be loaded. Even then,
    a challenger that could not be measured, or that misses the spec's floor or ceiling, is not promoted.
    """
    if verdict.matchup.dry_run or mode_of(cycle.spec, cycle.ledger) is not Mode.ENFORCE:
        return False
    if becomes_trial(cycle.spec, verdict) and not force:
        return False  # it has passed, and is held against Production on later rows as well
    reached = any(guard.passed for guard in verdict.guards if guard.name in ("floor", "ceiling"))
    return verdict.outcome is Outcome.PROMOTE or (bool(force) and verdict.score is not None and reached)


def promotes_now(cycle: Cycle, verdict: Verdict, *, force: str | None = None) -> bool:
    """Return whether this verdict changes Production now: it may, and Production is not frozen."""
    return may_promote(cycle, verdict, force=force) and cycle.ledger.freeze_of(cycle.spec.model) is None


def is_stale(cycle: Cycle, verdict: Verdict) -> bool:
    """Return whether Production has changed since the verdict was made."""
    apply(cycle.spec.model, cycle.ledger, cycle.tracker)
    now, matchup = cycle.ledger.production(cycle.spec.model), verdict.matchup
    return (now or (None, None)) != (matchup.production, matchup.production_identity)


def promote(
    cycle: Cycle,
    verdict: Verdict,
    *,
    force: str | None = None,
    by: str | None = None,
    approved_by: str | None = None,
) -> Promotion:
    """Put the judged version into Production, through the ledger (DESIGN rule 1).

    force: see `may_promote`; by: the person who forces it. approved_by: the person who approved it. Raises RetrainError
    if the verdict may not change Production, FrozenError if Production is frozen, StaleVerdictError if Production has
    changed since the verdict was made, and ForeignProductionError if somebody else has put a first one there.
    """
    model, ledger = cycle.spec.model, cycle.ledger
    if not may_promote(cycle, verdict, force=force):
        raise RetrainError(
            f"{model}: {verdict.outcome} in mode {mode_of(cycle.spec, ledger)} promotes nothing: {verdict.reason}"
        )
    forced = verdict.outcome is not Outcome.PROMOTE
    why = f"forced: {force}; the verdict was {verdict.outcome}: {verdict.reason}" if forced else verdict.reason
    if approved_by:
        why = f"approved by {approved_by}; {why}"
    apply(model, ledger, cycle.tracker)
    if verdict.matchup.production is None:
        refuse_foreign(model, ledger, cycle.tracker)
    ledger.open_promotion(verdict, by=cycle.by(by) if forced else str(cycle), why=why)
    apply(model, ledger, cycle.tracker)
    promotion = ledger.promotion_of(verdict)
    report.write(cycle, verdict, goes_forward=True, promotion=promotion)
    return promotion
