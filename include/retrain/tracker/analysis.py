"""Runs side by side, the best of them, and statistics of their metrics."""

from collections.abc import Collection, Mapping, Sequence

import pandas as pd

from retrain.errors import NotFoundError, TrackerError
from retrain.tracker import run_table
from retrain.tracker.entities import MetricStats, Run
from retrain.tracker.filters import FINISHED, Condition, Order
from retrain.tracker.runs import OLDEST_FIRST, Runs, _run
from retrain.tracker.server import GREATEST


class Analysis(Runs):
    """Comparison of runs: tables, the best runs, statistics of metrics."""

    def compare_runs(self, run_ids: Sequence[str], metric_keys: Sequence[str] | None = None) -> pd.DataFrame:
        """Return a row for each run, in the order of `run_ids`, with columns `run_id`, `metric_<key>`, `param_<key>`.

        A cell is empty if the run does not have the value. metric_keys: None for all keys that any of the runs has.
        Raises NotFoundError that names the unknown ids.
        """
        found = {name: run for name, run in self._by_id(run_ids).items() if not isinstance(run, TrackerError)}
        unknown = [run_id for run_id in run_ids if run_id not in found]
        if unknown:
            raise NotFoundError(f"there is no run {', '.join(dict.fromkeys(unknown))}", where=self._server)
        return run_table.table([_run(found[run_id]) for run_id in run_ids], metric_keys)

    def get_best_run(self, experiment_id: str, metric_key: str, ascending: bool = False) -> Run | None:
        """Return the first of `get_best_runs`; None if there is none."""
        return next(iter(self.get_best_runs([experiment_id], metric_key, 1, ascending)), None)

    def get_best_runs(
        self, experiment_ids: Sequence[str], metric_key: str, k: int, ascending: bool = False
    ) -> list[Run]:
        """Return the k finished runs with the greatest value, or the smallest if `ascending`; the earliest of equals.

        Runs that did not finish, that do not have this metric, or have NaN or infinity for it, do not count.
        """
        finite = [
            FINISHED,
            Condition("metric", metric_key, "<", GREATEST),
            Condition("metric", metric_key, ">", -GREATEST),
        ]
        return self.search_runs(experiment_ids, finite, [Order("metric", metric_key, ascending), OLDEST_FIRST], k)

    def experiment_stats(
        self, experiment_id: str, smaller_is_better: Collection[str] = ()
    ) -> Mapping[str, MetricStats]:
        """Return statistics of each metric over the experiment's finished runs, by name."""
        return run_table.stats(self.search_runs([experiment_id], [FINISHED]), smaller_is_better)
