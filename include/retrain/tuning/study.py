"""One study: the trials of a candidate in one cycle, asked for and told by tasks that run side by side.

Airflow decides which task is alive. A trial whose task was lost is told as failed, and its parameters wait for whoever
asks next, so that each task makes its trials and none is lost. Nothing beats here: no heartbeat, no process that waits.
"""

import math
import warnings
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime

import optuna
from optuna.exceptions import ExperimentalWarning
from optuna.pruners import BasePruner, HyperbandPruner, MedianPruner, NopPruner, SuccessiveHalvingPruner
from optuna.samplers import BaseSampler, CmaEsSampler, RandomSampler, TPESampler
from optuna.storages import RDBStorage
from optuna.trial import FrozenTrial, TrialState

from retrain.metrics import described
from retrain.spec.search import Pruner, Sampler, Search
from retrain.tuning.space import Params, grid, suggested

PRUNED, DONE, FAILED, RUNNING = "pruned", "done", "failed", "running"
_STATES = {TrialState.COMPLETE: DONE, TrialState.PRUNED: PRUNED, TrialState.FAIL: FAILED}
_BEGUN, _PARAMS, _GIVEN, _LOST = "begun", "params", "given", "lost"
"""Attributes: of a study, when it has begun; of a trial its parameters, which a function may have made of those that it
asked for, where they are from, and that its task was lost.
"""
_TELLING = 4
"""Different scores from which on they say something about parameters."""
PRODUCTION, LAST, LOST = "Production's", "the last cycle's", "a lost trial's"
"""Where parameters are from that nobody has drawn."""


@dataclass(frozen=True)
class Tried:
    """One trial as the study has it."""

    number: int
    params: Params
    state: str
    value: float | None
    seconds: float | None
    given: str | None
    """Where its parameters are from, if they were not drawn."""


