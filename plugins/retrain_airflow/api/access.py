"""Who asks, and what he may. Whoever runs the API says so: `create_app` takes an `Identify`."""

from collections.abc import Awaitable, Callable
from enum import StrEnum
from typing import Annotated, Any, Protocol

from fastapi import Depends, Request
from fastapi.security import HTTPAuthorizationCredentials, HTTPBearer

_bearer = HTTPBearer(
    auto_error=False, description="A token of Airflow's `POST /auth/token`; a session's cookie will do."
)

_KNOWN = "retrain_caller"
"""Where in a request its caller is kept, beside what Airflow keeps there."""


class Permission(StrEnum):
    READ = "read"
    LOG = "log"
    """Begin experiments and runs, log to them, register what they made, start cycles."""
    PROMOTE = "promote"
    """Change the stage of a version: promote, roll back."""
    DELETE = "delete"


class NotAllowedError(Exception):
    """401 without a login that counts, 403 where it does not suffice."""

    def __init__(self, status: int, says: str, *, login: str | None = None) -> None:
        """login: address where a person logs in, and comes back from; None where there is no such page."""
        super().__init__(says)
        self.status = status
        self.says = says
        self.login = login


class Caller(Protocol):
    @property
    def name(self) -> str: ...

    def may(self, permission: Permission, dag_id: str | None = None) -> bool:
        """dag_id: where it is about what that DAG keeps."""
        ...


Identify = Callable[[Request, str | None], Awaitable[Caller]]
"""Says who sent a request; told the bearer token that came with it. Raises NotAllowedError."""


async def caller(request: Request) -> Caller:
    """Asked once for each request. Raises NotAllowedError."""
    known: Caller | None = getattr(request.state, _KNOWN, None)
    if known is None:
        identify: Identify = request.app.state.identify
        credentials = await _bearer(request)
        known = await identify(request, None if credentials is None else credentials.credentials)
        setattr(request.state, _KNOWN, known)
    return known


async def _caller(request: Request, _: Annotated[HTTPAuthorizationCredentials | None, Depends(_bearer)]) -> Caller:
    """Depends on what reads the token, so that the documentation says how to log in."""
    return await caller(request)


Who = Annotated[Caller, Depends(_caller)]


def needs(permission: Permission) -> Any:
    """What a route depends on, so that it answers nobody else."""

    # Not async: an auth manager may ask its database.
    def check(caller: Who) -> None:
        allow(caller, permission)

    return Depends(check)


def allow(caller: Caller, permission: Permission, dag_id: str | None = None) -> None:
    if not caller.may(permission, dag_id):
        where = f" what DAG {dag_id} keeps" if dag_id else ""
        raise NotAllowedError(403, f"{caller.name} may not {permission}{where}")


def logged_by(caller: Caller) -> dict[str, str]:
    """The tag of a run that says who has logged to it last."""
    return {"retrain.logged_by": caller.name}
