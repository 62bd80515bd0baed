"""Limits of a body, checked before it is parsed: the caller is known, and its size and its depth are bounded."""

import re
from collections.abc import Iterator

from fastapi import Request
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from retrain_airflow.api import access, problems
from retrain_airflow.api.access import NotAllowedError
from retrain_airflow.api.problems import TooLargeError, UnprocessableError

LARGEST, DEEPEST = 1 << 20, 32
"""Bytes of a JSON body, and brackets that may be open in it at once."""

_NOT_A_BRACKET = re.compile(rb'"(?:[^"\\]|\\.)*"|[^\[\]{}"]+', re.DOTALL)


class Limits:
    """ASGI middleware. It reads the body into memory whatever its content type says, as FastAPI would.

    The body of a PUT is a file, which its route counts.
    """

    def __init__(self, app: ASGIApp) -> None:
        self._app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http" or scope["method"] in ("GET", "HEAD", "OPTIONS", "PUT"):
            await self._app(scope, receive, send)
            return
        request = Request(scope, receive)
        try:
            await access.caller(request)
            body = await _read(receive)
            _refuse_deep(body)
        except (NotAllowedError, TooLargeError, UnprocessableError) as error:
            response = await problems.answer(request, error)
            await response(scope, receive, send)
            return
        await self._app(scope, _again(body, receive), send)


async def _read(receive: Receive) -> bytes:
    body = bytearray()
    while True:
        message = await receive()
        body += message.get("body", b"")
        if len(body) > LARGEST:
            raise TooLargeError(f"a body has at most {LARGEST:,} bytes")
        if not message.get("more_body"):
            return bytes(body)


def _refuse_deep(body: bytes) -> None:
    # The json module accepts UTF-16, in which the pattern would not recognise a quote.
    if b"\0" in body:
        raise UnprocessableError("a body must be UTF-8 without NUL")
    depth = 0
    for bracket in _NOT_A_BRACKET.sub(b"", body):
        depth += 1 if bracket in b"[{" else -1
        if depth > DEEPEST:
            raise UnprocessableError(f"a body may be nested at most {DEEPEST} deep")


def _again(body: bytes, receive: Receive) -> Receive:
    """Return a `receive` that gives the body once more, and then what follows it."""
    messages: Iterator[Message] = iter([{"type": "http.request", "body": body, "more_body": False}])

    async def receive_again() -> Message:
        message = next(messages, None)
        return await receive() if message is None else message

    return receive_again
