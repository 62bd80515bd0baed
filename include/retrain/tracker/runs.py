"""The runs of one MLflow server."""

from collections.abc import Iterator, Mapping, Sequence
from itertools import islice
from typing import Any, cast, get_args

import mlflow.entities as theirs
from mlflow.exceptions import MlflowException
from mlflow.store.entities import PagedList
from mlflow.utils.mlflow_tags import MLFLOW_PARENT_RUN_ID, MLFLOW_RUN_NOTE

from retrain.errors import TrackerError
from retrain.tracker import filters, validation
from retrain.tracker.entities import Page, Run, RunStatus
from retrain.tracker.filters import Condition, Order
from retrain.tracker.server import AT_MOST, KEY, PAGE, Server, checked_key, number, tagged, time_of

OLDEST_FIRST = Order("attribute", "start_time")


class Runs(Server):
    """Runs."""

    def start_run(
        self,
        experiment_id: str,
        run_name: str,
        tags: Mapping[str, str] | None = None,
        *,
        key: str | None = None,
        parent: str | None = None,
        note: str = "",
    ) -> str:
        """Id of a new run. key: what `find_run` finds it by. note: what MLflow's page shows as its description."""
        validation.name("run", run_name)
        given = validation.tags(tags or {})
        if key is not None:
            given[KEY] = checked_key(key)
        if parent is not None:
            given[MLFLOW_PARENT_RUN_ID] = parent
        if note:
            given |= validation.tags({MLFLOW_RUN_NOTE: note})
        with self._answer(f"run {run_name!r}"):
            return str(self._client.create_run(experiment_id, run_name=run_name, tags=given).info.run_id)

    def find_run(self, experiment_id: str, key: str) -> str | None:
        """Id of the run that was started for `key`; of several the first."""
        found = self.search_runs([experiment_id], [tagged(key)], max_results=1)
        return found[0].id if found else None

    def get_run(self, run_id: str) -> Run:
        with self._answer(f"run {run_id}"):
            return _run(self._client.get_run(run_id))

    def page_of_run(self, run_id: str, experiment_id: str | None = None) -> str | None:
        """Where MLflow shows it to a person; None where the tracker is no server. experiment_id: where it is known."""
        experiment = experiment_id or self.get_run(run_id).experiment_id
        if not self._uri.startswith(("http://", "https://")):
            return None
        return f"{self._uri.rstrip('/')}/#/experiments/{experiment}/runs/{run_id}"

    def search_runs(
        self,
        experiment_ids: Sequence[str],
        filter: Sequence[Condition] = (),
        order_by: Sequence[Order] = (),
        max_results: int | None = None,
    ) -> list[Run]:
        """The runs that all conditions fit; without an order the oldest first. max_results: None for all.

        Up to a thousand come in one query. More come page by page in the order in which they were started, so that
        runs that are added or deleted meanwhile make none come twice or be left out. A run whose metric is NaN is
        found by `!=` only; one without the metric, parameter or tag of a condition is not found.
        """
        if not experiment_ids or max_results == 0:
            return []
        if max_results is None or max_results > PAGE:
            if order_by:
                raise TrackerError(f"more than {PAGE:,} runs come in the order in which they were started: sort here")
            return list(islice(self._all_runs(experiment_ids, filter), max_results))
        return [_run(each) for each in self._page(experiment_ids, filter, max_results, order_by or [OLDEST_FIRST])]

    def page_of_runs(
        self,
        experiment_ids: Sequence[str],
        filter: Sequence[Condition] = (),
        order_by: Sequence[Order] = (),
        size: int = 100,
        token: str | None = None,
    ) -> Page[Run]:
        """A part of what `search_runs` finds, in its order. token: of the page before.

        Pages count rows, as MLflow's do: one that is added or deleted meanwhile shifts those that follow.
        """
        if not experiment_ids:
            return Page((), None)
        page = self._page(experiment_ids, filter, size, order_by or [OLDEST_FIRST], token)
        return Page(tuple(_run(each) for each in page), page.token or None)

    def _page(
        self,
        experiment_ids: Sequence[str],
        conditions: Sequence[Condition],
        size: int,
        order: Sequence[Order] = (OLDEST_FIRST,),
        token: str | None = None,
    ) -> PagedList[theirs.Run]:
        return self._search(
            list(experiment_ids),
            filters.to_text(conditions),
            max_results=size,
            order_by=[each.to_text() for each in _distinct(order)],
            page_token=token,
        )

    def _search(self, *asked: Any, **how: Any) -> PagedList[theirs.Run]:
        with self._answer("search for runs"):
            try:
                return self._client.search_runs(*asked, **how)
            except MlflowException as error:
                # A server without MLflow's extra `auth` tries to import that at each search: of several at once, one
                # now and then finds it half imported, and is answered with 500.
                if "500 error responses" not in str(error):
                    raise
            return self._client.search_runs(*asked, **how)

    def _all_runs(self, experiment_ids: Sequence[str], conditions: Sequence[Condition]) -> Iterator[Run]:
        """Pages by the time of the start, not by MLflow's tokens: those count rows, and rows come and go."""
        since, seen, more = 0, set[str](), True
        while more:
            page = self._page(experiment_ids, [*conditions, Condition("attribute", "start_time", ">=", since)], PAGE)
            more = len(page) == PAGE
            if more and page[-1].info.start_time == since:
                # A whole page was started in one millisecond: all of these at once, then on.
                alike = Condition("attribute", "start_time", "=", since)
                page = self._page(experiment_ids, [*conditions, alike], AT_MOST)
                if len(page) == AT_MOST:
                    raise TrackerError(f"{AT_MOST:,} or more runs were started at once: search for fewer")
                since += 1
            elif page:
                since = page[-1].info.start_time
            yield from (_run(each) for each in page if each.info.run_id not in seen)
            seen |= {each.info.run_id for each in page}

    def end_run(self, run_id: str, status: RunStatus = "FINISHED") -> None:
        """Set a run's status; RUNNING takes a failed one up again."""
        if status not in get_args(RunStatus):
            raise TrackerError(f"{status!r} is no status of a run: there are {', '.join(get_args(RunStatus))}")
        with self._answer(f"run {run_id}"):
            if status == "RUNNING":
                self._client.update_run(run_id, status)
            else:
                self._client.set_terminated(run_id, status)

    def delete_run(self, run_id: str) -> None:
        """MLflow keeps it as deleted."""
        with self._answer(f"run {run_id}"):
            self._client.delete_run(run_id)


def _run(found: theirs.Run) -> Run:
    info, data = found.info, found.data
    return Run(
        id=info.run_id,
        experiment_id=str(info.experiment_id),
        name=info.run_name,
        status=cast(RunStatus, info.status),
        started_at=time_of(info.start_time),
        # One that was taken up again keeps its old end.
        ended_at=time_of(info.end_time) if info.end_time and info.status not in ("RUNNING", "SCHEDULED") else None,
        deleted=info.lifecycle_stage == "deleted",
        params=dict(data.params),
        metrics={name: number(value) for name, value in data.metrics.items()},
        tags=dict(data.tags),
    )


def _distinct(order: Sequence[Order]) -> list[Order]:
    """A second one by the same field decides nothing, and MLflow's server breaks on it."""
    found: dict[tuple[str, str], Order] = {}
    for each in order:
        found.setdefault((each.kind, each.name), each)
    return list(found.values())
