"""Routes about the Production of a model, which the ledger alone answers: what was there when, and freezes."""

from datetime import UTC, datetime
from uuid import uuid4

from fastapi import APIRouter

from retrain.records import Freeze
from retrain.spec.files import FREEZE_DAG
from retrain_airflow.api.access import Permission, Who, allow, needs
from retrain_airflow.api.backend import Use
from retrain_airflow.api.bodies.models import FreezeFor, ProductionAt
from retrain_airflow.api.bodies.values import ModelInPath
from retrain_airflow.api.limits import BoundedRoute
from retrain_airflow.api.once import IdempotencyKey, once
from retrain_airflow.api.problems import responses

router = APIRouter(prefix="/models", tags=["models"], route_class=BoundedRoute)


@router.get("/{model_name}/production", dependencies=[needs(Permission.READ)], responses=responses(404))
async def production_at(model_name: ModelInPath, use: Use, at: datetime | None = None) -> ProductionAt:
    """The version that was in Production at a time; without one, that of now. A time without a zone is UTC."""

    def found() -> ProductionAt:
        time = at or datetime.now(UTC)
        time = time if time.tzinfo else time.replace(tzinfo=UTC)
        ledger = use.backend.ledger(use.backend.spec(model_name).spec.connections)
        return ProductionAt(model=model_name, at=time, version=ledger.production_at(model_name, time))

    return await use.own(found)


@router.post(
    "/{model_name}/freeze", status_code=201, dependencies=[needs(Permission.PROMOTE)], responses=responses(404, 409)
)
async def freeze(
    model_name: ModelInPath, body: FreezeFor, caller: Who, use: Use, key: IdempotencyKey = None
) -> Freeze | None:
    """Keep Production as it is for some days, or end that. Returns the freeze that holds then, which may be one of
    every model. The caller may start DAG `retrain-freeze`, and promote this model.
    """

    def frozen() -> Freeze | None:
        from retrain.cycle.freeze import freeze as freeze_until

        file = use.backend.spec(model_name)
        allow(caller, Permission.PROMOTE, file.dag_id)
        allow(caller, Permission.LOG, FREEZE_DAG)
        ledger = use.backend.ledger(file.spec.connections)
        claim = once(lambda: ledger, caller, key, body, lambda claim: claim or uuid4().hex)
        freeze_until(ledger, claim, model_name, days=body.days, by=caller.name, why=body.why)
        return ledger.freeze_of(model_name)

    return await use.own(frozen)
