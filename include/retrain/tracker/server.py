"""One MLflow server: how it is reached, and what all parts of the tracker need."""

from collections.abc import Iterator, Sequence
from contextlib import contextmanager, suppress
from copy import copy
from datetime import UTC, datetime
from email.utils import parsedate_to_datetime
from math import copysign, inf
from typing import Any, Self, TypeVar

import requests
from mlflow import MlflowClient
from mlflow.exceptions import MlflowException
from mlflow.store.artifact.artifact_repository_registry import get_artifact_repository

from retrain.errors import NotFoundError, TrackerError
from retrain.tracker import logins, transport
from retrain.tracker.filters import Condition
from retrain.tracker.transport import DEADLINE

KEY = "retrain.key"
"""Tag that holds the key for which a run, model or version was made once."""
DIGEST = "retrain.digest"
"""Tag of a logged model: the digest of its files. For looking after them alone: what is loaded needs the ledger's."""

PAGE, AT_MOST = 1_000, 50_000
"""Items in one response: as many runs as a caller should wait for, and the most that MLflow returns."""
TEXTS_AT_ONCE, METRICS_AT_ONCE = 100, 1_000
GREATEST = 1.79e308
"""MLflow stores an infinite metric as a number just above this one."""

_Each = TypeVar("_Each")


class Server:
    """The connection to one MLflow server, with its login, its deadline and the names of its aliases."""

    def __init__(
        self,
        uri: str,
        *,
        registry_uri: str | None = None,
        username: str | None = None,
        password: str | None = None,
        token: str | None = None,
        ca_bundle: str | None = None,
        name: str | None = None,
        deadline: float = DEADLINE,
    ) -> None:
        """uri: of the tracking server. name: what errors call it, such as the id of its connection.

        ca_bundle: file with the certificates that the server's is checked against. deadline: seconds for each call.
        """
        transport.set_up(uri, deadline, ca_bundle)
        self._login = logins.log_in(uri, username, password, token)
        self._uri = uri
        self._server = uri if name is None else f"{name}, {uri}"
        self._aliases: dict[str, str] = {"Production": "production", "Staging": "staging"}
        self._client = MlflowClient(tracking_uri=uri, registry_uri=registry_uri)

    def with_aliases(self, production: str, staging: str) -> Self:
        """Return this tracker for a model whose versions in Production and in Staging own these aliases."""
        other = copy(self)
        other._aliases = {"Production": production, "Staging": staging}
        return other

    def alias(self, stage: str) -> str:
        """Return the alias of Production or of Staging."""
        return self._aliases[stage]

    def __repr__(self) -> str:
        return f"{type(self).__name__}({self._server})"

    def check(self) -> None:
        """Raises TrackerError if the server does not work: MLflow's health page says OK with its database down.

        A login that may not read experiment 0 is known there, so its database works.
        """
        with self._translated_errors("experiment 0"), suppress(NotFoundError):
            try:
                self._client.get_experiment("0")
            except MlflowException as error:
                if error.error_code != "PERMISSION_DENIED":
                    raise

    def clock(self) -> datetime | None:
        """Return the server's time, as its responses say it; None where they do not."""
        with self._translated_errors("its clock"):
            answer = requests.get(f"{self._uri.rstrip('/')}/health", timeout=transport.DEADLINE)
        said = answer.headers.get("Date")
        if said is None:
            return None
        time = parsedate_to_datetime(said)
        return time if time.tzinfo else time.replace(tzinfo=UTC)  # one of zone -0000

    def _files(self, location: str) -> Any:
        """Return the `ArtifactRepository` of this location, through this tracker's server. Its methods have no types.

        MLflow's client would keep the store of a run by the run's id alone: a tracker of another address, or of a
        server that has moved, would send the run's files to where the first one had sent them.
        """
        return get_artifact_repository(location, self._uri)

    @contextmanager
    def _translated_errors(self, what: str) -> Iterator[None]:
        """Call MLflow in here: with this tracker's login, and so that its errors become Retrain's."""
        with transport.translated_errors(self._server, what), logins.using(self._login):
            yield


def number(stored: float) -> float:
    """Return a metric's value as it was logged. Retrain logs no infinity, but others may."""
    return copysign(inf, stored) if abs(stored) > GREATEST else stored


def time_of(milliseconds: int) -> datetime:
    return datetime.fromtimestamp(milliseconds / 1000, UTC)


def tagged(key: str) -> Condition:
    return Condition("tag", KEY, "=", checked_key(key))


def checked_key(key: str) -> str:
    """Return the key. Raises TrackerError unless it is alphanumeric like a digest: no key can add a clause."""
    if not key.isalnum():
        raise TrackerError(f"{key!r} is not a key: keys are hexadecimal digests")
    return key


def model_id(uri: str) -> str:
    return uri.removeprefix("models:/")


def parts(values: Sequence[_Each], size: int) -> Iterator[Sequence[_Each]]:
    for begin in range(0, len(values), size):
        yield values[begin : begin + size]
