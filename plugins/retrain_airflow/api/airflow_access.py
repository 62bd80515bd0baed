"""Airflow's own login and permissions, for the API.

| here    | in Airflow                                   | roles that have it       |
|---------|----------------------------------------------|--------------------------|
| read    | reading DAGs                                 | Viewer, User, Op, Admin  |
| log     | starting runs of DAGs                        | User, Op, Admin          |
| promote | editing connections; and editing that DAG    | Op, Admin                |
| …, back | also starting runs of DAG `retrain-rollback` | Op, Admin                |
| delete  | administering roles                          | Admin                    |

A view of the plugin's own would not protect anything: the simple auth manager shows those to every viewer.
"""

from dataclasses import dataclass
from typing import Any
from urllib.parse import urlencode, urlsplit

from airflow.api_fastapi.app import get_auth_manager
from airflow.api_fastapi.auth.managers.models.resource_details import ConnectionDetails, DagAccessEntity, DagDetails
from airflow.api_fastapi.auth.managers.simple.simple_auth_manager import SimpleAuthManager
from airflow.configuration import conf
from airflow.models.dag import DagModel
from fastapi import HTTPException, Request
from fastapi.security import HTTPAuthorizationCredentials

from retrain_airflow.api.access import NotAllowedError, Permission
from retrain_airflow.api.app import PREFIX
from retrain_airflow.compat import user_of
from retrain_airflow.hooks.tracker import TrackerHook


@dataclass(frozen=True)
class AirflowCaller:
    user: Any

    @property
    def name(self) -> str:
        return str(self.user.get_name())

    def may(self, permission: Permission, dag_id: str | None = None) -> bool:
        manager = get_auth_manager()
        if permission is Permission.READ:
            return self._may("GET", dag_id)
        if permission is Permission.LOG:
            return self._may("POST", dag_id, DagAccessEntity.RUN)
        if permission is Permission.PROMOTE:
            mlflow = ConnectionDetails(conn_id=TrackerHook.default_conn_name)
            return manager.is_authorized_connection(method="PUT", details=mlflow, user=self.user) and self._may(
                "PUT", dag_id
            )
        # There is no method of all auth managers that asks for an administrator.
        if isinstance(manager, SimpleAuthManager):
            return str(self.user.role or "").upper() == "ADMIN"
        return manager.is_authorized_custom_view(method="PUT", resource_name="Roles", user=self.user)

    def _may(self, method: Any, dag_id: str | None, entity: DagAccessEntity | None = None) -> bool:
        details = DagDetails(id=dag_id, team_name=DagModel.get_team_name(dag_id)) if dag_id else None
        manager = get_auth_manager()
        return bool(manager.is_authorized_dag(method=method, access_entity=entity, details=details, user=self.user))


async def identify(request: Request, token: str | None) -> AirflowCaller:
    """Return the user whose token, or else whose session, came with the request. Raises NotAllowedError."""
    bearer = None if token is None else HTTPAuthorizationCredentials(scheme="Bearer", credentials=token)
    try:
        return AirflowCaller(await user_of(request, bearer))
    except HTTPException as error:
        if token is not None:
            raise NotAllowedError(error.status_code, str(error.detail)) from error
        # Airflow answers 403 to a session that has ended, but a new login helps.
        raise NotAllowedError(401, str(error.detail), login=_login(request)) from error


def _login(request: Request) -> str:
    """Return Airflow's login page, which leads back to the requested path, as Airflow's own UI does."""
    # Behind a proxy, Airflow's address may have a path of its own, which a request's path sometimes includes.
    base = urlsplit(conf.get("api", "base_url", fallback="") or "").path.rstrip("/")
    path = request.url.path
    path = base + path[max(path.find(PREFIX), 0) :]
    return f"{base}/api/v2/auth/login?{urlencode({'next': path})}"
