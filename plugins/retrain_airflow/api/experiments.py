"""Experiments, and whether MLflow answers."""

from typing import Annotated

from fastapi import APIRouter, Query

from retrain.tracker.entities import Experiment, View
from retrain_airflow.api import paging
from retrain_airflow.api.access import Permission, Who, needs
from retrain_airflow.api.backend import Use
from retrain_airflow.api.bodies.experiments import Experiments, Health, NewExperiment, Stats
from retrain_airflow.api.bodies.values import ExperimentInPath, PageToken, Size, WhyInQuery
from retrain_airflow.api.once import IdempotencyKey, once
from retrain_airflow.api.problems import responses

router = APIRouter(tags=["experiments"])


@router.get("/health", dependencies=[needs(Permission.READ)])
async def health(use: Use) -> Health:
    """Whether the API and its MLflow server answer, the server's database included."""
    await use.quick(lambda: use.tracker().check())
    return Health()


@router.post("/create", status_code=201, dependencies=[needs(Permission.LOG)])
async def create_experiment(body: NewExperiment, caller: Who, use: Use, key: IdempotencyKey = None) -> Experiment:
    """The experiment of this name, made now unless it is there; tags are those of the first."""

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
    """The oldest first."""
    after = paging.place(page_token, "experiments", view, max_results)
    page = await use.quick(lambda: use.tracker().page_of_experiments(view, max_results, after))
    return Experiments(
        experiments=list(page.items),
        next_page_token=paging.token(page.next, "experiments", view, max_results),
    )


@router.get("/stats/{experiment_id}", dependencies=[needs(Permission.READ)], responses=responses(404))
async def experiment_stats(experiment_id: ExperimentInPath, use: Use) -> Stats:
    """Of each metric over the experiment's finished runs."""

    def stats() -> Stats:
        found = use.tracker().experiment_stats(experiment_id)
        if not found:
            use.tracker().get_experiment(experiment_id)  # says so where there is no such experiment
        return Stats(metrics=dict(found))

    return await use.slow(stats)


@router.get("/{experiment_id}", dependencies=[needs(Permission.READ)], responses=responses(404))
async def get_experiment(experiment_id: ExperimentInPath, use: Use) -> Experiment:
    """Also one that is deleted."""
    return await use.quick(lambda: use.tracker().get_experiment(experiment_id))


@router.delete(
    "/{experiment_id}", status_code=204, dependencies=[needs(Permission.DELETE)], responses=responses(404, 409)
)
async def delete_experiment(experiment_id: ExperimentInPath, why: WhyInQuery, caller: Who, use: Use) -> None:
    """MLflow keeps it as deleted, and its name with it. One that Production or a rollback needs is not deleted."""
    await use.slow(lambda: use.backend.registry().delete_experiment(experiment_id, by=caller.name, why=why))
