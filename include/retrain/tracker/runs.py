"""The runs of one MLflow server."""

import math
from collections.abc import Iterable, Iterator, Mapping, Sequence
from itertools import islice
from typing import Any, cast, get_args

import mlflow.entities as theirs
from mlflow.entities import ViewType
from mlflow.exceptions import MlflowException
from mlflow.store.entities import PagedList
from mlflow.utils.mlflow_tags import MLFLOW_PARENT_RUN_ID, MLFLOW_RUN_NOTE

from retrain.errors import NoAnswerError, TrackerError
from retrain.tracker import filters, validation
from retrain.tracker.entities import Page, Run, RunStatus
from retrain.tracker.filters import Condition, Order
from retrain.tracker.server import (
    AT_MOST,
    KEY,
    PAGE,
    TEXTS_AT_ONCE,
    Server,
    checked_key,
    number,
    parts,
    tagged,
    time_of,
)

OLDEST_FIRST = Order("attribute", "start_time")


class Runs(Server):
    """Runs: start, find, search, end and delete them."""

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
        """Start a run and return its id.

        key: for `find_run`. parent: id of its parent run. note: the description that MLflow's page shows.
        """
        validation.name("run", run_name)
        all_tags = validation.tags(tags or {})
        if key is not None:
            all_tags[KEY] = checked_key(key)
        if parent is not None:
            all_tags[MLFLOW_PARENT_RUN_ID] = parent
        if note:
            all_tags |= validation.tags({MLFLOW_RUN_NOTE: note})
        with self._translated_errors(f"run {run_name!r}"):
            return str(self._client.create_run(experiment_id, run_name=run_name, tags=all_tags).info.run_id)

    def find_run(self, experiment_id: str, key: str) -> str | None:
        """Return the id of the run that was started for `key`, the first of several; None if there is none."""
        found = self.search_runs([experiment_id], [tagged(key)], max_results=1)
        return found[0].id if found else None

    def get_run(self, run_id: str) -> Run:
        """Return a run, active or deleted. Raises NotFoundError if there is none."""
        with self._translated_errors(f"run {run_id}"):
            return _run(self._client.get_run(run_id))

    def page_of_run(self, run_id: str, experiment_id: str | None = None) -> str | None:
        """Return the address of the run's page; None if the tracker is not an HTTP server.

        experiment_id: saves a call if it is known.
        """
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
        """Return the runs that fit all conditions; without an order the oldest first. max_results: None for all.

        Up to a thousand runs are fetched by one query. More are fetched page by page, in the order in which they were
        started, so that runs that are added or deleted meanwhile do not make others come twice or be left out. A run
        whose metric is NaN is found by `!=` only; one without the metric, parameter or tag of a condition is not found.
        """
        if not experiment_ids or max_results == 0:
            return []
        if max_results is None or max_results > PAGE:
            if order_by:
                raise TrackerError(
                    f"more than {PAGE:,} runs come in the order in which they were started: sort them here"
                )
            return list(islice(self._all_runs(experiment_ids, filter), max_results))
        return [*_found(self._page(experiment_ids, filter, max_results, order_by or [OLDEST_FIRST]), filter)]

    def page_of_runs(
        self,
        experiment_ids: Sequence[str],
        filter: Sequence[Condition] = (),
        order_by: Sequence[Order] = (),
        size: int = 100,
        token: str | None = None,
    ) -> Page[Run]:
        """Return a page of what `search_runs` finds, in its order. token: `next` of the page before.

        Pages count rows, as MLflow's do: a run that is added or deleted meanwhile shifts those that follow.
        """
        if not experiment_ids:
            return Page((), None)
        page = self._page(experiment_ids, filter, size, order_by or [OLDEST_FIRST], token)
        return Page(tuple(_found(page, filter)), page.token or None)

    def _by_id(self, run_ids: Sequence[str]) -> dict[str, theirs.Run | TrackerError]:
        """Return runs by their ids, and in the place of one that cannot be read why: NotFoundError if there is none.

        MLflow searches only within experiments: so the first run is fetched to learn its experiment, and then all runs
        of that experiment are found by one search.
        """
        found: dict[str, theirs.Run | TrackerError] = {}
        for part in parts(list(dict.fromkeys(run_ids)), TEXTS_AT_ONCE):
            names = list[str]()
            for run_id in part:
                try:
                    names.append(filters.quoted(run_id))
                except TrackerError as error:
                    found[run_id] = error
            among = f"attributes.run_id IN ({', '.join(names)})"
            for run_id in part:
                if run_id in found:
                    continue
                try:
                    with self._translated_errors(f"run {run_id}"):
                        run = self._client.get_run(run_id)
                except NoAnswerError:
                    raise
                except TrackerError as error:
                    found[run_id] = error
                    continue
                found[run_id] = run
                page = self._search([run.info.experiment_id], among, ViewType.ALL, max_results=len(part))
                found |= {each.info.run_id: each for each in page}
        return found

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

    def _search(self, *positional: Any, **named: Any) -> PagedList[theirs.Run]:
        with self._translated_errors("search for runs"):
            try:
                return self._client.search_runs(*positional, **named)
            except MlflowException as error:
                # A server without MLflow's extra `auth` tries to import it at each search. Of several searches at once,
                # one may find it half imported, and then the server responds with 500.
                if "500 error responses" not in str(error):
                    raise
            return self._client.search_runs(*positional, **named)

    def _all_runs(self, experiment_ids: Sequence[str], conditions: Sequence[Condition]) -> Iterator[Run]:
        """Yield all runs, in pages by start time: MLflow's tokens count rows, and rows come and go."""
        since, seen, more = 0, set[str](), True
        while more:
            page = self._page(experiment_ids, [*conditions, Condition("attribute", "start_time", ">=", since)], PAGE)
            more = len(page) == PAGE
            if more and page[-1].info.start_time == since:
                # All runs of a page were started in one millisecond: fetch all of that millisecond, then go on.
                alike = Condition("attribute", "start_time", "=", since)
                page = self._page(experiment_ids, [*conditions, alike], AT_MOST)
                if len(page) == AT_MOST:
                    raise TrackerError(f"{AT_MOST:,} or more runs were started in one millisecond: add conditions")
                since += 1
            elif page:
                since = page[-1].info.start_time
            yield from (each for each in _found(page, conditions) if each.id not in seen)
            seen |= {each.info.run_id for each in page}

    def end_run(self, run_id: str, status: RunStatus = "FINISHED") -> None:
        """Set a run's status. RUNNING takes up a run again that had ended."""
        if status not in get_args(RunStatus):
            raise TrackerError(f"{status!r} is not a status of a run; use {', '.join(get_args(RunStatus))}")
        with self._translated_errors(f"run {run_id}"):
            if status == "RUNNING":
                self._client.update_run(run_id, status)
            else:
                self._client.set_terminated(run_id, status)

    def delete_run(self, run_id: str) -> None:
        """Delete a run. MLflow keeps it as deleted."""
        with self._translated_errors(f"run {run_id}"):
            self._client.delete_run(run_id)


