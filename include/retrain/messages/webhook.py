"""Carries announcements to the team where no provider of Airflow does."""

import base64
import hashlib
import hmac
import json
import logging
import time
from datetime import timedelta
from urllib.parse import quote, urlsplit

import httpx

from retrain.errors import ChannelError
from retrain.records import Announcement
from retrain.topics import Level

_SECONDS = 20
_LONGEST_WAIT = timedelta(hours=6)

log = logging.getLogger(__name__)


class Log:
    """Writes each announcement into the log of the task that sends it."""

    name = "log"
    least = Level.INFO

    def deliver(self, key: str, announcement: Announcement) -> None:  # noqa: ARG002 - a channel's signature
        log.info("%s %s", announcement.headline, announcement.act)


class Webhook:
    """A web address that gets each announcement as JSON: its key and its fields."""

    def __init__(
        self,
        url: str,
        *,
        name: str = "web hook",
        least: Level = Level.INFO,
        username: str | None = None,
        password: str | None = None,
        signing_secret: str | None = None,
    ) -> None:
        """signing_secret: signs each post, as the Standard Webhooks specification says."""
        self.name, self.least = name, least
        self._url = url
        self._auth = httpx.BasicAuth(username or "", password or "") if username or password else None
        self._secret = None if signing_secret is None else _secret(name, signing_secret)

    def deliver(self, key: str, announcement: Announcement) -> None:
        """Post an announcement. Its key is the same at each attempt, so that the receiver can drop a double.

        Raises ChannelError unless the response is a success. The address often holds secrets: the error names only its
        host.
        """
        body = json.dumps({"key": key, **announcement.to_json()}, ensure_ascii=False).encode()
        # A header holds ASCII only, and a key holds the name of a model.
        headers = {"Content-Type": "application/json", "Idempotency-Key": quote(key)}
        if self._secret is not None:
            headers |= _signature(self._secret, quote(key), body)
        try:
            host = urlsplit(self._url).hostname
        except ValueError:
            raise ChannelError(f"{self.name} at something that is not an address: look at its connection") from None
        try:
            response = httpx.post(self._url, content=body, headers=headers, auth=self._auth, timeout=_SECONDS)
        except (httpx.HTTPError, httpx.InvalidURL) as error:
            raise ChannelError(f"{self.name} at {host}: no answer: {type(error).__name__}") from None
        if not response.is_success:
            wait = retry_after(response.headers.get("Retry-After"))
            raise ChannelError(f"{self.name} at {host}: answered {response.status_code}", retry_after=wait)


def retry_after(header: str | None) -> timedelta:
    """Return the wait that the header asks for; zero where it is a date, which no channel that we know sends."""
    seconds = int(header) if header is not None and header.isascii() and header.isdigit() else 0
    return min(timedelta(seconds=min(seconds, 10**9)), _LONGEST_WAIT)


def _signature(secret: bytes, key: str, body: bytes) -> dict[str, str]:
    """Return the headers of a signed post, https://www.standardwebhooks.com: receivers refuse an old or altered one."""
    at = str(int(time.time()))
    digest = hmac.new(secret, f"{key}.{at}.".encode() + body, hashlib.sha256).digest()
    return {
        "webhook-id": key,
        "webhook-timestamp": at,
        "webhook-signature": f"v1,{base64.b64encode(digest).decode()}",
    }


def _secret(name: str, text: str) -> bytes:
    try:
        return base64.b64decode(text.removeprefix("whsec_"), validate=True)
    except ValueError:
        raise ChannelError(f"{name}: signing_secret in its connection is not base64") from None
