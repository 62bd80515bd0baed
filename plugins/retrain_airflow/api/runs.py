"""Routes about runs: start, log, end, search, compare."""

from datetime import UTC, datetime
from math import isnan
from typing import Annotated, Any

from fastapi import APIRouter, Query
from fastapi import Path as InUrl

from retrain.errors import NotFoundError
from retrain.tracker.entities import Run
from retrain.tracker.filters import Condition, Order
from retrain_airflow.api import paging
from retrain_airflow.api.access import Permission, Who, logged_by, needs
from retrain_airflow.api.backend import Use
from retrain_airflow.api.bodies.runs import (
    Comparison,
    Logged,
    MetricHistory,
    Metrics,
    NewRun,
    Params,
    RunEnd,
    Runs,
    RunTags,
    Search,
    Table,
)
from retrain_airflow.api.bodies.values import ExperimentInPath, Name, PageToken, RunInPath, Size, WhyInQuery
from retrain_airflow.api.limits import BoundedRoute
from retrain_airflow.api.once import IdempotencyKey, once
from retrain_airflow.api.problems import responses

router = APIRouter(prefix="/runs", tags=["runs"], route_class=BoundedRoute)


# ── without a run in the path


@router.post("/start", status_code=201, dependencies=[needs(Permission.LOG)], responses=responses(404))
async def start_run(body: NewRun, caller: Who, use: Use, key: IdempotencyKey = None) -> Run:
    """Start a run, which is RUNNING until it is ended."""

    tags = {**body.tags, "retrain.by": caller.name, "mlflow.user": caller.name}

    def make(claim: str | None) -> str:
        tracker = use.tracker()
        return (claim and tracker.find_run(body.experiment_id, claim)) or tracker.start_run(
            body.experiment_id, body.run_name, tags, key=claim, parent=body.parent_run_id, note=body.note
        )

    def start() -> Run:
        if body.parent_run_id is not None:
            use.tracker().get_run(body.parent_run_id)
        return use.tracker().get_run(once(use.backend.ledger, caller, key, body, make))

    return await use.quick(start)


@router.post("/log-params", dependencies=[needs(Permission.LOG)], responses=responses(404))
async def log_params(body: Params, caller: Who, use: Use) -> Logged:
    """Log parameters. A value that is not text is stored as JSON. A parameter that is logged cannot be changed."""
    await use.quick(lambda: use.tracker().log_params(body.run_id, body.params, tags=logged_by(caller)))
    return Logged(run_id=body.run_id, logged=len(body.params))


@router.post("/log-metrics", dependencies=[needs(Permission.LOG)], responses=responses(404))
async def log_metrics(body: Metrics, caller: Who, use: Use, key: IdempotencyKey = None) -> Logged:
    """Log metrics. A list holds the values of `step`, `step + 1`, …; NaN is written as text. Infinity is refused."""
    metrics = body.numbers()

    def log() -> None:
        # MLflow stores a point once, even if it comes again with the same time.
        at = once(use.backend.ledger, caller, key, body, lambda _: datetime.now(UTC).isoformat())
        use.tracker().log_metrics(
            body.run_id, metrics, body.step, at=datetime.fromisoformat(at), tags=logged_by(caller)
        )

    await use.quick(log)
    return Logged(run_id=body.run_id, logged=body.points)


@router.post("/search", dependencies=[needs(Permission.READ)])
async def search_runs(body: Search, use: Use) -> Runs:
    """Search runs. All conditions must hold: MLflow has no OR. A run that is added or deleted shifts the next page."""
    query = body.model_dump(mode="json", exclude={"page_token"})
    after = paging.place(body.page_token, query)

    def search() -> Runs:
        page = use.tracker().page_of_runs(
            body.experiment_ids, _conditions(body), _orders(body), body.max_results, after
        )
        return Runs(
            runs=list(page.items),
            next_page_token=paging.token(page.next, query),
        )

    return await use.quick(search)


