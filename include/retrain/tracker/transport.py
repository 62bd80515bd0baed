"""How each call to MLflow is sent, and how MLflow's errors become Retrain's."""

import base64
import os
import re
from collections.abc import Iterator
from contextlib import contextmanager
from functools import cache
from math import ceil
from pathlib import Path
from typing import ClassVar
from urllib.parse import urlsplit

from mlflow.exceptions import MlflowException, RestException
from mlflow.tracking.request_auth.abstract_request_auth_provider import RequestAuthProvider
from mlflow.tracking.request_auth.registry import _request_auth_provider_registry
from mlflow.tracking.request_header.databricks_request_header_provider import DatabricksRequestHeaderProvider
from mlflow.tracking.request_header.registry import _request_header_provider_registry
from requests import HTTPError, PreparedRequest
from requests.auth import AuthBase

from retrain.errors import NoAnswerError, NotFoundError, TrackerError
from retrain.text import one_line

DEADLINE = 60
"""Seconds after which a call without an answer fails. A write that was sent lands within this time or not at all."""


class AlreadyExistsError(TrackerError):
    """Another process was faster. Only this package catches it; to others it is a TrackerError."""


_FILE_ERRORS = (FileNotFoundError, IsADirectoryError, NotADirectoryError, PermissionError)
"""Errors about a file on this machine: a second try would fail in the same way."""
_NO_ANSWER = ("INTERNAL_ERROR", "TEMPORARILY_UNAVAILABLE")
"""Error codes of MLflow that a retry can help with. The second one means that its database is down, or that another
transaction was faster."""
_NO_SUCH_CALL = ("ENDPOINT_NOT_FOUND", "NOT_IMPLEMENTED", "FEATURE_DISABLED")
_CONFIDENTIAL = re.compile(r"\[SQL|psycopg2|sqlite3|://|host=")
"""Signs of an address, or of an error of MLflow's database, which MLflow passes on with the SQL statement."""


@contextmanager
def translated_errors(server: str, what: str) -> Iterator[None]:
    """Raise Retrain's errors for MLflow's, by their codes: MLflow's classes do not tell a refusal from no answer.

    what: the subject of the error message. NotFoundError, AlreadyExistsError and TrackerError are refusals;
    NoAnswerError means that nobody knows whether the call was carried out.
    """
    try:
        yield
    except (MlflowException, OSError) as error:
        message, where = f"{what}: {one_line(error)}", server
        if isinstance(error, OSError) or _CONFIDENTIAL.search(message):
            message, where = f"{what}: {_in_short(error)}", f"{server}: {message}"
        code = error.error_code if isinstance(error, MlflowException) else "INTERNAL_ERROR"
        if code == "RESOURCE_ALREADY_EXISTS":
            raise AlreadyExistsError(message, where=where) from error
        if code == "RESOURCE_DOES_NOT_EXIST":
            raise NotFoundError(message, where=where) from error
        if code not in _NO_ANSWER or 0 < _status(error) < 500 or isinstance(error, _FILE_ERRORS):
            raise TrackerError(message, where=where) from error
        raise NoAnswerError(message, where=where) from error


def is_missing(error: MlflowException) -> bool:
    """Return whether the server has no such call: an older or newer one, or a registry of another kind."""
    return error.error_code in _NO_SUCH_CALL or "is unsupported for models in" in str(error)


def _status(error: MlflowException | OSError) -> int:
    """Return the HTTP status; 0 if the server has not answered."""
    if isinstance(error, RestException):
        return int(error.get_http_status_code())  # type: ignore[no-untyped-call]
    # For artifacts MLflow passes the HTTP error on as it is.
    response = error.response if isinstance(error, HTTPError) else None
    return 0 if response is None else int(response.status_code)


def _in_short(error: MlflowException | OSError) -> str:
    if isinstance(error, MlflowException):
        return str(error.error_code)
    status = _status(error)
    return f"MLflow answers with {status}" if status else error.strerror or "no connection"


class _Logins(RequestAuthProvider, AuthBase):
    """Adds to each request the login of its server. MLflow itself takes one for all servers from the environment."""

    headers: ClassVar[dict[tuple[str, str], str]] = {}
    """Header `Authorization` by scheme and host of the server."""

    def get_name(self) -> str:
        return _AUTH

    def get_auth(self) -> AuthBase:
        return self

    def __call__(self, request: PreparedRequest) -> PreparedRequest:
        header = self.headers.get(_host(str(request.url)))
        if header is not None:
            request.headers["Authorization"] = header
        return request


_AUTH = "retrain"
_request_auth_provider_registry.register(_Logins)  # type: ignore[no-untyped-call]

for _each in _request_header_provider_registry:
    if isinstance(_each, DatabricksRequestHeaderProvider):
        # Before each request MLflow checks by imports that fail whether it runs on Databricks. That is most of the time
        # that a request takes here, and the result never changes within a process.
        _each.in_context = cache(_each.in_context)  # type: ignore[method-assign]


def _host(url: str) -> tuple[str, str]:
    parts = urlsplit(url)
    return parts.scheme, parts.netloc.rpartition("@")[2]


def set_up(server: str, deadline: float, ca_bundle: str | None) -> None:
    """Set how this process sends its requests from now on. MLflow reads these settings from the environment."""
    os.environ.setdefault("MLFLOW_HTTP_REQUEST_MAX_RETRIES", "0")
    os.environ.setdefault("MLFLOW_HTTP_REQUEST_TIMEOUT", str(ceil(deadline)))
    # Open connections: the API sends requests from more threads than MLflow's default of ten.
    os.environ.setdefault("MLFLOW_HTTP_POOL_MAXSIZE", "32")
    # Otherwise MLflow fetches a run once more before it ends it, to print the address of its page.
    os.environ.setdefault("MLFLOW_SUPPRESS_PRINTING_URL_TO_STDOUT", "true")
    # Airflow would log each step of the progress bar as an error.
    os.environ.setdefault("MLFLOW_ENABLE_ARTIFACTS_PROGRESS_BAR", "false")
    if ca_bundle is not None:
        if not Path(ca_bundle).is_file():
            raise TrackerError(f"{server}: CA bundle {ca_bundle} is not a file; name a file that holds certificates")
        os.environ["MLFLOW_TRACKING_SERVER_CERT_PATH"] = ca_bundle


def log_in(server: str, username: str | None, password: str | None, token: str | None) -> None:
    """Send this login with each request from this process to this server, and to no other server.

    Raises TrackerError if a header cannot hold it.
    """
    header = _header(username, password, token)
    if header is None:
        return
    if not header.isascii() or not header.isprintable():
        raise TrackerError(
            f"{server}: the token holds a line break, or a character that no HTTP header can; look for a blank in it"
        )
    os.environ["MLFLOW_TRACKING_AUTH"] = _AUTH
    _Logins.headers[_host(server)] = header


def _header(username: str | None, password: str | None, token: str | None) -> str | None:
    if token:
        return f"Bearer {token}"
    if username or password:
        return "Basic " + base64.b64encode(f"{username or ''}:{password or ''}".encode()).decode()
    return None
