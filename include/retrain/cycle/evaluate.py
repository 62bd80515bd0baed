"""The verb `evaluate`: the best candidate against Production, on rows that neither has seen."""

from collections.abc import Sequence

from retrain.cycle import report, runs
from retrain.cycle.challenge import Challenge
from retrain.cycle.context import Cycle
from retrain.cycle.promote import may_promote
from retrain.cycle.runs import recorded
from retrain.cycle.tuned import tuned
from retrain.errors import EstimatorError
from retrain.gate import contest
from retrain.live.trial_begin import becomes_trial, begin
from retrain.messages import texts
from retrain.models import limited
from retrain.production.apply import apply
from retrain.production.known import refuse_unknown
from retrain.production.mode import mode_of
from retrain.records import Announcement, Candidate, ModelFile, Snapshot, Verdict
from retrain.snapshots import prepared
from retrain.spec.operation import Mode
from retrain.spec.spec import Spec

_REFIT = "refit"
"""The keys of what is made for a second verdict end with it."""


def evaluate(
    cycle: Cycle,
    snapshot: Snapshot,
    candidates: Sequence[Candidate],
    *,
    dry_run: bool,
    force: str | None = None,
) -> Verdict:
    """Judge the best candidate against Production on the holdout, which neither has seen.

    Where it is held for want of rows and is of another recipe than Production, the refit of Production's own recipe is
    judged as well, at the round's next test (`gate.contest`). Each is fitted again on training and validation rows and
    registered (not in a dry run); exactly that version is judged. One transaction saves the verdicts, consumes the
    snapshot and queues the announcement of the last one, which is returned. force: the reason that `promote` will get;
    the report shows it, and no refit takes the place of what a person wants.

    Raises EstimatorError without a candidate, NoAnswerError where MLflow does not answer, ToldError where what looks
    like Production is not known.
    """
    cycle = tuned(cycle, snapshot)
    best = _best(cycle.spec, candidates)
    limited.get_ready(cycle.spec.run_on.python)
    with recorded(cycle.tracker, best.run_id, best.parent_run_id):
        if not _saved(cycle, snapshot):
            _judge(cycle, snapshot, best, candidates, dry_run=dry_run, force=force)
        prepared.drop(cycle.snapshots, snapshot)
        verdicts = _saved(cycle, snapshot)
        for verdict in verdicts:
            _log_verdict(cycle, verdict, best.parent_run_id)
        if becomes_trial(cycle.spec, verdicts[-1]) and not force:
            begin(cycle.spec, verdicts[-1], cycle.ledger)
    for run_id in (*(each.matchup.run_id for each in verdicts), best.parent_run_id):
        cycle.tracker.end_run(run_id)
    return verdicts[-1]


def _best(spec: Spec, candidates: Sequence[Candidate]) -> Candidate:
    if not candidates:
        raise EstimatorError(f"{spec.model}: no candidate was trained, so there is nothing to judge")
    named = {candidate.name: candidate for candidate in candidates}
    scores = {name: candidate.validation_score for name, candidate in named.items()}
    return named[contest.best(scores, [each.name for each in spec.candidates], spec.gate.metric)]


def _saved(cycle: Cycle, snapshot: Snapshot) -> list[Verdict]:
    """Return the verdicts of this step that are in the ledger, in their order: none, one or two."""
    ids = (cycle.key("verdict", snapshot.id), cycle.key("verdict", snapshot.id, _REFIT))
    return [verdict for verdict in map(cycle.ledger.verdict, ids) if verdict]


def _judge(
    cycle: Cycle,
    snapshot: Snapshot,
    best: Candidate,
    candidates: Sequence[Candidate],
    *,
    dry_run: bool,
    force: str | None,
) -> None:
    spec, ledger = cycle.spec, cycle.ledger
    apply(spec.model, ledger, cycle.tracker)
    refuse_unknown(spec.model, ledger, cycle.tracker)
    production = ledger.production(spec.model)
    file = ledger.model_file_of_version(spec.model, production.number) if production else None
    challenge = Challenge(cycle, snapshot, production, file, dry_run, runs.untrained(cycle, snapshot.id, candidates))
    test = ledger.tests_spent(spec.model, snapshot.holdout_round) + 1
    verdicts = [challenge.judged(best, test=test)]
    own = None if force else _own(candidates, file)
    if own is not None and contest.own_refit(spec.gate, verdicts[0], best.name, own.name):
        story = _story(verdicts[0], own.name)
        with recorded(cycle.tracker, own.run_id):
            verdicts.append(challenge.judged(own, _REFIT, test=test + 1, story=story))
    last = verdicts[-1]
    page = report.write(cycle, last, goes_forward=may_promote(cycle, last, force=force))
    pages = (page, cycle.tracker.page_of_run(last.matchup.run_id), cycle.page)
    ledger.save_verdicts(verdicts, announcement(cycle, last, pages), of=snapshot)


def _own(candidates: Sequence[Candidate], production: ModelFile | None) -> Candidate | None:
    """Return the candidate with Production's recipe; None if none was trained, or if it is not known."""
    named = {each.name: each for each in candidates}
    recipes = {name: each.recipe for name, each in named.items()}
    name = contest.own(recipes, production.recipe if production else None)
    return None if name is None else named[name]


def _story(first: Verdict, own: str) -> str:
    """Return what became of the first verdict, as the beginning of the reason of the second."""
    difference = "" if first.difference is None else f", difference {first.difference:+.3f}, p = {first.p_value:.3g}"
    return (
        f"{first.matchup.candidate} is undecided (test {first.matchup.test}{difference}), so {own}, which has "
        "Production's recipe, was judged as well: "
    )


def announcement(cycle: Cycle, verdict: Verdict, pages: Sequence[str | None] = ()) -> Announcement:
    """Announce a verdict, with what keeps it from Production. pages: as in `texts.of_verdict`."""
    spec, ledger = cycle.spec, cycle.ledger
    observed = mode_of(spec, ledger) is Mode.OBSERVE
    return texts.of_verdict(verdict, pages, ledger.freeze_of(spec.model), observed=observed)


def _log_verdict(cycle: Cycle, verdict: Verdict, parent: str) -> None:
    matchup, tracker = verdict.matchup, cycle.tracker
    name = f"test_{verdict.metric}"
    if verdict.score is not None and name not in tracker.get_run(matchup.run_id).metrics:
        tracker.log_metrics(matchup.run_id, {name: verdict.score})
    tags = runs.retrain_tags({"verdict": verdict.outcome, "reason": verdict.reason, "version": matchup.version or ""})
    for run_id in (matchup.run_id, parent):
        tracker.set_tags(run_id, tags)
