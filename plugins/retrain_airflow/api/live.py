"""The route about rows that are labelled later: how Production does on them, which the ledger alone answers."""

from fastapi import APIRouter

from retrain_airflow.api.access import Permission, Who, allow, needs
from retrain_airflow.api.backend import Use
from retrain_airflow.api.bodies.live import LaterRows
from retrain_airflow.api.bodies.values import ModelInPath
from retrain_airflow.api.later import later_rows
from retrain_airflow.api.limits import BoundedRoute
from retrain_airflow.api.problems import responses

router = APIRouter(prefix="/specs", tags=["specs"], route_class=BoundedRoute)


@router.get("/{model_name}/live", dependencies=[needs(Permission.READ)], responses=responses(404))
async def get_live(model_name: ModelInPath, caller: Who, use: Use) -> LaterRows:
    """How Production does on rows that are labelled later: now, against its promise, and cohort by cohort."""

    def found() -> LaterRows:
        file = use.backend.spec(model_name)
        allow(caller, Permission.READ, file.dag_id)
        return later_rows(file.spec, use.backend.ledger(file.spec.connections))

    return await use.own(found)
