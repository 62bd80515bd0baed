"""The verbs: sense, take, check, train, evaluate, promote; beside them rollback and watch.

Each takes the noun before it and gives the next. They run in a task of Airflow as in a notebook. Run again after a kill
at any point, each gives the same result once: what it makes in MLflow is made under a key that it claims first (DESIGN
rule 7).
"""

import json
import logging
import tempfile
from collections.abc import Sequence
from pathlib import Path

from retrain import announcements, plots, reporting, retention, runs, training
from retrain.apply import apply
from retrain.checking import check
from retrain.cycle import Cycle
from retrain.errors import EstimatorError, RetrainError, RollbackError
from retrain.fitting import fit_once
from retrain.gate import judge
from retrain.measuring import measure
from retrain.metrics import described
from retrain.nouns import Candidate, Outcome, Promotion, Proof, Side, Snapshot, Trial, Verdict
from retrain.registry import Registry
from retrain.runs import recorded
from retrain.scores import Scores
from retrain.sensing import recount, sense
from retrain.snapshot import Rows, SnapshotStore
from retrain.source import Source
from retrain.spec import Mode, Spec
from retrain.state import State, were_in_production
from retrain.watching import watch

__all__ = [
    "check",
    "evaluate",
    "goes_on",
    "is_stale",
    "may_promote",
    "promote",
    "recount",
    "rollback",
    "sense",
    "take",
    "train",
    "watch",
]

log = logging.getLogger(__name__)

_EXAMPLES = 50
"""Keys of rows that flipped which a verdict's file names, each way."""


def take(spec: Spec, *, source: Source, snapshots: SnapshotStore, state: State) -> Snapshot:
    """Every labelled row as it is now, stored, with the side of each. The rows of old snapshots are deleted."""
    lineage = state.begin_model(spec.model, spec.split, spec.source.group)
    with source.labelled() as rows:
        snapshot = snapshots.write(
            spec.model,
            rows,
            lineage=lineage,
            epoch_rows=spec.gate.epoch_rows,
            last=state.last_consumed(spec.model),
            inherits=state.last_consumed(spec.model, lineage.number),
        )
    state.save_snapshot(snapshot)
    for old in retention.drop_old(spec, snapshots=snapshots, state=state):
        log.info(
            "%s: the rows of snapshot %s are deleted; snapshot.keep is %s.", spec.model, old.id, spec.snapshot.keep
        )
    return snapshot


def train(cycle: Cycle, name: str, snapshot: Snapshot) -> Candidate:
    """Fit one candidate on the training rows and score it on the validation rows: one run below the cycle's run.

    Raises SpecError or EstimatorError, before it makes anything, where the candidate is unknown or cannot be built.
    """
    spec, tracker = cycle.spec, cycle.tracker
    checked = runs.made_of_cycle(cycle, snapshot.id)
    with recorded(tracker, *([checked] if checked else [])):
        candidate = spec.candidate(name)
        training.build(candidate)
    parent = runs.of_cycle(cycle, snapshot)
    run_id = runs.of_candidate(cycle, name, snapshot, parent)
    with recorded(tracker, run_id, parent):
        tracker.log_params(run_id, {"estimator": candidate.estimator, **candidate.params})
        tracker.log_dataset(run_id, snapshot)
        fitted = fit_once(cycle, name, snapshot, (Side.TRAIN,), run_id)
        logged = tracker.get_run(run_id).metrics
        tracker.log_metrics(run_id, {name: score for name, score in fitted.metrics.items() if name not in logged})
    tracker.end_run(run_id)
    return Candidate(
        id=fitted.model.uri,
        model=spec.model,
        name=name,
        snapshot=snapshot.id,
        run_id=run_id,
        parent_run_id=parent,
        metric=spec.gate.metric,
        train_score=fitted.metrics[f"train_{spec.gate.metric}"],
        validation_score=fitted.metrics[f"validation_{spec.gate.metric}"],
        train_rows=fitted.rows,
    )