@router.post("/compare", dependencies=[needs(Permission.READ)], responses=responses(404))
async def compare_runs(body: Comparison, use: Use) -> Table:
    """The runs side by side, in the order of the request; a value that a run does not have is null."""

    def compare() -> Table:
        frame = use.tracker().compare_runs(body.run_ids, body.metric_keys)
        rows = [[_null_for_nan(value) for value in row] for row in frame.astype(object).to_numpy().tolist()]
        return Table(columns=list(frame.columns), rows=rows)

    return await use.slow(compare)


@router.get("/best/{experiment_id}", dependencies=[needs(Permission.READ)], responses=responses(404))
async def best_run(
    experiment_id: ExperimentInPath,
    metric_key: Annotated[Name, Query(examples=["f1"])],
    use: Use,
    ascending: bool = False,
) -> Run:
    """The finished run with the greatest value, or with the smallest if `ascending`; of equal ones the earliest."""

    def best() -> Run:
        found = use.tracker().get_best_run(experiment_id, metric_key, ascending)
        if found is None:
            use.tracker().get_experiment(experiment_id)  # raises NotFoundError if there is no such experiment
            raise NotFoundError(f"experiment {experiment_id} has no finished run with a finite {metric_key!r}")
        return found

    return await use.quick(best)


# ── of one run


@router.get("/{run_id}", dependencies=[needs(Permission.READ)], responses=responses(404))
async def get_run(run_id: RunInPath, use: Use) -> Run:
    """One run; a deleted one too."""
    return await use.quick(lambda: use.tracker().get_run(run_id))


@router.delete("/{run_id}", status_code=204, dependencies=[needs(Permission.DELETE)], responses=responses(404))
async def delete_run(run_id: RunInPath, why: WhyInQuery, caller: Who, use: Use) -> None:
    """MLflow keeps the run, marked as deleted. If Production or a rollback needs it, this is refused."""
    await use.quick(lambda: use.backend.deletions().delete_run(run_id, by=caller.name, why=why))


@router.post("/{run_id}/end", dependencies=[needs(Permission.LOG)], responses=responses(404))
async def end_run(run_id: RunInPath, body: RunEnd, caller: Who, use: Use) -> Run:
    """End a run with a status. RUNNING resumes a run that has failed."""

    def end() -> Run:
        use.tracker().set_tags(run_id, {"retrain.ended_by": caller.name})
        use.tracker().end_run(run_id, body.status)
        return use.tracker().get_run(run_id)

    return await use.quick(end)


@router.patch("/{run_id}/tags", dependencies=[needs(Permission.LOG)], responses=responses(404))
async def set_tags(run_id: RunInPath, body: RunTags, caller: Who, use: Use) -> Run:
    """Set tags. Tags that are not named stay as they are."""

    def patch() -> Run:
        use.tracker().set_tags(run_id, {**body.tags, **logged_by(caller)})
        return use.tracker().get_run(run_id)

    return await use.quick(patch)


@router.get("/{run_id}/metrics/{name:path}", dependencies=[needs(Permission.READ)], responses=responses(404))
async def metric_history(
    run_id: RunInPath,
    name: Annotated[Name, InUrl()],
    use: Use,
    max_results: Size = 1_000,
    page_token: PageToken = None,
) -> MetricHistory:
    """Every point that was logged, by step."""

    def history() -> MetricHistory:
        points = use.tracker().metric_history(run_id, name)
        if not points:
            use.tracker().get_run(run_id)  # raises NotFoundError if there is no such run
        page, after = paging.part_by_place(points, max_results, page_token, run_id, name)
        return MetricHistory(points=page, next_page_token=after)

    return await use.quick(history)


def _null_for_nan(value: Any) -> Any:
    """Return None for NaN, which stands in the table for a value that a run does not have."""
    return None if isinstance(value, float) and isnan(value) else value


def _conditions(body: Search) -> list[Condition]:
    return [Condition(each.kind, each.name, each.comparison, each.value) for each in body.filter]


def _orders(body: Search) -> list[Order]:
    return [Order(each.kind, each.name, each.ascending) for each in body.order_by]
