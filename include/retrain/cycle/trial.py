"""The verb `trial`: parameters that a study asks for are fitted and scored, and the study is told."""

import json
import logging
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any, Literal

from retrain.cycle import fit_process, runs
from retrain.cycle.context import Cycle
from retrain.cycle.fitting import STEPS, Order
from retrain.cycle.folds import ROWS
from retrain.cycle.live import Live
from retrain.cycle.prepare_trials import shared_by_trials
from retrain.cycle.pruning import Pruning
from retrain.cycle.tuned import at, search_of, study_name, with_candidate
from retrain.errors import EstimatorError
from retrain.models import limited
from retrain.records import Snapshot, Subset
from retrain.spec.search import Search
from retrain.tuning.storage import storage
from retrain.tuning.study import RUNNING, Study

log = logging.getLogger(__name__)


@dataclass(frozen=True)
class _Result:
    """What became of a trial."""

    value: float | None = None
    metrics: dict[str, float] | None = None
    seconds: float = 0.0
    pruned: bool = False
    error: str | None = None

    @property
    def status(self) -> Literal["FINISHED", "FAILED", "KILLED"]:
        """Of its run in MLflow."""
        return "KILLED" if self.pruned else "FINISHED" if self.error is None else "FAILED"

    def __str__(self) -> str:
        if self.pruned:
            return f"pruned after {self.seconds:.0f} s"
        return self.error or f"{self.value:.4f} in {self.seconds:.0f} s"


def trial(cycle: Cycle, snapshot: Snapshot, name: str, turn: int) -> list[str]:
    """Make the trials of one turn; return what became of each.

    Tried again, it finds its trial: what was fitted is told; what was not is told as failed, and its parameters are
    tried by whoever asks next. A trial that cannot be fitted within its limits has failed, and the study goes on.
    Raises EndedError where its process was ended from outside, and what the stores raise.
    """
    trials, said = _Trials(cycle, snapshot, name, search_of(cycle, name)), list[str]()
    limited.get_ready(cycle.spec.run_on.python)
    for place in range(trials.search.per_task):
        asked = trials.asked(turn * trials.search.per_task + place)
        if isinstance(asked, str):
            log.info("%s: no trial begins any more: %s.", name, asked)
            return [*said, asked]
        number, params = asked
        result = trials.made(number, params)
        log.info("%s, trial %d: %s: %s", name, number, json.dumps(params, ensure_ascii=False), result)
        said.append(f"trial {number}: {result}")
    return said


@dataclass(frozen=True)
class _Trials:
    """The trials of one candidate in one cycle."""

    cycle: Cycle
    snapshot: Snapshot
    name: str
    search: Search

    def asked(self, turn: int) -> tuple[int, dict[str, Any]] | str:
        """Return the trial of this turn, its number and its parameters; or why none begins."""
        ledger, attempt = self.cycle.ledger, 0
        with self._study(turn) as study:
            while True:
                key = self.cycle.key("trial", study.name, str(turn), str(attempt))
                text = ledger.made(key)
                if text is None:
                    if attempt == 0 and (why := study.ended()) is not None:
                        return why
                    # One that is asked for, and whose claim is not written, is told as failed when the study is closed.
                    text = ledger.once(key, find=lambda: None, create=lambda: json.dumps(study.ask()))
                    number, params = json.loads(text)
                    return number, params
                number, params = json.loads(text)
                if ledger.made(self._key(number)) is not None:
                    return number, params
                if study.state(number) == RUNNING:
                    log.info("%s: trial %d was lost with its task; its parameters are tried again.", self.name, number)
                    study.lose(number)
                attempt += 1

    def made(self, number: int, params: dict[str, Any]) -> _Result:
        """Fit and score these parameters, once, and tell the study and the trial's run."""
        tracker, ledger, snapshot = self.cycle.tracker, self.cycle.ledger, self.snapshot
        parent = runs.of_candidate(self.cycle, snapshot, self.name, runs.of_cycle(self.cycle, snapshot))
        run_id = runs.of_trial(self.cycle, snapshot, self._study_name, number, parent)
        text = ledger.made(self._key(number))
        if text is None:
            runs.log_params(tracker, run_id, params)
            result = self._fitted(number, params, run_id)
            text = ledger.once(self._key(number), find=lambda: None, create=lambda: json.dumps(asdict(result)))
        result = _Result(**json.loads(text))
        with self._study() as study:
            study.tell(number, result.value, pruned=result.pruned)
        logged = tracker.get_run(run_id).metrics
        figures = {**(result.metrics or {}), "fit_seconds": result.seconds}
        tracker.log_metrics(run_id, {each: value for each, value in figures.items() if each not in logged})
        if result.error is not None:
            tracker.set_tags(run_id, runs.retrain_tags({"error": result.error}))
        tracker.end_run(run_id, result.status)
        return result

    def _fitted(self, number: int, params: dict[str, Any], run_id: str) -> _Result:
        spec, search = self.cycle.spec, self.search
        order = Order(
            with_candidate(spec, at(spec.candidate(self.name), params)),
            self.name,
            self.snapshot,
            (Subset.TRAIN,) if search.cv is None else ROWS,
            shared=shared_by_trials(self.cycle, self.snapshot, self.name),
            keeps=False,
            folds=search.cv,
        )
        pruning = Pruning(self.cycle.ledger, self._study_name, search, spec.gate.metric, number)
        with tempfile.TemporaryDirectory(prefix="retrain-") as temporary:
            folder = Path(temporary)
            try:
                with Live(self.cycle.tracker, run_id, folder / STEPS, again=False, heard=pruning.heard):
                    made = fit_process.fit(order, self.cycle.snapshots, folder, stop=pruning.stops)
            except EstimatorError as error:
                if pruning.ends:
                    return _Result(pruned=True, seconds=pruning.seconds)
                return _Result(error=str(error), seconds=pruning.seconds)
        return _Result(made.metrics[f"validation_{spec.gate.metric}"], made.metrics, made.seconds)

    @property
    def _study_name(self) -> str:
        return study_name(self.cycle, self.snapshot, self.name)

    @contextmanager
    def _study(self, turn: int = 0) -> Iterator[Study]:
        """Give the study for as long as the block runs: no connection is held while a trial is fitted."""
        with storage(self.cycle.ledger) as opened:
            yield Study(opened, self._study_name, self.search, self.cycle.spec.gate.metric, turn=turn)

    def _key(self, number: int) -> str:
        """Return the key of what became of a trial."""
        return self.cycle.key("trial result", self._study_name, str(number))
