"""How a trial concludes: by what its looks have shown, or because what it was about has changed."""

import logging

from retrain.errors import FrozenError, StaleVerdictError
from retrain.later import Trial, TrialEnd, TrialLook
from retrain.live.observing import Observing
from retrain.live.sequence import Answer
from retrain.messages import texts
from retrain.production.apply import apply
from retrain.records import Incident
from retrain.topics import Topic

log = logging.getLogger(__name__)

_CORRECTED = 0.05
"""Share of corrected labels above which a trial is void."""


def overtaken(observing: Observing, trial: Trial) -> TrialEnd | None:
    """Return the end of a trial whose Production is no longer what it was; None while it is."""
    ledger, gate = observing.ledger, observing.spec.gate
    apply(trial.model, ledger, observing.tracker)
    now = ledger.production(trial.model)
    if now == trial.against:
        if (gate.metric, gate.positive) == (trial.metric, trial.positive):
            return None
        return TrialEnd(outcome="void", why=f"the gate's metric is {gate.metric} now", at=ledger.now())
    last = [each for each in ledger.history(trial.model) if each.applied_at is not None][-1]
    if now == trial.challenger and last.verdict == trial.id:
        return TrialEnd(outcome="promoted", why=last.why, at=ledger.now())
    what = "nothing" if now is None else f"version {now.number}"
    return TrialEnd(outcome="void", why=f"Production has changed: {what} is there", at=ledger.now())


def answer_of(look: TrialLook) -> Answer:
    """Return the answer of both comparisons: each must promote, and either may end the trial."""
    answers = [Answer(each.answer) for each in (look.production, look.anchor) if each is not None]
    if answers and all(each is Answer.PROMOTE for each in answers):
        return Answer.PROMOTE
    return next((each for each in (Answer.DROP, Answer.HOLD) if each in answers), Answer.WAIT)


def concluded(observing: Observing, trial: Trial, last: TrialLook | None, *, may_promote: bool) -> TrialEnd | None:
    """Return the end that follows from the last look; None while the trial goes on, or waits for a person.

    may_promote: whether anything may change Production without a person. While Production is frozen, the trial waits.
    """
    now = observing.ledger.now()
    answer = Answer.WAIT if last is None else answer_of(last)
    if last is not None and last.corrected > _CORRECTED * last.rows:
        why = f"{last.corrected:,} of {last.rows:,} labels were corrected after they had been counted"
        return TrialEnd(outcome="void", why=why, at=now)
    if answer is Answer.PROMOTE and last is not None:
        return _promoted(observing, trial, last, may_promote=may_promote)
    if answer is not Answer.WAIT and last is not None:
        dropped = answer is Answer.DROP
        because = "more rows would hardly show a gain" if dropped else "its end has come, and no gain is shown"
        return TrialEnd(outcome="dropped" if dropped else "held", why=f"{_says(trial, last)}: {because}", at=now)
    if now >= trial.deadline:
        return TrialEnd(outcome="held", why="its time is up, with too few rows for an answer", at=now)
    return None


def _promoted(observing: Observing, trial: Trial, last: TrialLook, *, may_promote: bool) -> TrialEnd | None:
    ledger, says = observing.ledger, _says(trial, last)
    if not may_promote:
        incident = Incident(
            model=trial.model,
            topic=Topic.APPROVAL_WANTED,
            what=f"{says}: more than chance. Nothing changes by itself, as the spec asks a person or only observes.",
            remedy=f"To promote it, run `retrain promote {trial.model} {trial.version}`; the trial then ends.",
            facts={"trial": trial.id, "version": trial.version},
        )
        ledger.announce(f"trial/{trial.id}/asks", texts.of_incident(incident))
        return None
    verdict = ledger.verdict(trial.id)
    try:
        if verdict is not None:
            ledger.open_promotion(verdict, by="a trial on later labels", why=says)
    except FrozenError as error:
        log.info("%s: %s", trial.model, error)
        return None
    except StaleVerdictError as error:
        return TrialEnd(outcome="void", why=str(error), at=ledger.now())
    return overtaken(observing, trial)


def finish(observing: Observing, trial: Trial, end: TrialEnd) -> None:
    """Take the challenger out of Staging, and record and announce the end. A promotion is announced as one."""
    tracker = observing.tracker
    if end.outcome != "promoted" and tracker.staging(trial.model) == trial.version:
        tracker.transition_model_stage(trial.model, trial.version, "None")
    incident = Incident(
        model=trial.model,
        topic=Topic.TRIAL,
        what=f"the trial of version {trial.version} ({trial.candidate}) has ended, {end.outcome}: {end.why}.",
        remedy="Production stays as it is.",
        facts={"trial": trial.to_json(), "end": end.to_json()},
    )
    observing.ledger.end_trial(trial, end, None if end.outcome == "promoted" else texts.of_incident(incident))


def _says(trial: Trial, look: TrialLook) -> str:
    seen = look.production
    if seen is None:
        return f"on {look.rows:,} later rows nothing could be computed"
    return (
        f"on {look.rows:,} rows that were labelled later, {trial.metric} of version {trial.version} is "
        f"{seen.score:.4f} against {seen.other_score:.4f} of version {trial.production}"
    )
