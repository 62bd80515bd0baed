"""The login of each tracker. MLflow itself takes one for all servers from the environment."""

import base64
import os
from collections.abc import Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import contextmanager
from contextvars import ContextVar, copy_context
from dataclasses import dataclass, field
from functools import cache
from typing import Any, ClassVar
from urllib.parse import urlsplit

from mlflow.store.artifact.artifact_repo import ArtifactRepository
from mlflow.tracking.request_auth.abstract_request_auth_provider import RequestAuthProvider
from mlflow.tracking.request_auth.registry import _request_auth_provider_registry
from mlflow.tracking.request_header.databricks_request_header_provider import DatabricksRequestHeaderProvider
from mlflow.tracking.request_header.registry import _request_header_provider_registry
from requests import PreparedRequest
from requests.auth import AuthBase

from retrain.errors import TrackerError

Host = tuple[str, str]
"""Scheme, and host with port."""


@dataclass(frozen=True)
class Login:
    """What one tracker sends to its server, and to no other."""

    host: Host
    header: str | None = field(repr=False)
    """`Authorization`; None without a login."""


_current: ContextVar[Login | None] = ContextVar("retrain_login", default=None)
"""That of the tracker which is calling MLflow now: two trackers may have different logins of one server."""


@contextmanager
def using(login: Login) -> Iterator[None]:
    """Send this login with each request to its server while the block runs."""
    token = _current.set(login)
    try:
        yield
    finally:
        _current.reset(token)


def log_in(server: str, username: str | None, password: str | None, token: str | None) -> Login:
    """Return the login. Raises TrackerError if a header cannot hold it.

    Requests to this server outside of `using`, too, have it from now on, or that of a later tracker.
    """
    login = Login(_host(server), _header(username, password, token))
    if login.header is not None:
        if not login.header.isascii() or not login.header.isprintable():
            raise TrackerError(
                f"{server}: the token holds a line break, or a character that no HTTP header can; look for a blank in "
                "it"
            )
        os.environ["MLFLOW_TRACKING_AUTH"] = _AUTH
        _Logins.headers[login.host] = login.header
    return login


def _header(username: str | None, password: str | None, token: str | None) -> str | None:
    if token:
        return f"Bearer {token}"
    if username or password:
        return "Basic " + base64.b64encode(f"{username or ''}:{password or ''}".encode()).decode()
    return None


def _host(url: str) -> Host:
    parts = urlsplit(url)
    return parts.scheme, parts.netloc.rpartition("@")[2]


class _Logins(RequestAuthProvider, AuthBase):
    """Adds to each request the login of its server."""

    headers: ClassVar[dict[Host, str]] = {}
    """For requests that no tracker of ours has sent."""

    def get_name(self) -> str:
        return _AUTH

    def get_auth(self) -> AuthBase:
        return self

    def __call__(self, request: PreparedRequest) -> PreparedRequest:
        host, current = _host(str(request.url)), _current.get()
        header = current.header if current is not None and current.host == host else self.headers.get(host)
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


class _SameLogin(ThreadPoolExecutor):
    """Threads that call MLflow with the login of the thread that has asked them to."""

    def submit(self, call: Any, /, *args: Any, **named: Any) -> "Future[Any]":
        return super().submit(copy_context().run, call, *args, **named)


def _threads(self: ArtifactRepository) -> ThreadPoolExecutor:
    return _SameLogin(max_workers=self.max_workers, thread_name_prefix="retrain-artifacts")


# MLflow downloads and uploads the files of a folder in threads.
ArtifactRepository._create_thread_pool = _threads  # type: ignore[method-assign]