class Study:
    """A study that is open."""

    def __init__(self, storage: RDBStorage, name: str, search: Search, metric: str, *, turn: int = 0) -> None:
        """turn: number of who asks; each draws other numbers."""
        self.name, self.search, self._sign = name, search, 1 if described(metric).greater_is_better else -1
        self._study = optuna.create_study(
            storage=storage,
            study_name=name,
            sampler=_sampler(search, turn),
            pruner=_pruner(search.pruner),
            direction="maximize" if self._sign > 0 else "minimize",
            load_if_exists=True,
        )

    def begin(self, first: Mapping[str, Params]) -> None:
        """Let the first trials be these, and note the time; a second call changes nothing.

        first: parameters, by where they are from.
        """
        if _BEGUN in self._study.user_attrs:
            return
        for given, params in first.items():
            self._study.enqueue_trial(params, user_attrs={_GIVEN: given}, skip_if_exists=True)
        if self.search.sampler is Sampler.GRID:
            for params in grid(self.search):
                self._study.enqueue_trial(params, skip_if_exists=True)
        self._study.set_user_attr(_BEGUN, datetime.now(UTC).timestamp())

    def ended(self) -> str | None:
        """Return why no trial begins any more; None where one may."""
        tried, search = self.tried(), self.search
        begun = self._study.user_attrs.get(_BEGUN)
        gone = 0.0 if begun is None else datetime.now(UTC).timestamp() - begun
        if search.time is not None and gone > search.time.total_seconds():
            return "search.time is over"
        over = [each for each in tried if each.state in (DONE, PRUNED, FAILED)]
        taken = len(tried)
        if taken >= search.trials:
            return f"all {search.trials:,} trials are made"
        if search.sampler is Sampler.GRID and taken >= len(grid(search)) and not self._waiting():
            return "each point of the grid is tried"
        if search.stop_after is not None and (since := self._since_the_best(over)) >= search.stop_after:
            return f"{since:,} trials in a row were not better than the best"
        return None

    def _since_the_best(self, over: list[Tried]) -> int:
        best, since = -math.inf, 0
        for each in over:
            value = -math.inf if each.value is None or each.state != DONE else self._sign * each.value
            best, since = (value, 0) if value > best else (best, since + 1)
        return since if best > -math.inf else 0

    def ask(self) -> tuple[int, Params]:
        """Begin a trial: return its number and its parameters. Raises EstimatorError from the user's own space."""
        trial = self._study.ask()
        try:
            params = suggested(trial, self.search)
            trial.set_user_attr(_PARAMS, params)
            return trial.number, params
        except BaseException:
            self._study.tell(trial.number, state=TrialState.FAIL)
            raise

    def should_stop(self, number: int, points: Sequence[tuple[int, float]]) -> bool:
        """Report steps of a trial, each with the value of the pruner's metric; return whether it should end."""
        pruner = self.search.pruner
        assert pruner is not None  # noqa: S101 - nothing is reported without one
        # Optuna holds steps and scores to one direction.
        sign = self._sign * (1 if pruner.goal == "max" else -1)
        trial = optuna.Trial(self._study, self._frozen(number)._trial_id)
        for step, value in points:
            trial.report(sign * value, step)
            if trial.should_prune():
                return True
        return False

    def tell(self, number: int, value: float | None, *, pruned: bool = False) -> None:
        """End a trial: with its score; without one it has failed. One that has ended already stays as it is."""
        state = TrialState.PRUNED if pruned else TrialState.FAIL if value is None else TrialState.COMPLETE
        if pruned:
            # Optuna takes the last step's value, whose metric is another one.
            self._study.tell(number, state=state, skip_if_finished=True)
        else:
            self._study.tell(number, value, state=state, skip_if_finished=True)

    def lose(self, number: int) -> None:
        """Tell a trial as failed whose task is gone, and let its parameters wait for whoever asks next."""
        trial = self._frozen(number)
        if trial.state.is_finished():
            return
        self._study._storage.set_trial_user_attr(trial._trial_id, _LOST, True)
        self._study.enqueue_trial(trial.params, user_attrs={_GIVEN: LOST})
        self._study.tell(number, state=TrialState.FAIL)

    def close(self) -> None:
        """Tell trials as failed that are still running when no task is left."""
        for trial in self._study.get_trials(deepcopy=False, states=(TrialState.RUNNING,)):
            self._study.tell(trial.number, state=TrialState.FAIL, skip_if_finished=True)

    def state(self, number: int) -> str:
        """Return how a trial is."""
        return _STATES.get(self._frozen(number).state, RUNNING)

    def tried(self) -> list[Tried]:
        """Return all trials but lost ones and those that only wait, in the order of their numbers."""
        return [
            _tried(each)
            for each in self._study.get_trials(deepcopy=False)
            if each.state is not TrialState.WAITING and not each.user_attrs.get(_LOST)
        ]

    def best(self) -> list[Tried]:
        """Return the trials that have a score, the best first; of equal ones the first."""
        scored = [each for each in self.tried() if each.state == DONE and each.value is not None]
        return sorted(scored, key=lambda each: -self._sign * float(each.value or 0))

    def importances(self) -> dict[str, float]:
        """Return what share of the score's variance each parameter explains (Hutter, Hoos & Leyton-Brown 2014: fANOVA).

        Empty where the trials do not say.
        """
        if len({each.value for each in self.best()}) < _TELLING:
            return {}
        with warnings.catch_warnings():
            warnings.simplefilter("ignore", ExperimentalWarning)
            try:
                evaluator = optuna.importance.FanovaImportanceEvaluator(seed=0)
                return dict(optuna.importance.get_param_importances(self._study, evaluator=evaluator))
            except (RuntimeError, ValueError):  # parameters that no trial has in common with the others
                return {}

    def _waiting(self) -> bool:
        return bool(self._study.get_trials(deepcopy=False, states=(TrialState.WAITING,)))

    def _frozen(self, number: int) -> FrozenTrial:
        return self._study.get_trials(deepcopy=False)[number]


def _tried(trial: FrozenTrial) -> Tried:
    seconds = trial.duration.total_seconds() if trial.duration is not None else None
    value = trial.value if trial.state is TrialState.COMPLETE else None
    return Tried(
        trial.number,
        dict(trial.user_attrs.get(_PARAMS, trial.params)),
        _STATES.get(trial.state, RUNNING),
        value,
        seconds,
        trial.user_attrs.get(_GIVEN),
    )


def _sampler(search: Search, turn: int) -> BaseSampler:
    seed = (search.seed + turn) % 2**32
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", ExperimentalWarning)
        if search.sampler is Sampler.TPE:
            return TPESampler(seed=seed, constant_liar=True)  # trials that run count as bad: others look elsewhere
        if search.sampler is Sampler.CMA_ES:
            return CmaEsSampler(seed=seed, warn_independent_sampling=False)
    return RandomSampler(seed=seed)


def _pruner(pruner: Pruner | None) -> BasePruner:
    if pruner is None:
        return NopPruner()
    if pruner.kind == "median":
        return MedianPruner(n_startup_trials=pruner.after_trials, n_warmup_steps=pruner.after_steps)
    least = max(1, pruner.after_steps)
    if pruner.kind == "halving":
        return SuccessiveHalvingPruner(min_resource=least, reduction_factor=3)
    return HyperbandPruner(min_resource=least, reduction_factor=3)
