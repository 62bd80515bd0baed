"""One MLflow server: how it is reached, and what all that ask it have in common."""

from collections.abc import Iterator, Sequence
from contextlib import AbstractContextManager, suppress
from datetime import UTC, datetime
from math import copysign, inf
from typing import TypeVar

from mlflow import MlflowClient

from retrain.errors import NotFoundError, TrackerError
from retrain.tracker import transport
from retrain.tracker.filters import Condition
from retrain.tracker.transport import DEADLINE

KEY = "retrain.key"
"""Tag of whatever was made once for a key."""

PAGE, AT_MOST = 1_000, 50_000
"""Things in one answer: as many runs as one waits for, and as many as MLflow gives."""
TEXTS_AT_ONCE, METRICS_AT_ONCE = 100, 1_000
GREATEST = 1.79e308
"""MLflow keeps an infinite metric as a number just above."""

_Each = TypeVar("_Each")


class Server:
    """One MLflow server, as a user of it."""

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
        production_alias: str = "production",
        staging_alias: str = "staging",
    ) -> None:
        """uri: of the tracking server. name: what errors call it, the id of its connection say.

        ca_bundle: file with the certificates that the server's is checked against. deadline: seconds.
        production_alias, staging_alias: those that the versions in these stages own.
        """
        transport.set_up(uri, deadline, ca_bundle)
        transport.log_in(uri, username, password, token)
        self._uri = uri
        self._server = uri if name is None else f"{name}, {uri}"
        self._aliases: dict[str, str] = {"Production": production_alias, "Staging": staging_alias}
        self._client = MlflowClient(tracking_uri=uri, registry_uri=registry_uri)

    def __repr__(self) -> str:
        return f"{type(self).__name__}({self._server})"

    def check(self) -> None:
        """Raises where the server does not do its work: MLflow's own health page says OK with its database down."""
        with self._answer("experiment 0"), suppress(NotFoundError):
            self._client.get_experiment("0")

    def _answer(self, what: str) -> AbstractContextManager[None]:
        return transport.answer(self._server, what)


def number(kept: float) -> float:
    """As it was logged: others than we may have logged infinity."""
    return copysign(inf, kept) if abs(kept) > GREATEST else kept


def time_of(milliseconds: int) -> datetime:
    return datetime.fromtimestamp(milliseconds / 1000, UTC)


def tagged(key: str) -> Condition:
    return Condition("tag", KEY, "=", checked_key(key))


def checked_key(key: str) -> str:
    """Keys are digests, so that none can add a clause, and none is cut off."""
    if not key.isalnum():
        raise TrackerError(f"{key!r} is no key: keys are hexadecimal digests")
    return key


def model_id(uri: str) -> str:
    return uri.removeprefix("models:/")


def parts(values: Sequence[_Each], size: int) -> Iterator[Sequence[_Each]]:
    for begin in range(0, len(values), size):
        yield values[begin : begin + size]
