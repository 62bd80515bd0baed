"""Trials: the looks at Staging against Production on labels that come later."""

import base64
from dataclasses import dataclass
from math import inf, isfinite
from statistics import NormalDist

import numpy as np

from retrain.errors import EstimatorError, NoAnswerError, SnapshotError, TrackerError
from retrain.gate.comparison import Swapped
from retrain.later import Sequence, Trial, TrialEnd, TrialLook
from retrain.live import sequence
from retrain.live.observing import Observing
from retrain.live.predict import Predicting
from retrain.live.sequence import Answer, State
from retrain.live.trial_end import answer_of, concluded, finish, overtaken
from retrain.live.trial_rows import TrialRows, taken


@dataclass(frozen=True)
class Tried:
    """A trial after a look, with its end if it has one."""

    trial: Trial
    looks: tuple[TrialLook, ...]
    end: TrialEnd | None


def look_at_trials(observing: Observing, predicting: Predicting, *, may_promote: bool) -> list[Tried]:
    """Look at the oldest trial that goes on, and conclude what can be concluded. Run again, it concludes nothing twice.

    may_promote: whether the model's mode lets anything change Production, and no person is asked. Raises what
    `observe` raises.
    """
    ledger, model = observing.ledger, observing.spec.model
    tried = list[Tried]()
    for trial in ledger.open_trials(model):
        end = overtaken(observing, trial)
        looks = [*ledger.trial_looks(trial.id)]
        if end is None and not any(each.end is None for each in tried):  # the others wait for their turn
            _put_into_staging(observing, trial)
            try:
                looks = _looked(observing, predicting, trial, looks)
            except (EstimatorError, SnapshotError, TrackerError) as error:
                if isinstance(error, NoAnswerError) or ledger.now() < trial.deadline:
                    raise
                why = f"its time is up, and a version cannot be asked: {error}"
                end = TrialEnd(outcome="held", why=why, at=ledger.now())
            else:
                end = concluded(observing, trial, looks[-1] if looks else None, may_promote=may_promote)
        if end is not None:
            finish(observing, trial, end)
        tried.append(Tried(trial, tuple(looks), end))
    return tried


def _put_into_staging(observing: Observing, trial: Trial) -> None:
    tracker = observing.tracker
    if tracker.staging(trial.model) != trial.version:
        tracker.transition_model_stage(trial.model, trial.version, "Staging")


def _looked(observing: Observing, predicting: Predicting, trial: Trial, looks: list[TrialLook]) -> list[TrialLook]:
    """Return the looks with one more, if rows have come or the time is up."""
    last = looks[-1] if looks else None
    if last is not None and answer_of(last) is not Answer.WAIT:
        return looks
    rows = taken(observing, predicting, trial, last)
    over = observing.ledger.now() >= trial.deadline
    if rows is None or (last is not None and rows.count == last.rows and not over):
        return looks
    before = [last.production, last.anchor] if last else [None, None]
    seen = list[Sequence | None]([None, None])
    if _enough(observing, trial, rows):
        for place in range(1 if trial.anchored is None else 2):
            seen[place] = _compared(trial, rows, place, before[place], over=over)
    look = TrialLook(
        trial=trial.id,
        place=len(looks),
        at=observing.ledger.now(),
        rows=rows.count,
        corrected=rows.corrected,
        uris=rows.stored(observing, f"trial-{trial.id[:16]}-{len(looks)}"),
        production=seen[0],
        anchor=seen[1],
    )
    return [*looks, observing.ledger.save_trial_look(look)]


def _enough(observing: Observing, trial: Trial, rows: TrialRows) -> bool:
    """Return whether there are as many clusters as the gate asks of a holdout, and as many with the positive class."""
    gate = observing.spec.gate
    if rows.clusters < gate.min_rows:
        return False
    return trial.positive is None or rows.positives(trial.positive) >= gate.min_positives


def _compared(trial: Trial, rows: TrialRows, place: int, before: Sequence | None, *, over: bool) -> Sequence | None:
    """place: 0 for Production, 1 for the anchor."""
    threshold = (trial.threshold, trial.anchor_threshold or 0.0)[place]
    swapped = rows.swapped(trial, place + 1)
    if swapped is None:
        return before
    worth = before.worth if before else _worth(trial, rows.count, swapped, threshold)
    state = sequence.look(
        sequence.begin(trial.draws) if before is None else _state(before),
        swapped.gains,
        rows=rows.count,
        max_rows=trial.max_rows,
        threshold=threshold,
        worth=worth,
        alpha=trial.alpha,
        over=over,
        slack=swapped.slack,
    )
    return Sequence(
        rows=state.rows,
        time=state.time,
        score=swapped.own,
        other_score=swapped.theirs,
        gain=float(swapped.gains[0]) - threshold,
        worth=worth,
        spent=state.spent,
        lost=state.lost,
        bound=state.bound if isfinite(state.bound) else None,
        floor=state.floor if isfinite(state.floor) else None,
        alive=base64.b64encode(state.alive).decode(),
        able=base64.b64encode(state.able).decode(),
        answer=state.answer.value,
    )


def _worth(trial: Trial, rows: int, swapped: Swapped, threshold: float) -> float:
    """Return the gain that the whole trial would show in 4 of 5 cases, by how far chance goes on the first rows."""
    spread = float(np.nanstd(swapped.gains[1:]) * np.sqrt(rows / max(trial.max_rows, rows)))
    return threshold + (NormalDist().inv_cdf(0.8) - NormalDist().inv_cdf(trial.alpha)) * spread


def _state(before: Sequence) -> State:
    return State(
        rows=before.rows,
        time=before.time,
        spent=before.spent,
        lost=before.lost,
        bound=inf if before.bound is None else before.bound,
        floor=-inf if before.floor is None else before.floor,
        alive=base64.b64decode(before.alive),
        able=base64.b64decode(before.able),
        answer=Answer(before.answer),
    )