def evaluate(
    cycle: Cycle,
    snapshot: Snapshot,
    candidates: Sequence[Candidate],
    *,
    dry_run: bool,
    force: str | None = None,
) -> Verdict:
    """Judge the best candidate against Production on the holdout, which neither has seen.

    The best is fitted again, on training and validation rows, and registered (not in a dry run); that very version is
    judged. The verdict consumes the snapshot and tells the team, in one transaction. force: as `promote` will be given
    it, for the report.
    """
    best = _best(cycle.spec, candidates)
    verdict_id = cycle.key("verdict", snapshot.id)
    with recorded(cycle.tracker, best.run_id, best.parent_run_id):
        verdict = cycle.state.verdict(verdict_id) or _judge(
            cycle, verdict_id, snapshot, best, dry_run=dry_run, force=force
        )
        _log_verdict(cycle, verdict, best.parent_run_id)
    for run_id in (best.run_id, best.parent_run_id):
        cycle.tracker.end_run(run_id)
    return verdict


def may_promote(spec: Spec, verdict: Verdict, *, force: str | None = None) -> bool:
    """Whether this verdict is to change Production.

    force: why a person wants it whatever the verdict says, of a Production that cannot be loaded say. A challenger that
    could not be measured, or that misses the spec's floor, is not promoted all the same.
    """
    if verdict.trial.dry_run or spec.mode is not Mode.ENFORCE:
        return False
    reached = any(guard.passed for guard in verdict.guards if guard.name in ("floor", "ceiling"))
    return verdict.outcome is Outcome.PROMOTE or (bool(force) and verdict.score is not None and reached)


def goes_on(cycle: Cycle, verdict: Verdict, *, force: str | None = None) -> bool:
    """Whether this verdict changes Production now: it may, and Production is not frozen."""
    return may_promote(cycle.spec, verdict, force=force) and cycle.state.freeze_of(cycle.spec.model) is None


def is_stale(cycle: Cycle, verdict: Verdict) -> bool:
    """Whether Production is no longer what the verdict was made against."""
    return apply(cycle.spec.model, cycle.state, cycle.tracker) != verdict.trial.production


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
    model, state = cycle.spec.model, cycle.state
    if not may_promote(cycle.spec, verdict, force=force):
        raise RetrainError(f"{model}: {verdict.outcome} in mode {cycle.spec.mode} promotes nothing")
    forced = verdict.outcome is not Outcome.PROMOTE
    why = f"forced: {force}; the verdict was {verdict.outcome}: {verdict.reason}" if forced else verdict.reason
    if approved_by:
        why = f"approved by {approved_by}; {why}"
    apply(model, state, cycle.tracker)
    state.open_promotion(verdict, by=cycle.by(by) if forced else str(cycle), why=why)
    apply(model, state, cycle.tracker)
    promotion = state.promotion_of(verdict)
    reporting.write(cycle, verdict, goes_forward=True, promotion=promotion)
    return promotion


def rollback(cycle: Cycle, *, to: str | None = None, why: str, by: str | None = None) -> Promotion:
    """Put the version before, or the one that is named, back into Production; run again, it takes back nothing more.

    Raises RollbackError where nothing is in Production, there is nothing to go back to, or `to` was never there.
    """
    model, state = cycle.spec.model, cycle.state

    def in_production() -> str:
        version = apply(model, state, cycle.tracker)
        if version is None:
            raise RollbackError(f"{model}: nothing is in Production, so there is nothing to take back")
        return version

    # What is to be taken back is what was there when this was first tried.
    expects = state.once(cycle.key("rollback"), find=lambda: None, create=in_production)
    were_there = were_in_production(state.history(model), but=expects)
    choice = ", ".join(were_there) or "none"
    log.info("%s: version %s is taken back; there were as well: %s.", model, expects, choice)
    if to is not None and to not in were_there:
        raise RollbackError(f"{model}: version {to} cannot go back into Production; choose from {choice}")
    registry = Registry(state, cycle.tracker, cycle.snapshots, cycle.spec.trust)
    return registry.rollback(model, expects=expects, to=to, by=cycle.by(by), why=why)


def _best(spec: Spec, candidates: Sequence[Candidate]) -> Candidate:
    """The best validation score; of equal ones, that which the spec names first."""
    if not candidates:
        raise EstimatorError(f"{spec.model}: no candidate was trained, so there is nothing to judge")
    order = [candidate.name for candidate in spec.candidates]
    sign = described(spec.gate.metric).sign
    return min(candidates, key=lambda candidate: (-sign * candidate.validation_score, order.index(candidate.name)))


