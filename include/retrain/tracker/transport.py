"""MLflow's errors as ours, and how each call is sent."""

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

DEADLINE = 60
"""Seconds until a call without an answer fails; a write that was sent lands within this time or not at all."""


class AlreadyExistsError(TrackerError):
    """Somebody else was faster. Told apart from other refusals within this package only."""


_OF_FILES = (FileNotFoundError, IsADirectoryError, NotADirectoryError, PermissionError)
"""About a file on this machine: asking again gives the same."""
_NO_ANSWER = ("INTERNAL_ERROR", "TEMPORARILY_UNAVAILABLE")
"""The second one says that MLflow's database is down, or that another transaction was faster."""
_NOT_FOR_ALL = re.compile(r"\[SQL|psycopg2|sqlite3|://|host=")
"""Of addresses, and of what MLflow's database has said: it passes that on, the statement included."""


@contextmanager
def answer(server: str, what: str) -> Iterator[None]:
    """MLflow's classes do not tell a refusal from no answer: its codes do."""
    try:
        yield
    except (MlflowException, OSError) as error:
        said, where = f"{what}: {' '.join(str(error).split())[:1000]}", server
        if isinstance(error, OSError) or _NOT_FOR_ALL.search(said):
            said, where = f"{what}: {_in_short(error)}", f"{server}: {said}"
        code = error.error_code if isinstance(error, MlflowException) else "INTERNAL_ERROR"
        if code == "RESOURCE_ALREADY_EXISTS":
            raise AlreadyExistsError(said, where=where) from error
        if code == "RESOURCE_DOES_NOT_EXIST":
            raise NotFoundError(said, where=where) from error
        if code not in _NO_ANSWER or 0 < _status(error) < 500 or isinstance(error, _OF_FILES):
            raise TrackerError(said, where=where) from error
        raise NoAnswerError(said, where=where) from error


def _status(error: MlflowException | OSError) -> int:
    """Of HTTP; 0 of an error that is no answer."""
    if isinstance(error, RestException):
        return int(error.get_http_status_code())  # type: ignore[no-untyped-call]
    # Artifacts: what the server answers there comes as it is.
    response = error.response if isinstance(error, HTTPError) else None
    return 0 if response is None else int(response.status_code)


def _in_short(error: MlflowException | OSError) -> str:
    if isinstance(error, MlflowException):
        return str(error.error_code)
    status = _status(error)
    return f"MLflow answers with {status}" if status else error.strerror or "no connection"


class _Logins(RequestAuthProvider, AuthBase):
    """Adds its login to each request to a server: MLflow would take one for all from the environment of the process."""

    headers: ClassVar[dict[tuple[str, str], str]] = {}
    """By scheme and host of the server."""

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
        # Before each request MLflow asks whether this is Databricks, by imports that fail: most of what a request costs
        # here. What a process runs on does not change.
        _each.in_context = cache(_each.in_context)  # type: ignore[method-assign]


def _host(url: str) -> tuple[str, str]:
    parts = urlsplit(url)
    return parts.scheme, parts.netloc.rpartition("@")[2]


def set_up(server: str, deadline: float, ca_bundle: str | None) -> None:
    """How this process sends its requests to the server from now on; MLflow takes that from the environment."""
    os.environ.setdefault("MLFLOW_HTTP_REQUEST_MAX_RETRIES", "0")
    os.environ.setdefault("MLFLOW_HTTP_REQUEST_TIMEOUT", str(ceil(deadline)))
    # Connections that are kept: the API asks in more threads than MLflow's ten.
    os.environ.setdefault("MLFLOW_HTTP_POOL_MAXSIZE", "32")
    # Else MLflow asks for a run once more before it ends it, to print where its page is.
    os.environ.setdefault("MLFLOW_SUPPRESS_PRINTING_URL_TO_STDOUT", "true")
    # Airflow would keep each step of the bar as an error.
    os.environ.setdefault("MLFLOW_ENABLE_ARTIFACTS_PROGRESS_BAR", "false")
    if ca_bundle is not None:
        if not Path(ca_bundle).is_file():
            raise TrackerError(f"{server}: there is no CA bundle {ca_bundle}; name a file that holds certificates")
        os.environ["MLFLOW_TRACKING_SERVER_CERT_PATH"] = ca_bundle


def log_in(server: str, username: str | None, password: str | None, token: str | None) -> None:
    """Send this login with each request of this process to this server, and to no other."""
    header = _header(username, password, token)
    if header is None:
        return
    if not header.isascii() or not header.isprintable():
        raise TrackerError(f"{server}: the token holds a line break, or a letter that no header can; look for a blank")
    os.environ["MLFLOW_TRACKING_AUTH"] = _AUTH
    _Logins.headers[_host(server)] = header


def _header(username: str | None, password: str | None, token: str | None) -> str | None:
    if token:
        return f"Bearer {token}"
    if username or password:
        return "Basic " + base64.b64encode(f"{username or ''}:{password or ''}".encode()).decode()
    return None
