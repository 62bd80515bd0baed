"""Routes about the registry: versions, changes of Production, and its history."""

from dataclasses import replace
from functools import partial

from fastapi import APIRouter, Request

from retrain.records import Promotion
from retrain.spec.aliases import Aliases
from retrain.spec.connections import DEFAULT, Connections
from retrain.spec.files import ADOPT_DAG, ROLLBACK_DAG
from retrain.tracker.entities import RegisteredModel
from retrain_airflow.api import paging
from retrain_airflow.api.access import Permission, Who, allow, needs
from retrain_airflow.api.backend import Use, Using
from retrain_airflow.api.bodies.cycles import Cycle
from retrain_airflow.api.bodies.models import (
    Adoption,
    History,
    JudgedVersion,
    ModelVersion,
    ModelVersions,
    NewVersion,
    RegisteredModels,
    Rollback,
    Transition,
    Transitioned,
)
from retrain_airflow.api.bodies.values import ModelInPath, PageToken, Size, VersionInPath
from retrain_airflow.api.limits import BoundedRoute
from retrain_airflow.api.once import IdempotencyKey, once
from retrain_airflow.api.problems import responses

router = APIRouter(prefix="/models", tags=["models"], route_class=BoundedRoute)


@router.post("/register", status_code=201, dependencies=[needs(Permission.LOG)], responses=responses(404, 409))
async def register_model(body: NewVersion, caller: Who, use: Use, key: IdempotencyKey = None) -> ModelVersion:
    """Register a model of a run as a version, once."""

    def make(claim: str | None) -> str:
        return use.backend.registry(body.model_name).register_model(
            body.run_id, body.model_name, body.model_uri, key=claim, by=caller.name, why=body.why
        )

    def register() -> ModelVersion:
        of = use.backend.connections(body.model_name)
        version = once(partial(use.backend.ledger, of), caller, key, body, make)
        return ModelVersion.model_validate(use.backend.tracker(of).get_model_version(body.model_name, version))

    return await use.quick(register)


@router.post("/transition-stage", dependencies=[needs(Permission.PROMOTE)], responses=responses(404, 409))
async def transition_stage(body: Transition, caller: Who, use: Use) -> Transitioned:
    """Change the stage of a version; Production, through the ledger: the version must load and score rows first."""

    def change() -> Transitioned:
        allow(caller, Permission.PROMOTE, use.backend.dag_of(body.model_name))
        registry = use.backend.registry(body.model_name)
        registry.tracker.get_model_version(body.model_name, body.version)
        promotion = registry.transition_model_stage(
            body.model_name,
            body.version,
            body.stage,
            body.archive_existing_versions,
            expects=body.expects,
            by=caller.name,
            why=body.why,
        )
        found = registry.tracker.get_model_version(body.model_name, body.version)
        return Transitioned(version=ModelVersion.model_validate(found), promotion=promotion)

    return await use.slow(change)


@router.get("/", dependencies=[needs(Permission.READ)])
async def list_models(use: Use, max_results: Size = 100, page_token: PageToken = None) -> RegisteredModels:
    """All registered models of the default MLflow server, by name."""
    after = paging.place(page_token, "models", max_results)

    def listed() -> RegisteredModels:
        page, named = use.tracker().page_of_models(max_results, after), _aliases(use)
        return RegisteredModels(
            models=[_by_its_aliases(each, named) for each in page.items],
            next_page_token=paging.token(page.next, "models", max_results),
        )

    return await use.quick(listed)


@router.get("/{model_name}", dependencies=[needs(Permission.READ)], responses=responses(404))
async def get_model(model_name: ModelInPath, use: Use) -> RegisteredModel:
    """One model, with its versions in Production and in Staging."""
    return await use.quick(lambda: use.backend.registry(model_name).tracker.get_model(model_name))


def _aliases(use: Using) -> dict[str, Aliases]:
    """Return the aliases that the specs name, by model of the default MLflow server."""
    specs = [file.spec for file in use.backend.specs().files]
    return {each.model: each.aliases for each in specs if each.connections.mlflow == DEFAULT.mlflow}


def _by_its_aliases(model: RegisteredModel, named: dict[str, Aliases]) -> RegisteredModel:
    """Return the model with the versions that own the aliases of its spec."""
    names, owners = named.get(model.name, Aliases()), model.aliases
    return replace(model, production=owners.get(names.production), staging=owners.get(names.staging))