def _judge(
    cycle: Cycle, verdict_id: str, snapshot: Snapshot, best: Candidate, *, dry_run: bool, force: str | None
) -> Verdict:
    spec, state = cycle.spec, cycle.state
    production = apply(spec.model, state, cycle.tracker)
    fitted = fit_once(cycle, best.name, snapshot, (Side.TRAIN, Side.VALIDATION), best.run_id)
    trial = Trial(
        id=verdict_id,
        model=spec.model,
        candidate=best.name,
        snapshot=snapshot.id,
        run_id=best.run_id,
        version=None if dry_run else _register(cycle, best.run_id, fitted.model.uri, snapshot),
        production=production,
        anchor=_anchor(spec, state, production),
        epoch=snapshot.epoch,
        test=state.tests_spent(spec.model, snapshot.epoch) + 1,
        dry_run=dry_run,
    )
    scores, rows = measure(cycle, trial, snapshot, state.model_file(fitted.model.uri))
    verdict = judge(scores, spec.gate)
    # Before the ledger has it: afterwards a step that is run again has no scores, and would have to measure once more
    # to draw what a predecessor did not get to upload. What is uploaded for a verdict that is never saved does no harm:
    # the names are fixed, so the next one takes its place.
    _log_evidence(cycle, scores, rows, verdict)
    report = reporting.write(cycle, verdict, goes_forward=may_promote(spec, verdict, force=force))
    pages = (report, cycle.tracker.page_of_run(best.run_id), cycle.page)
    told = announcements.of_verdict(verdict, pages, state.freeze_of(spec.model))
    return state.save_verdict(verdict, told, of=snapshot)


def _log_evidence(cycle: Cycle, scores: Scores, rows: Rows, verdict: Verdict) -> None:
    """The verdict as `verdict/verdict.json`, with some of the rows that flipped, and as a picture beside it."""
    keys = rows.keys.to_pylist()
    flipped = dict(zip(("right_to_wrong_keys", "wrong_to_right_keys"), scores.flips(), strict=True))
    named = {name: [str(keys[row]) for row in which[:_EXAMPLES]] for name, which in flipped.items()}
    with tempfile.TemporaryDirectory(prefix="retrain-") as name:
        folder = Path(name)
        file = folder / "verdict.json"
        file.write_text(json.dumps(verdict.to_json() | named, ensure_ascii=False, indent=2), encoding="utf-8")
        files = [file]
        try:
            files.append(plots.write(scores, cycle.spec.gate, verdict, folder))
        except Exception:  # whatever it is: a verdict does not depend on its picture
            log.warning("%s: the verdict could not be drawn; it is judged all the same.", cycle, exc_info=True)
        for each in files:
            cycle.tracker.log_artifact(verdict.trial.run_id, each, "verdict")


def _anchor(spec: Spec, state: State, production: str | None) -> str | None:
    if production is None or spec.gate.proof is not Proof.NON_INFERIORITY:
        return None
    anchor = state.anchor(spec.model, production)
    return None if anchor == production else anchor


def _register(cycle: Cycle, run_id: str, uri: str, snapshot: Snapshot) -> str:
    model, key = cycle.spec.model, cycle.key("version", snapshot.id)
    version = cycle.state.once(
        key, find=lambda: None, create=lambda: cycle.tracker.register_model(run_id, model, uri, key=key)
    )
    cycle.state.save_version(uri, version)
    return version


def _log_verdict(cycle: Cycle, verdict: Verdict, parent: str) -> None:
    trial, tracker = verdict.trial, cycle.tracker
    name = f"test_{verdict.metric}"
    if verdict.score is not None and name not in tracker.get_run(trial.run_id).metrics:
        tracker.log_metrics(trial.run_id, {name: verdict.score})
    told = runs.ours({"verdict": verdict.outcome, "reason": verdict.reason, "version": trial.version or ""})
    for run_id in (trial.run_id, parent):
        tracker.set_tags(run_id, told)
