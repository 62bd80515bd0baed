"""Carries announcements to the team."""

from typing import Any
from urllib.parse import quote, urlsplit

import httpx

from retrain.errors import ChannelError
from retrain.nouns import Announcement

_SECONDS = 20


class Webhook:
    """A web address that takes each announcement as JSON: its key, model, kind, headline and facts."""

    def __init__(self, url: str, *, username: str | None = None, password: str | None = None) -> None:
        self._url = url
        self._auth = httpx.BasicAuth(username or "", password or "") if username or password else None

    def deliver(self, key: str, announcement: Announcement) -> None:
        """Post it. The key is the same each time that it is sent, so that the receiver can drop a double.

        Raises ChannelError unless the answer is a success. Secrets are often part of the address: only its host is
        told.
        """
        body: dict[str, Any] = {"key": key, **announcement.to_json()}
        # A header holds ASCII, and a key the name of a model.
        headers = {"Idempotency-Key": quote(key)}
        try:
            host = urlsplit(self._url).hostname
        except ValueError:
            raise ChannelError("web hook at an address that is none: look at its connection") from None
        try:
            answer = httpx.post(self._url, json=body, headers=headers, auth=self._auth, timeout=_SECONDS)
        except (httpx.HTTPError, httpx.InvalidURL) as error:
            raise ChannelError(f"web hook at {host}: no answer: {type(error).__name__}") from None
        if not answer.is_success:
            raise ChannelError(f"web hook at {host}: answered {answer.status_code}")
