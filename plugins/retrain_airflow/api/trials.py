"""Trials of a model, from what `retrain-watch` has left in the ledger."""

from collections.abc import Iterator
from typing import TYPE_CHECKING

from retrain.later import Trial, TrialEnd, TrialLook
from retrain_airflow.api.bodies.live import TrialState, TrialStep

if TYPE_CHECKING:
    from retrain.ledger.ledger import Ledger

_TRIALS = 5


def trials_of(ledger: "Ledger", model: str) -> list[TrialState]:
    """Return the newest trials of a model, the oldest first. Raises LedgerError where the ledger does not answer."""
    found = ledger.trials(model, _TRIALS)
    first_open = next((trial.id for trial, end in found if end is None), None)
    return [
        _state(trial, end, ledger.trial_looks(trial.id), waits=end is None and trial.id != first_open)
        for trial, end in found
    ]


def _state(trial: Trial, end: TrialEnd | None, looks: list[TrialLook], *, waits: bool) -> TrialState:
    seen = looks[-1].production if looks else None
    return TrialState(
        version=trial.version,
        candidate=trial.candidate,
        production=trial.production,
        metric=trial.metric,
        threshold=trial.threshold,
        alpha=trial.alpha,
        began=trial.began,
        deadline=trial.deadline,
        max_rows=trial.max_rows,
        rows=looks[-1].rows if looks else 0,
        corrected=looks[-1].corrected if looks else 0,
        score=seen.score if seen else None,
        production_score=seen.other_score if seen else None,
        waits=waits,
        outcome=end.outcome if end else None,
        why=end.why if end else None,
        ended=end.at if end else None,
        steps=[*_steps(trial, looks)],
    )


def _steps(trial: Trial, looks: list[TrialLook]) -> Iterator[TrialStep]:
    for look in looks:
        if look.production is not None:
            seen = look.production
            yield TrialStep(
                at=look.at,
                rows=look.rows,
                gain=seen.gain + trial.threshold,
                promotes=None if seen.bound is None else seen.bound + trial.threshold,
                drops=None if seen.floor is None else seen.floor + trial.threshold,
            )
