"""Runs side by side, the best of them, and statistics of their metrics."""

from collections.abc import Collection, Mapping, Sequence

import pandas as pd
from mlflow.entities import ViewType

from retrain.errors import NoAnswerError, NotFoundError, TrackerError
from retrain.tracker import filters, run_table
from retrain.tracker.entities import MetricStats, Run
from retrain.tracker.filters import FINISHED, Condition, Order
from retrain.tracker.runs import OLDEST_FIRST, Runs, _run
from retrain.tracker.server import GREATEST, TEXTS_AT_ONCE, parts


class Analysis(Runs):
    """Comparison of runs: tables, the best runs, statistics of metrics."""

    def compare_runs(self, run_ids: Sequence[str], metric_keys: Sequence[str] | None = None) -> pd.DataFrame:
        """Return a row for each run, in the order of `run_ids`, with columns `run_id`, `metric_<key>`, `param_<key>`.

        A cell is empty if the run does not have the value. metric_keys: None for all keys that any of the runs has.
        Raises NotFoundError that names the unknown ids.
        """
        found: dict[str, Run] = {}
        for part in parts(list(dict.fromkeys(run_ids)), TEXTS_AT_ONCE):
            found |= {run.id: run for run in self._runs(part)}
        unknown = [run_id for run_id in run_ids if run_id not in found]
        if unknown:
            raise NotFoundError(f"there is no run {', '.join(dict.fromkeys(unknown))}", where=self._server)
        return run_table.table([found[run_id] for run_id in run_ids], metric_keys)

    def _runs(self, run_ids: Sequence[str]) -> list[Run]:
        """Fetch runs by their ids, those that are unknown left out.

        MLflow searches only within experiments: so the first run is fetched to learn its experiment, and then all runs
        of that experiment are found by one search.
        """
        names = ", ".join(filters.quoted(run_id) for run_id in run_ids)
        waiting, found = list(run_ids), list[Run]()
        while waiting:
            run_id = waiting.pop(0)
            try:
                where = self.get_run(run_id).experiment_id
            except NoAnswerError:
                raise
            except TrackerError:
                continue
            page = self._search([where], f"attributes.run_id IN ({names})", ViewType.ALL, max_results=len(run_ids))
            found += [_run(each) for each in page]
            waiting = [run_id for run_id in waiting if run_id not in {each.info.run_id for each in page}]
        return found

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
