"""Runs side by side, and the best of them."""

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
    """Analysis of runs."""

    def compare_runs(self, run_ids: Sequence[str], metric_keys: Sequence[str] | None = None) -> pd.DataFrame:
        """The runs in the order asked, a row each: `run_id`, `metric_<key>`, `param_<key>`; what one has not is empty.

        metric_keys: None for all that any of them has. Raises TrackerError that names the ids that are unknown.
        """
        found: dict[str, Run] = {}
        for part in parts(list(dict.fromkeys(run_ids)), TEXTS_AT_ONCE):
            found |= {run.id: run for run in self._runs(part)}
        unknown = [run_id for run_id in run_ids if run_id not in found]
        if unknown:
            raise NotFoundError(f"there is no run {', '.join(dict.fromkeys(unknown))}", where=self._server)
        return run_table.table([found[run_id] for run_id in run_ids], metric_keys)

    def _runs(self, run_ids: Sequence[str]) -> list[Run]:
        """MLflow searches in experiments only: the first run says in which, and runs elsewhere are asked one by one."""
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
        """The first of `get_best_runs`; None where there is none."""
        return next(iter(self.get_best_runs([experiment_id], metric_key, 1, ascending)), None)

    def get_best_runs(
        self, experiment_ids: Sequence[str], metric_key: str, k: int, ascending: bool = False
    ) -> list[Run]:
        """The k finished runs with the greatest value, or the smallest where `ascending`; of equal ones the earliest.

        Runs that did not finish, that have not this metric, or have NaN or infinity for it, do not count.
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
        """Each metric of the experiment's finished runs, by name."""
        return run_table.stats(self.search_runs([experiment_id], [FINISHED]), smaller_is_better)
