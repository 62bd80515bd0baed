"""Routes about experiments, and about whether MLflow answers."""

from typing import Annotated

from fastapi import APIRouter, Query

from retrain.tracker.entities import Experiment, View
from retrain_airflow.api import paging
from retrain_airflow.api.access import Permission, Who, needs
from retrain_airflow.api.backend import Use
from retrain_airflow.api.bodies.experiments import Experiments, Health, NewExperiment, Stats
from retrain_airflow.api.bodies.values import ExperimentInPath, PageToken, Size, WhyInQuery
from retrain_airflow.api.limits import BoundedRoute
from retrain_airflow.api.once import IdempotencyKey, once
from retrain_airflow.api.problems import responses

router = APIRouter(tags=["experiments"], route_class=BoundedRoute)


@router.get("/health", dependencies=[needs(Permission.READ)])
async def health(use: Use) -> Health:
    """Check that the API and its MLflow server answer, including the server's database."""
    await use.quick(lambda: use.tracker().check())
    return Health()


@router.post("/create", status_code=201, dependencies=[needs(Permission.LOG)])
async def create_experiment(body: NewExperiment, caller: Who, use: Use, key: IdempotencyKey = None) -> Experiment:
    """Create the experiment of this name, unless there is one; then its tags stay as they are."""

    def create() -> Experiment:
        tags = {**body.tags, "retrain.by": caller.name}
        made = once(use.backend.ledger, caller, key, body, lambda _: use.tracker().create_experiment(body.name, tags))
        return use.tracker().get_experiment(made)

    return await use.quick(create)


@router.get("/", dependencies=[needs(Permission.READ)])
async def list_experiments(
    use: Use,
    view: Annotated[View, Query()] = "ACTIVE",
    max_results: Size = 100,
    page_token: PageToken = None,
) -> Experiments:
    """All experiments, the oldest first."""
    after = paging.place(page_token, "experiments", view, max_results)
    page = await use.quick(lambda: use.tracker().page_of_experiments(view, max_results, after))
    return Experiments(
        experiments=list(page.items),
        next_page_token=paging.token(page.next, "experiments", view, max_results),
    )


@router.get("/stats/{experiment_id}", dependencies=[needs(Permission.READ)], responses=responses(404))
async def experiment_stats(experiment_id: ExperimentInPath, use: Use) -> Stats:
    """Statistics of each metric over the experiment's finished runs."""

    def stats() -> Stats:
        found = use.tracker().experiment_stats(experiment_id)
        if not found:
            use.tracker().get_experiment(experiment_id)  # raises NotFoundError if there is no such experiment
        return Stats(metrics=dict(found))

    return await use.slow(stats)


@router.get("/{experiment_id}", dependencies=[needs(Permission.READ)], responses=responses(404))
async def get_experiment(experiment_id: ExperimentInPath, use: Use) -> Experiment:
    """One experiment; a deleted one too."""
    return await use.quick(lambda: use.tracker().get_experiment(experiment_id))


@router.delete(
    "/{experiment_id}", status_code=204, dependencies=[needs(Permission.DELETE)], responses=responses(404, 409)
)
async def delete_experiment(experiment_id: ExperimentInPath, why: WhyInQuery, caller: Who, use: Use) -> None:
    """MLflow keeps it and its name, marked as deleted. If Production or a rollback needs it, this is refused."""
    await use.slow(lambda: use.backend.deletions().delete_experiment(experiment_id, by=caller.name, why=why))
