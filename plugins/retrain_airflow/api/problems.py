"""Responses to errors: problem details (RFC 9457), from one table. They hold no address, path, SQL or traceback."""

import logging
from collections.abc import Sequence
from dataclasses import dataclass
from http import HTTPStatus
from typing import Any

from fastapi import FastAPI, Request
from fastapi.exceptions import RequestValidationError
from fastapi.responses import HTMLResponse, JSONResponse, RedirectResponse
from pydantic import BaseModel, ConfigDict
from starlette.exceptions import HTTPException
from starlette.responses import Response
from starlette.routing import Match, Route

from retrain import errors
from retrain_airflow.api.access import NotAllowedError
from retrain_airflow.api.headers import NOT_STORED

log = logging.getLogger(__name__)

MEDIA_TYPE = "application/problem+json"
_RETRY_AFTER = 5
"""Seconds after which a client may try again."""


class BusyError(errors.RetrainError):
    """The limit of simultaneous calls is reached, or this call has taken too long."""


class TooLargeError(errors.RetrainError):
    """The body is larger than the limit."""


class SlowBodyError(errors.RetrainError):
    """The body does not come, or comes too slowly."""


class UnprocessableError(errors.RetrainError):
    """The request is well-formed, but cannot be carried out."""


class Fault(BaseModel):
    """One field of the request that is wrong, and why."""

    field: str
    says: str


class Problem(BaseModel):
    """RFC 9457, application/problem+json."""

    model_config = ConfigDict(
        json_schema_extra={
            "examples": [
                {
                    "type": "about:blank",
                    "title": "Not found",
                    "status": 404,
                    "detail": "run 0af1: no run with this id",
                }
            ]
        }
    )

    type: str = "about:blank"
    title: str
    status: int
    detail: str
    errors: list[Fault] | None = None
    """For status 422: each field that is wrong."""


@dataclass(frozen=True)
class _Row:
    error: type[Exception]
    status: int
    title: str
    detail: str | None = None
    """Instead of the error's own message, if that may hold an address."""


# The first row that fits is used.
_TABLE = (
    _Row(
        errors.NoAnswerError,
        503,
        "MLflow does not answer",
        "try again; the request may or may not have been carried out",
    ),
    _Row(errors.NotFoundError, 404, "Not found"),
    _Row(errors.UntrustedModelError, 409, "The model's files are not trusted"),
    _Row(errors.TrackerError, 422, "MLflow does not accept this"),
    _Row(errors.NotInLedgerError, 404, "Not in the ledger"),
    _Row(errors.LedgerError, 503, "Retrain's database does not answer", "try again"),
    _Row(errors.StaleVerdictError, 409, "Production has changed"),
    _Row(errors.FrozenError, 409, "Production is frozen"),
    _Row(errors.SplitTestError, 409, "Split test cannot be changed"),
    _Row(errors.SourceMismatchError, 409, "The source does not match the spec"),
    _Row(errors.SourceError, 503, "The source does not answer", "try again"),
    _Row(
        errors.SnapshotError, 409, "The snapshot cannot be read", "its rows are gone or changed: see the server's log"
    ),
    _Row(
        errors.EstimatorError,
        409,
        "The version does not work",
        "it cannot be loaded or cannot score rows: see the server's log",
    ),
    _Row(errors.EndedError, 503, "The version could not be asked", "try again"),
    _Row(errors.SettingsError, 503, "Retrain is not set up", "see the server's log"),
    _Row(errors.MissingExtraError, 503, "Retrain is not set up", "see the server's log"),
    _Row(BusyError, 503, "Too many requests at once"),
    _Row(TooLargeError, 413, "Too large"),
    _Row(SlowBodyError, 408, "Too slow"),
    _Row(UnprocessableError, 422, "This cannot be done"),
    _Row(errors.RetrainError, 409, "This cannot be done now"),
)


def responses(*statuses: int) -> dict[int | str, dict[str, Any]]:
    """Return the errors of a route, for its documentation."""
    return {
        status: {"description": HTTPStatus(status).phrase, "model": Problem, "content": {MEDIA_TYPE: {}}}
        for status in statuses
    }


def handle(app: FastAPI) -> None:
    """Register the handlers: a mounted application does not use those of the application around it."""
    for each in (errors.RetrainError, NotAllowedError, RequestValidationError, HTTPException, Exception):
        app.add_exception_handler(each, answer)


async def answer(request: Request, error: Exception) -> Response:
    """Return the response to an error: a problem, or the way to the login page."""
    if isinstance(error, NotAllowedError):
        if error.login is not None and _is_for_people(request):
            return RedirectResponse(error.login, HTTPStatus.SEE_OTHER)
        return _problem(error.status, HTTPStatus(error.status).phrase, error.detail)
    if isinstance(error, RequestValidationError):
        return _problem(422, "The request is not valid", "see errors", _faults(error))
    if isinstance(error, HTTPException):
        # FastAPI answers 400 to a body that cannot be decoded; the document announces 422 for every wrong body.
        status = 422 if error.status_code == HTTPStatus.BAD_REQUEST else error.status_code
        allow = {"Allow": _allowed(request)} if status == HTTPStatus.METHOD_NOT_ALLOWED else {}
        return _problem(
            status, HTTPStatus(status).phrase, str(error.detail), headers={**(error.headers or {}), **allow}
        )
    for row in _TABLE:
        if isinstance(error, row.error):
            if row.detail is not None:
                log.warning("%s %s: %s", request.method, request.url.path, error)
            message = error.message if isinstance(error, errors.RetrainError) else str(error)
            return _problem(row.status, row.title, row.detail or message)
    log.error("%s %s", request.method, request.url.path, exc_info=error)
    return _problem(500, "Internal error", "see the server's log")


def _is_for_people(request: Request) -> bool:
    """Return whether a browser asks for a page: a person can then log in, and a program cannot."""
    is_page = getattr(request.scope.get("route"), "response_class", None) is HTMLResponse
    return is_page and "text/html" in request.headers.get("accept", "")


def _allowed(request: Request) -> str:
    """Return the methods of all routes with this path; Starlette names those of the first one only."""
    routes = [each for each in request.app.routes if isinstance(each, Route)]
    path = next((each.path for each in routes if each.matches(request.scope)[0] != Match.NONE), None)
    return ", ".join(sorted({method for each in routes if each.path == path for method in each.methods or ()}))


def _problem(
    status: int, title: str, detail: str, faults: Sequence[Fault] | None = None, headers: Any = None
) -> Response:
    problem = Problem(title=title, status=status, detail=detail, errors=None if faults is None else list(faults))
    also = {**NOT_STORED, **(headers or {})}
    if status == HTTPStatus.SERVICE_UNAVAILABLE:
        also["Retry-After"] = str(_RETRY_AFTER)
    if status == HTTPStatus.UNAUTHORIZED:
        also["WWW-Authenticate"] = "Bearer"
    # A request may hold half a surrogate pair, which UTF-8 cannot encode.
    body = problem.model_dump(exclude_none=True)
    body["detail"] = _encodable(body["detail"])
    return JSONResponse(body, status, also, MEDIA_TYPE)


def _faults(error: RequestValidationError) -> list[Fault]:
    """Return the wrong fields without their values, which may be a megabyte long."""
    found = []
    for each in error.errors()[:20]:
        where = [str(part) for part in each["loc"] if part != "body"]
        found.append(Fault(field=_encodable(".".join(where))[:300] or "body", says=_encodable(str(each["msg"]))[:300]))
    return found


def _encodable(text: str) -> str:
    return text.encode("utf-8", "replace").decode("utf-8")
