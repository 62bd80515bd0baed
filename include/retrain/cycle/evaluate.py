"""The verb `evaluate`: the best candidate against Production, on rows that neither has seen."""

import json
import logging
import tempfile
from collections.abc import Sequence
from pathlib import Path

from retrain import extras
from retrain.cycle import report, runs
from retrain.cycle.context import Cycle
from retrain.cycle.fit import fit
from retrain.cycle.measure import measure
from retrain.cycle.mode import mode_of
from retrain.cycle.promote import may_promote
from retrain.cycle.runs import recorded
from retrain.errors import EstimatorError, MissingExtraError, StaleVerdictError
from retrain.gate import contest
from retrain.gate.judge import judge
from retrain.gate.predictions import Evidence
from retrain.messages import texts
from retrain.production.apply import apply
from retrain.production.known import is_there, refuse_unknown
from retrain.records import Announcement, Candidate, Matchup, Proof, Snapshot, Subset, Verdict, VersionId
from retrain.snapshots.store import Rows
from retrain.spec.operation import Mode
from retrain.spec.spec import Spec

if extras.has("report"):
    from retrain.reports import verdict_chart

log = logging.getLogger(__name__)

_EXAMPLES = 50
"""How many keys of flipped rows the verdict's file names in each direction."""


def evaluate(
    cycle: Cycle,
    snapshot: Snapshot,
    candidates: Sequence[Candidate],
    *,
    dry_run: bool,
    force: str | None = None,
) -> Verdict:
    """Judge the best candidate against Production on the holdout, which neither has seen.

    The best candidate is fitted again on training and validation rows and registered (not in a dry run); exactly that
    version is judged. One transaction saves the verdict, consumes the snapshot and queues the announcement. force: the
    reason that `promote` will get; the report shows it.

    Raises EstimatorError without a candidate, NoAnswerError where MLflow does not answer, ToldError where what looks
    like Production is not known.
    """
    best = _winner(cycle.spec, candidates)
    verdict_id = cycle.key("verdict", snapshot.id)
    with recorded(cycle.tracker, best.run_id, best.parent_run_id):
        verdict = cycle.ledger.verdict(verdict_id) or _judge(
            cycle, verdict_id, snapshot, best, dry_run=dry_run, force=force
        )
        _log_verdict(cycle, verdict, best.parent_run_id)
    for run_id in (best.run_id, best.parent_run_id):
        cycle.tracker.end_run(run_id)
    return verdict


def _winner(spec: Spec, candidates: Sequence[Candidate]) -> Candidate:
    if not candidates:
        raise EstimatorError(f"{spec.model}: no candidate was trained, so there is nothing to judge")
    named = {candidate.name: candidate for candidate in candidates}
    scores = {name: candidate.validation_score for name, candidate in named.items()}
    return named[contest.best(scores, [each.name for each in spec.candidates], spec.gate.metric)]


def _judge(
    cycle: Cycle, verdict_id: str, snapshot: Snapshot, best: Candidate, *, dry_run: bool, force: str | None
) -> Verdict:
    spec, ledger = cycle.spec, cycle.ledger
    apply(spec.model, ledger, cycle.tracker)
    refuse_unknown(spec.model, ledger, cycle.tracker)
    production = ledger.production(spec.model)
    fitted = fit(cycle, snapshot, best.name, (Subset.TRAIN, Subset.VALIDATION), best.run_id)
    version = None if dry_run else _register(cycle, best.run_id, fitted.model.uri, snapshot)
    anchor = _anchor(cycle, snapshot, production)
    matchup = Matchup(
        id=verdict_id,
        model=spec.model,
        candidate=best.name,
        snapshot=snapshot.id,
        run_id=best.run_id,
        version=version.number if version else None,
        identity=version.identity if version else None,
        production=production.number if production else None,
        production_identity=production.identity if production else None,
        anchor=anchor.number if anchor else None,
        anchor_identity=anchor.identity if anchor else None,
        split_version=snapshot.split_version,
        holdout_round=snapshot.holdout_round,
        test=ledger.tests_spent(spec.model, snapshot.holdout_round) + 1,
        dry_run=dry_run,
    )
    evidence, rows = measure(cycle, matchup, snapshot, ledger.model_file(fitted.model.uri))
    verdict = judge(evidence, spec.gate)
    # Uploaded before the ledger has the verdict: a step that runs again afterwards has no evidence, and would have to
    # measure again to draw what the first try did not upload. Files of a verdict that is never saved do no harm: the
    # names are fixed, so the next upload replaces them.
    _log_evidence(cycle, evidence, rows, verdict)
    page = report.write(cycle, verdict, goes_forward=may_promote(cycle, verdict, force=force))
    pages = (page, cycle.tracker.page_of_run(best.run_id), cycle.page)
    return ledger.save_verdict(verdict, announcement(cycle, verdict, pages), of=snapshot)


