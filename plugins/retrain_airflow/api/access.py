"""The caller of a request, and the caller's permissions. `create_app` is given the function that identifies callers."""

from collections.abc import Awaitable, Callable, Sequence
from enum import StrEnum
from typing import Annotated, Any, Protocol

from fastapi import Depends, Request
from fastapi.concurrency import run_in_threadpool
from fastapi.security import HTTPAuthorizationCredentials, HTTPBearer

_bearer = HTTPBearer(
    auto_error=False, description="A token of Airflow's `POST /auth/token`; a session's cookie will do."
)

_STATE, _PERMITTED = "retrain_caller", "retrain_permitted"
"""The names under which a request's state holds the caller and what is permitted; Airflow has its own names there."""


class Permission(StrEnum):
    READ = "read"
    LOG = "log"
    """Create experiments and runs, log to them, register their models, start cycles."""
    PROMOTE = "promote"
    """Change the stage of a version: promote or roll back."""
    DELETE = "delete"


class NotAllowedError(Exception):
    """The request is refused: 401 without a valid login, 403 if the caller lacks the permission."""

    def __init__(self, status: int, detail: str, *, login: str | None = None) -> None:
        """login: address of a page where a person logs in and is sent back here; None if there is no such page."""
        super().__init__(detail)
        self.status = status
        self.detail = detail
        self.login = login


class Caller(Protocol):
    @property
    def name(self) -> str: ...

    def may(self, permission: Permission, dag_id: str | None = None) -> bool:
        """Return whether the caller has this permission; dag_id: for the model of that DAG."""
        ...


Identify = Callable[[Request, str | None], Awaitable[Caller]]
"""Returns the caller of a request, given its bearer token. Raises NotAllowedError."""


async def caller(request: Request) -> Caller:
    """Return the caller of a request, who is identified once. Raises NotAllowedError."""
    identified: Caller | None = getattr(request.state, _STATE, None)
    if identified is None:
        identify: Identify = request.app.state.identify
        credentials = await _bearer(request)
        identified = await identify(request, None if credentials is None else credentials.credentials)
        setattr(request.state, _STATE, identified)
    return identified


async def _caller(request: Request, _: Annotated[HTTPAuthorizationCredentials | None, Depends(_bearer)]) -> Caller:
    """Return the caller. Depends on the bearer scheme, so that the document says how to log in."""
    return await caller(request)


Who = Annotated[Caller, Depends(_caller)]


def needs(permission: Permission) -> Any:
    """Return a dependency that refuses a caller without this permission."""

    async def check(request: Request, _: Who) -> None:
        await permit(request, permission)

    check.permission = permission  # type: ignore[attr-defined]
    return Depends(check)


def needed(dependencies: Sequence[Any]) -> list[Permission]:
    """Return the permissions that these dependencies of a route ask for."""
    return [each.dependency.permission for each in dependencies if hasattr(each.dependency, "permission")]


async def permit(request: Request, permission: Permission) -> None:
    """Refuse a caller without this permission; asked once in a request. Raises NotAllowedError."""
    who = await caller(request)
    known: frozenset[Permission] = getattr(request.state, _PERMITTED, frozenset())
    if permission not in known:
        # In a thread: an auth manager may query its database.
        await run_in_threadpool(allow, who, permission)
        setattr(request.state, _PERMITTED, known | {permission})


def allow(caller: Caller, permission: Permission, dag_id: str | None = None) -> None:
    """Raise NotAllowedError if the caller lacks this permission; dag_id: for the model of that DAG."""
    if not caller.may(permission, dag_id):
        what: str = permission
        if dag_id:
            what = f"start DAG {dag_id}" if permission is Permission.LOG else f"{permission} what DAG {dag_id} keeps"
        raise NotAllowedError(403, f"{caller.name} may not {what}")


def logged_by(caller: Caller) -> dict[str, str]:
    """Return the tag of a run that names the last person who logged to it."""
    return {"retrain.logged_by": caller.name}
