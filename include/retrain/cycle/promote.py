"""The verb `promote`: the judged version goes into Production, where it may."""

from retrain.cycle import report
from retrain.cycle.context import Cycle
from retrain.errors import RetrainError
from retrain.production.apply import apply
from retrain.records import Outcome, Promotion, Verdict
from retrain.spec.operation import Mode
from retrain.spec.spec import Spec


def may_promote(spec: Spec, verdict: Verdict, *, force: str | None = None) -> bool:
    """Whether this verdict is to change Production.

    force: why a person wants it whatever the verdict says, of a Production that cannot be loaded say. A challenger that
    could not be measured, or that misses the spec's floor, is not promoted all the same.
    """
    if verdict.matchup.dry_run or spec.mode is not Mode.ENFORCE:
        return False
    reached = any(guard.passed for guard in verdict.guards if guard.name in ("floor", "ceiling"))
    return verdict.outcome is Outcome.PROMOTE or (bool(force) and verdict.score is not None and reached)


def goes_on(cycle: Cycle, verdict: Verdict, *, force: str | None = None) -> bool:
    """Whether this verdict changes Production now: it may, and Production is not frozen."""
    return may_promote(cycle.spec, verdict, force=force) and cycle.ledger.freeze_of(cycle.spec.model) is None


def is_stale(cycle: Cycle, verdict: Verdict) -> bool:
    """Whether Production is no longer what the verdict was made against."""
    return apply(cycle.spec.model, cycle.ledger, cycle.tracker) != verdict.matchup.production


def promote(
    cycle: Cycle,
    verdict: Verdict,
    *,
    force: str | None = None,
    by: str | None = None,
    approved_by: str | None = None,
) -> Promotion:
    """Put the judged version into Production, by way of the ledger (DESIGN rule 1).

    force: see `may_promote`; by: who says so. approved_by: who was asked, and said yes. Raises StaleVerdictError where
    Production is no longer what the verdict was made against.
    """
    model, ledger = cycle.spec.model, cycle.ledger
    if not may_promote(cycle.spec, verdict, force=force):
        raise RetrainError(f"{model}: {verdict.outcome} in mode {cycle.spec.mode} promotes nothing")
    forced = verdict.outcome is not Outcome.PROMOTE
    why = f"forced: {force}; the verdict was {verdict.outcome}: {verdict.reason}" if forced else verdict.reason
    if approved_by:
        why = f"approved by {approved_by}; {why}"
    apply(model, ledger, cycle.tracker)
    ledger.open_promotion(verdict, by=cycle.by(by) if forced else str(cycle), why=why)
    apply(model, ledger, cycle.tracker)
    promotion = ledger.promotion_of(verdict)
    report.write(cycle, verdict, goes_forward=True, promotion=promotion)
    return promotion
