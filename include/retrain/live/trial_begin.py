"""Which challengers become trials, and how one begins."""

from retrain.gate.comparison import swap_draws
from retrain.gate.proofs import ANCHOR_SHARE
from retrain.later import Trial
from retrain.ledger.ledger import Ledger
from retrain.messages import texts
from retrain.records import Cause, Incident, Outcome, Proof, Verdict
from retrain.spec.spec import Spec
from retrain.spec.trial import On
from retrain.topics import Topic


def becomes_trial(spec: Spec, verdict: Verdict) -> bool:
    """Return whether a challenger is held against Production on later rows."""
    matchup, wanted = verdict.matchup, spec.trial
    if wanted is None or matchup.dry_run or matchup.version is None or matchup.production is None:
        return False
    if verdict.outcome is Outcome.PROMOTE:
        return wanted.when is On.ALWAYS
    if verdict.outcome is Outcome.HOLD:
        return verdict.cause is Cause.UNDECIDED
    failed = {guard.name for guard in verdict.guards if not guard.passed}
    return failed == {"holdout_round"}  # nothing is wrong but that its tests are spent


def begin(spec: Spec, verdict: Verdict, ledger: Ledger) -> Trial:
    """Begin the trial that follows a verdict; run again, it is the same one."""
    matchup, wanted, now = verdict.matchup, spec.trial, ledger.now()
    if wanted is None or matchup.version is None or matchup.production is None:
        raise ValueError(f"{spec.model}: verdict {matchup.id} does not become a trial")
    asks = verdict.proof is Proof.NON_INFERIORITY and matchup.anchor is not None
    trial = Trial(
        id=matchup.id,
        model=spec.model,
        candidate=matchup.candidate,
        version=matchup.version,
        identity=matchup.identity,
        production=matchup.production,
        production_identity=matchup.production_identity,
        anchor=matchup.anchor if asks else None,
        anchor_identity=matchup.anchor_identity if asks else None,
        metric=verdict.metric,
        positive=verdict.positive,
        threshold=verdict.threshold,
        anchor_threshold=ANCHOR_SHARE * verdict.threshold if asks else None,
        alpha=spec.gate.alpha,
        draws=swap_draws(verdict.metric, spec.gate.alpha),
        max_rows=wanted.max_rows,
        began=now,
        deadline=now + wanted.max_wait,
    )
    what = (
        f"version {trial.version} ({trial.candidate}) is held against version {trial.production}, in Production, on "
        f"labels that come later: at most {trial.max_rows:,} rows, until {trial.deadline:%Y-%m-%d} at the latest."
    )
    remedy = "It concludes by itself. Until then the version is in Staging."
    incident = Incident(model=spec.model, topic=Topic.TRIAL, what=what, remedy=remedy, facts={"trial": trial.to_json()})
    ledger.begin_trial(trial, texts.of_incident(incident))
    return next(each for each, _ in ledger.trials(spec.model) if each.id == trial.id)