@router.get("/{model_name}/versions", dependencies=[needs(Permission.READ)], responses=responses(404))
async def list_versions(
    model_name: ModelInPath, use: Use, max_results: Size = 100, page_token: PageToken = None
) -> ModelVersions:
    """All versions of a model, the oldest first."""

    def versions() -> ModelVersions:
        found = use.backend.tracker(use.backend.connections(model_name)).list_model_versions(model_name)
        page, after = paging.part(found, lambda each: int(each.version), max_results, page_token, model_name)
        return ModelVersions(versions=[ModelVersion.model_validate(each) for each in page], next_page_token=after)

    return await use.quick(versions)


@router.get("/{model_name}/versions/{version}", dependencies=[needs(Permission.READ)], responses=responses(404))
async def get_version(model_name: ModelInPath, version: VersionInPath, use: Use) -> JudgedVersion:
    """One version, with its verdict."""

    def judged() -> JudgedVersion:
        of = use.backend.connections(model_name)
        found = ModelVersion.model_validate(use.backend.tracker(of).get_model_version(model_name, version))
        verdict, at = use.backend.ledger(of).verdict_of_version(model_name, found.identity) or (None, None)
        return JudgedVersion(**found.model_dump(), verdict=verdict, judged_at=at)

    return await use.quick(judged)


@router.post("/{model_name}/rollback", dependencies=[needs(Permission.PROMOTE)], responses=responses(404, 409))
async def rollback(model_name: ModelInPath, body: Rollback, caller: Who, use: Use) -> Promotion:
    """Put the previous version, or a chosen one, back into Production. It must load and score rows first. The caller
    may start DAG `retrain-rollback`, and promote this model.

    The same request, sent again, returns the ledger's row of the first one.
    """

    def back() -> Promotion:
        allow(caller, Permission.PROMOTE, use.backend.dag_of(model_name))
        # What the DAG does is not to be had here by whoever may not start it.
        allow(caller, Permission.LOG, ROLLBACK_DAG)
        registry = use.backend.registry(model_name)
        registry.tracker.get_model(model_name)
        return registry.rollback(model_name, expects=body.expects, to=body.to, by=caller.name, why=body.why)

    return await use.slow(back)


@router.post(
    "/{model_name}/adopt", status_code=202, dependencies=[needs(Permission.DELETE)], responses=responses(404, 409)
)
async def adopt(
    model_name: ModelInPath,
    body: Adoption,
    request: Request,
    *,
    caller: Who,
    use: Use,
    key: IdempotencyKey = None,
) -> Cycle:
    """Start DAG `retrain-adopt`, which takes over a Production that Retrain did not log. Nothing is loaded here.

    The caller may start that DAG, and delete what is of this model: it says which code the tasks may run.
    """

    def claim() -> str | None:
        file = use.backend.spec(model_name)
        allow(caller, Permission.DELETE, file.dag_id)
        allow(caller, Permission.LOG, ADOPT_DAG)
        ledger = partial(use.backend.ledger, file.spec.connections)
        return once(ledger, caller, key, body, lambda claim: claim or "") or None

    run_id = await use.own(claim)
    conf = {"model": model_name, **body.model_dump(mode="json", exclude_none=True)}
    started = await use.backend.scheduler.start(request, ADOPT_DAG, run_id and f"api__{run_id[:32]}", conf)
    return Cycle(dag_id=ADOPT_DAG, dag_run_id=started)


@router.get("/{model_name}/history", dependencies=[needs(Permission.READ)], responses=responses(404))
async def history(model_name: ModelInPath, use: Use, max_results: Size = 100, page_token: PageToken = None) -> History:
    """Every change of Production, when and why, the oldest first."""

    def changes() -> tuple[Connections, list[Promotion]]:
        of = use.backend.connections(model_name)
        return of, use.backend.ledger(of).history(model_name)

    of, found = await use.own(changes)
    if not found:
        # Raises NotFoundError if there is no such model.
        await use.quick(lambda: use.backend.tracker(of).get_model(model_name))
    page, after = paging.part(found, lambda each: each.seq, max_results, page_token, model_name)
    return History(promotions=page, next_page_token=after)