def announcement(cycle: Cycle, verdict: Verdict, pages: Sequence[str | None] = ()) -> Announcement:
    """Announce a verdict, with what keeps it from Production. pages: as in `texts.of_verdict`."""
    spec, ledger = cycle.spec, cycle.ledger
    observed = mode_of(spec, ledger) is Mode.OBSERVE
    return texts.of_verdict(verdict, pages, ledger.freeze_of(spec.model), observed=observed)


def _log_evidence(cycle: Cycle, evidence: Evidence, rows: Rows, verdict: Verdict) -> None:
    """Upload the verdict as `verdict/verdict.json`, with some keys of flipped rows, and as a picture."""
    keys = rows.keys.to_pylist()
    flipped = dict(zip(("right_to_wrong_keys", "wrong_to_right_keys"), evidence.flips(), strict=True))
    named = {name: [str(keys[row]) for row in which[:_EXAMPLES]] for name, which in flipped.items()}
    with tempfile.TemporaryDirectory(prefix="retrain-") as name:
        folder = Path(name)
        file = folder / "verdict.json"
        file.write_text(json.dumps(verdict.to_json() | named, ensure_ascii=False, indent=2), encoding="utf-8")
        files = [file]
        try:
            extras.require("report")
            files.append(verdict_chart.write(evidence, cycle.spec.gate, verdict, folder))
        except MissingExtraError as error:
            log.info("%s: the verdict is not drawn: %s", cycle, error)
        except Exception:  # any error: a verdict does not depend on its picture
            log.warning("%s: the verdict could not be drawn; it is judged all the same.", cycle, exc_info=True)
        for each in files:
            cycle.tracker.log_artifact(verdict.matchup.run_id, each, "verdict")


def _anchor(cycle: Cycle, snapshot: Snapshot, production: VersionId | None) -> VersionId | None:
    """Return the gate's anchor, where it is asked and is another version than Production."""
    gate, model = cycle.spec.gate, cycle.spec.model
    if production is None or gate.proof is Proof.SUPERIORITY:
        return None
    anchor = cycle.ledger.anchor(
        model, metric=gate.metric, positive=gate.positive, split_version=snapshot.split_version
    )
    return None if anchor == production else anchor


def _register(cycle: Cycle, run_id: str, uri: str, snapshot: Snapshot) -> VersionId:
    model, key, ledger = cycle.spec.model, cycle.key("version", snapshot.id), cycle.ledger
    number = ledger.once(
        key, find=lambda: None, create=lambda: cycle.tracker.register_model(run_id, model, uri, key=key)
    )
    version = VersionId(number, ledger.model_file(uri).identity)
    if not is_there(model, version, cycle.tracker):
        raise StaleVerdictError(
            f"{model}: version {number}, which this run registered, is no longer in MLflow; start a new run"
        )
    ledger.save_version(uri, number)
    return version


def _log_verdict(cycle: Cycle, verdict: Verdict, parent: str) -> None:
    matchup, tracker = verdict.matchup, cycle.tracker
    name = f"test_{verdict.metric}"
    if verdict.score is not None and name not in tracker.get_run(matchup.run_id).metrics:
        tracker.log_metrics(matchup.run_id, {name: verdict.score})
    tags = runs.retrain_tags({"verdict": verdict.outcome, "reason": verdict.reason, "version": matchup.version or ""})
    for run_id in (matchup.run_id, parent):
        tracker.set_tags(run_id, tags)
