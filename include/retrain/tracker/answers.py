"""MLflow's errors as ours, and how each call is sent."""

import base64
import os
from collections.abc import Iterator
from contextlib import contextmanager
from math import ceil
from pathlib import Path
from typing import Any

from mlflow.exceptions import MlflowException, RestException
from mlflow.tracking.request_header.abstract_request_header_provider import RequestHeaderProvider
from mlflow.tracking.request_header.registry import _request_header_provider_registry

from retrain.errors import NoAnswerError, TrackerError

DEADLINE = 60
"""Seconds until a call without an answer fails; a write that was sent lands within this time or not at all."""


class AlreadyExistsError(TrackerError):
    """Somebody else was faster. Told apart from every other refusal; never leaves this package."""


class MissingError(TrackerError):
    """MLflow has no such thing. Never leaves this package."""


@contextmanager
def answer(server: str, what: str) -> Iterator[None]:
    """MLflow's classes do not tell a refusal from no answer: its codes do."""
    try:
        yield
    except (MlflowException, OSError) as error:
        said = f"{what}: {' '.join(str(error).split())[:1000]} ({server})"
        code = error.error_code if isinstance(error, MlflowException) else "INTERNAL_ERROR"
        if code == "RESOURCE_ALREADY_EXISTS":
            raise AlreadyExistsError(said) from error
        if code == "RESOURCE_DOES_NOT_EXIST":
            raise MissingError(said) from error
        refused = isinstance(error, RestException) and error.get_http_status_code() < 500  # type: ignore[no-untyped-call]
        if refused or code != "INTERNAL_ERROR":
            raise TrackerError(said) from error
        raise NoAnswerError(said) from error


class _Login(RequestHeaderProvider):
    """Adds the login to each request: MLflow itself would take it from the environment, where every child sees it."""

    header: str | None = None
    server: str | None = None

    def in_context(self) -> bool:
        return self.header is not None

    def request_headers(self) -> dict[str, Any]:
        return {"Authorization": self.header}


_request_header_provider_registry.register(_Login)  # type: ignore[no-untyped-call]


def set_up(server: str, deadline: float, ca_bundle: str | None) -> None:
    """How this process sends its requests to the server from now on; MLflow takes that from the environment."""
    os.environ.setdefault("MLFLOW_HTTP_REQUEST_MAX_RETRIES", "0")
    os.environ.setdefault("MLFLOW_HTTP_REQUEST_TIMEOUT", str(ceil(deadline)))
    if ca_bundle is not None:
        if not Path(ca_bundle).is_file():
            raise TrackerError(f"{server}: there is no CA bundle {ca_bundle}; name a file that holds certificates")
        os.environ["MLFLOW_TRACKING_SERVER_CERT_PATH"] = ca_bundle


def log_in(server: str, username: str | None, password: str | None, token: str | None) -> None:
    """Send this login with every request of this process.

    Raises TrackerError where the process is logged in at another server: each would be sent the other's login.
    """
    header = _header(username, password, token)
    if _Login.header is not None and _Login.server != server:
        raise TrackerError(f"this process is logged in at {_Login.server}; one process speaks to one MLflow server")
    if header is not None:
        _Login.header, _Login.server = header, server


def _header(username: str | None, password: str | None, token: str | None) -> str | None:
    if token:
        return f"Bearer {token}"
    if username or password:
        return "Basic " + base64.b64encode(f"{username or ''}:{password or ''}".encode()).decode()
    return None