def _found(page: Iterable[theirs.Run], conditions: Sequence[Condition]) -> Iterator[Run]:
    """Yield the runs of a page. Servers before MLflow 3.17 take NaN for 0 in a condition: what is not a number is not
    found by comparing it, so it is dropped here.
    """
    compared = [each.name for each in conditions if each.kind == "metric" and each.comparison != "!="]
    for each in map(_run, page):
        if not any(math.isnan(each.metrics.get(name, 0.0)) for name in compared):
            yield each


def _run(found: theirs.Run) -> Run:
    info, data = found.info, found.data
    return Run(
        id=info.run_id,
        experiment_id=str(info.experiment_id),
        name=info.run_name,
        status=cast(RunStatus, info.status),
        started_at=time_of(info.start_time),
        # In MLflow a run that was taken up again keeps its old end.
        ended_at=time_of(info.end_time) if info.end_time and info.status not in ("RUNNING", "SCHEDULED") else None,
        deleted=info.lifecycle_stage == "deleted",
        params=dict(data.params),
        metrics={name: number(value) for name, value in data.metrics.items()},
        tags=dict(data.tags),
    )


def _distinct(order: Sequence[Order]) -> list[Order]:
    """Drop a second order by the same field: it decides nothing, and MLflow's server breaks on it."""
    found: dict[tuple[str, str], Order] = {}
    for each in order:
        found.setdefault((each.kind, each.name), each)
    return list(found.values())
