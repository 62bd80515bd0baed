"""Ends a trial that does worse, step by step, than those before it."""

import logging
import time

from retrain.errors import LedgerError
from retrain.ledger.ledger import Ledger
from retrain.spec.search import Search
from retrain.tuning.storage import storage
from retrain.tuning.study import Study

log = logging.getLogger(__name__)


class Pruning:
    """Hears the metrics by step of one trial, and asks its study whether it should go on. It may hear in a thread."""

    def __init__(self, ledger: Ledger, study: str, search: Search, metric: str, number: int) -> None:
        """study: its name. metric: the gate's. number: of the trial."""
        self._ledger, self._name, self._search = ledger, study, search
        self._metric, self._number = metric, number
        self._begun, self.ends = time.monotonic(), False
        self._waiting = list[tuple[int, float]]()

    @property
    def seconds(self) -> float:
        """Since the trial began."""
        return time.monotonic() - self._begun

    def heard(self, name: str, step: int, value: float) -> None:
        """Take one point of a metric."""
        pruner = self._search.pruner
        if pruner is not None and name == pruner.metric and step % pruner.every == 0:
            self._waiting.append((step, value))

    def stops(self) -> bool:
        """Return whether the trial is to end: what was heard since the last look is told to the study first."""
        if self.ends or not self._waiting:
            return self.ends
        heard, self._waiting = self._waiting, []
        try:
            with storage(self._ledger) as opened:
                study = Study(opened, self._name, self._search, self._metric)
                self.ends = study.should_stop(self._number, heard)
        except LedgerError as error:  # a trial that goes on is no harm
            log.warning("The study does not say whether the trial goes on: %s", error)
        return self.ends
